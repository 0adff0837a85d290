using System;
using System.IO;
using System.Security.Cryptography;
using System.Text;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>Where the control socket of a mount point is.</summary>
internal static class ControlPath
{
    private const string Folder = "ptfs-mount";
    private const int MaxBytes = 107; // of sun_path, with its NUL
    private const int HashBytes = 12;

    /// <summary>The place of a mount point: root's in /run, a user's in XDG_RUNTIME_DIR.</summary>
    /// <returns>Null if there is none.</returns>
    public static string? Default(string mountPoint)
    {
        string? runtime = Libc.geteuid() == 0 ? "/run" : Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        if (string.IsNullOrEmpty(runtime))
        {
            return null;
        }

        // A path may be longer than a socket's name: a hash of it tells it from others.
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(mountPoint)).AsSpan(0, HashBytes));
        return Path.Combine(runtime, Folder, hash + ".sock");
    }

    /// <summary>The same, in a directory that is there and is nobody else's.</summary>
    /// <returns>Null, or why there is none.</returns>
    public static string? PrepareDefault(string mountPoint, out string path)
    {
        path = Default(mountPoint) ?? "";
        if (path.Length == 0)
        {
            return "XDG_RUNTIME_DIR is not set";
        }

        string directory = Path.GetDirectoryName(path)!;
        try
        {
            Directory.CreateDirectory(
                directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{directory} cannot be made ({e.Message.TrimEnd('.')})";
        }
    }

    public static void RefuseTooLong(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > MaxBytes)
        {
            throw new FuseMountException($"the control socket's path {path} is too long: give at most {MaxBytes} bytes");
        }
    }
}
