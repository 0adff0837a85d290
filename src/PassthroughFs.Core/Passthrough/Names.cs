using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// The trust boundary for names: every name of every operation is one component, or the operation is refused.
/// </summary>
internal static unsafe class Names
{
    /// <summary>Room for the longest name with its NUL.</summary>
    public const int BufferSize = Linux.NAME_MAX + 1;

    /// <summary>Whether a name is "." or "..".</summary>
    public static bool IsDots(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);

    /// <summary>
    /// Checks a name and puts it with a NUL into <paramref name="buffer"/>, which has <see cref="BufferSize"/> bytes.
    /// </summary>
    public static Errno Copy(ReadOnlySpan<byte> name, byte* buffer) =>
        IsDots(name) ? Errno.EINVAL : CopyForLookup(name, buffer);

    /// <summary>As <see cref="Copy"/>, with "." and ".." allowed.</summary>
    public static Errno CopyForLookup(ReadOnlySpan<byte> name, byte* buffer)
    {
        if (name.Length > Linux.NAME_MAX)
        {
            return Errno.ENAMETOOLONG;
        }

        if (name.IsEmpty || name.ContainsAny((byte)'/', (byte)0))
        {
            return Errno.EINVAL;
        }

        // Sound: the length was checked against the buffer's size.
        name.CopyTo(new Span<byte>(buffer, BufferSize));
        buffer[name.Length] = 0;
        return Errno.OK;
    }

    /// <summary>Puts the name of an extended attribute with a NUL into <paramref name="buffer"/>.</summary>
    public static Errno CopyXattr(ReadOnlySpan<byte> name, byte* buffer)
    {
        if (name.Length is 0 or > Linux.XATTR_NAME_MAX)
        {
            return Errno.ERANGE;
        }

        if (name.Contains((byte)0))
        {
            return Errno.EINVAL;
        }

        // Sound: the length was checked against the buffer's size.
        name.CopyTo(new Span<byte>(buffer, BufferSize));
        buffer[name.Length] = 0;
        return Errno.OK;
    }
}
