using System;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>The path of a mount point: absolute, one spelling for each place.</summary>
internal static class VfsPath
{
    public const string Root = "/";

    private static readonly UTF8Encoding s_strict = new(false, true);

    /// <summary>Gives a path its one spelling, or says what is wrong with it.</summary>
    public static string Normalize(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!path.StartsWith('/'))
        {
            throw Malformed(path, "it must begin with \"/\"");
        }

        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (string name in names)
        {
            if (name is "." or ".." || name.Contains('\0', StringComparison.Ordinal))
            {
                throw Malformed(path, "it must have no \".\", \"..\" or NUL in it");
            }

            if (Length(path, name) > Linux.NAME_MAX)
            {
                throw Malformed(path, $"a name in it has more than {Linux.NAME_MAX} bytes");
            }
        }

        string normal = Root + string.Join('/', names);
        return Length(path, normal) < Linux.PATH_MAX
            ? normal
            : throw Malformed(path, $"it has {Linux.PATH_MAX} bytes or more");
    }

    /// <summary>The directory that a path other than the root's is in.</summary>
    public static string Parent(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash == 0 ? Root : path[..slash];
    }

    /// <summary>The last name of a path, as Linux has it.</summary>
    public static byte[] Name(string path) => s_strict.GetBytes(path[(path.LastIndexOf('/') + 1)..]);

    /// <summary>Whether a path is inside another, at any depth.</summary>
    public static bool IsInside(string path, string directory) =>
        directory == Root ? path != Root : path.StartsWith(directory + '/', StringComparison.Ordinal);

    private static int Length(string path, string text)
    {
        try
        {
            return s_strict.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw Malformed(path, "it is no valid text");
        }
    }

    private static VfsException Malformed(string path, string why) =>
        new(Errno.EINVAL, $"\"{path}\" cannot be a mount point: {why}.");
}
