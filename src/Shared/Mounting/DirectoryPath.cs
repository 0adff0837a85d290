using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;

namespace PassthroughFs.Shared;

/// <summary>Directories that a user names.</summary>
internal static class DirectoryPath
{
    /// <summary>The directory without symbolic links, and its type.</summary>
    /// <param name="path">What the user named.</param>
    /// <param name="role">What it is for, in a message.</param>
    /// <exception cref="FuseMountException">It is none, or cannot be reached; the message says what to do.</exception>
    public static (string Real, uint Mode) Check(string path, string role)
    {
        Errno error = Libc.FileMode(path, out uint mode);
        if (error == Errno.OK && (mode & Libc.S_IFMT) != Libc.S_IFDIR)
        {
            error = Errno.ENOTDIR;
        }

        string real = path;
        if (error == Errno.OK)
        {
            error = Libc.RealPath(path, out real);
        }

        return error switch
        {
            Errno.OK => (real, mode & Libc.S_IFMT),
            Errno.ENOENT => throw new FuseMountException(
                $"{role} {path} does not exist: create it (`mkdir -p {path}`) or name an existing directory"),
            Errno.ENOTDIR => throw new FuseMountException($"{role} {path} is not a directory: name a directory"),
            Errno.EACCES => throw new FuseMountException(
                $"{role} {path} cannot be reached: grant search permission on it and the directories above it"),
            Errno.ENOTCONN or Libc.ECONNABORTED => throw new FuseMountException(
                $"{role} {path} is a mount whose server has ended ({Libc.Describe(error)}): " +
                $"remove it with `{UnmountCommand(path)}`"),
            _ => throw new FuseMountException($"{role} {path} cannot be used: {Libc.Describe(error)}"),
        };
    }

    /// <summary>What the user types to remove a mount.</summary>
    public static string UnmountCommand(string mountPoint) =>
        (Libc.geteuid() == 0 ? "umount " : "fusermount3 -u ") + mountPoint;
}
