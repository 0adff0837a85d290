using System;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>The file that says, from one mount to the next, what clients' handles mean.</summary>
internal sealed class ExportState
{
    private readonly string _path;
    private readonly string _directory;

    private ExportState(string directory, string name)
    {
        _directory = directory;
        _path = Path.Combine(directory, name);
    }

    /// <summary>Where the file is.</summary>
    public string Place => _path;

    /// <summary>Checks the file's place; null if none is wanted. Before the working directory changes.</summary>
    public static ExportState? At(string? path, Paths paths)
    {
        if (path is null)
        {
            return null;
        }

        string full = Path.GetFullPath(path);
        string name = Path.GetFileName(full);
        string parent = Path.GetDirectoryName(full) ?? "/";
        Errno error = Libc.RealPath(parent, out string directory);
        if (error != Errno.OK)
        {
            throw new FuseMountException(
                $"--export-state {path} cannot be used: {parent} {Libc.Describe(error)}; name a file in an existing " +
                "directory");
        }

        if (name.Length == 0 || Directory.Exists(full))
        {
            throw new FuseMountException($"--export-state {path} is a directory: name a file");
        }

        return IsIn(directory, paths.Source) || IsIn(directory, paths.MountPoint)
            ? throw new FuseMountException(
                $"--export-state {path} is inside the source or the mount point, where clients could change it: name " +
                "a file elsewhere")
            : new ExportState(directory, name);
    }

    /// <summary>Goes on from the file if it is there.</summary>
    /// <remarks>
    /// A file that cannot be read is refused, not passed over: it would be overwritten at the end, and may be somebody
    /// else's.
    /// </remarks>
    public void Load(PassthroughFileSystem fileSystem)
    {
        if (!File.Exists(_path))
        {
            return;
        }

        Errno error = fileSystem.Import();
        if (error != Errno.OK)
        {
            throw new FuseMountException($"the session could not be started: {Libc.Describe(error)}");
        }

        try
        {
            using FileStream file = File.OpenRead(_path);
            fileSystem.RestoreNodes(file);
        }
        catch (InvalidDataException e)
        {
            throw new FuseMountException(
                $"--export-state {_path} is not used: {e.Message}; name another file, or remove it to start without, " +
                "which makes the handles that clients have stale");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FuseMountException($"--export-state {_path} cannot be read: {e.Message}");
        }
    }

    /// <summary>Writes the file anew: there is the old one or the new one, whenever the machine stops.</summary>
    public FuseMountException? Save(PassthroughFileSystem fileSystem)
    {
        string temporary = _path + ".new";
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
#pragma warning disable CA1416 // This program is for Linux alone.
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
#pragma warning restore CA1416
            };
            using (var file = new FileStream(temporary, options))
            {
                fileSystem.SaveNodes(file);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, _path, overwrite: true);
            int directory = Libc.Open(_directory, Libc.O_RDONLY | Libc.O_CLOEXEC, out Errno error);
            if (directory >= 0)
            {
                error = Libc.fsync(directory) == 0 ? Errno.OK : Libc.LastError;
                _ = Libc.close(directory);
            }

            return error == Errno.OK ? null : Fault(Libc.Describe(error));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return Fault(e.Message);
        }
    }

    private static bool IsIn(string path, string directory) =>
        directory == "/" || (path + '/').StartsWith(directory + '/', StringComparison.Ordinal);

    private FuseMountException Fault(string reason) => new(
        $"--export-state {_path} could not be written: {reason}; after the next mount, handles that clients were " +
        "given during this one are stale");
}
