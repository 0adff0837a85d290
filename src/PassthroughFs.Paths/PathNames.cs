using System;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths;

/// <summary>Names as strings: what is not UTF-8 is no name here.</summary>
internal static class PathNames
{
    public const int MaxBytes = 255;

    /// <summary>The string of a name that comes from the client.</summary>
    /// <returns>EILSEQ if it is not UTF-8, EINVAL if it is no name of something in a directory.</returns>
    public static Errno Decode(ReadOnlySpan<byte> name, out string text)
    {
        text = "";
        if (name.IsEmpty || name.IndexOfAny((byte)'/', (byte)0) >= 0 || name.SequenceEqual("."u8) ||
            name.SequenceEqual(".."u8))
        {
            return Errno.EINVAL;
        }

        if (name.Length > MaxBytes)
        {
            return Errno.ENAMETOOLONG;
        }

        return DecodeText(name, out text);
    }

    /// <summary>The path of a name in a directory.</summary>
    public static string Join(string directory, string name) => directory == "/" ? "/" + name : $"{directory}/{name}";

    /// <summary>The string of any bytes.</summary>
    public static Errno DecodeText(ReadOnlySpan<byte> bytes, out string text)
    {
        bool isText = System.Text.Unicode.Utf8.IsValid(bytes);
        text = isText ? Encoding.UTF8.GetString(bytes) : "";
        return isText ? Errno.OK : Errno.EILSEQ;
    }
}
