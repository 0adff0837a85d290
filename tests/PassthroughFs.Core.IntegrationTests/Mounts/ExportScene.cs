using System;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A source, a mount point and a state file, and one server after another.</summary>
internal sealed class ExportScene(Backing backing, params string[] options) : IDisposable
{
    private const int MaxHandle = 128;
    private const int HandleHeader = 8;

    private readonly TempDirectory _stateDirectory = new();
    private MountProcess? _server;

    public TempDirectory Source { get; } = new(backing);

    public TempDirectory At { get; } = new();

    public string StateDirectory => _stateDirectory.Path;

    public string State => _stateDirectory["state"];

    public MountProcess Server => _server!;

    private string[] Options => ["--export", "--export-state", State, .. options];

    public void Mount()
    {
        _server?.Dispose();
        _server = null;
        _server = MountProcess.Start(Source.Path, At.Path, Options);
    }

    /// <summary>Ends the server, which saves its state, and starts another one.</summary>
    public void MountAgain(Action? between = null)
    {
        Unmount();
        between?.Invoke();
        Mount();
    }

    public void Unmount()
    {
        _server?.Dispose();
        _server = null;
    }

    /// <summary>Ends the server so that it cannot save anything.</summary>
    public void Crash()
    {
        _server!.Signal(Native.SIGKILL);
        _server.AwaitExit();
        Assert.Equal(0, Shell.Run("umount", [At.Path], timeoutSeconds: 20).ExitCode);
        _server.Dispose();
        _server = null;
    }

    public void AssertRefused(string reason)
    {
        ShellResult result = Shell.Run(
            MountProcess.Command[0], [.. MountProcess.Command.Skip(1), .. Options, Source.Path, At.Path]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
        Assert.Contains(State, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', result.Error.TrimEnd());
        Assert.False(MountProcess.IsMounted(At.Path));
    }

    /// <summary>The handle of a name on the mount.</summary>
    public byte[] Take(string name)
    {
        Errno error = TryTake(At[name], out byte[] handle);
        Assert.True(error == Errno.OK, $"{name}: {error}");
        return handle;
    }

    /// <summary>The handle of a path on any mount.</summary>
    public static Errno TryTake(string path, out byte[] handle)
    {
        byte[] buffer = new byte[HandleHeader + MaxHandle];
        BitConverter.TryWriteBytes(buffer, MaxHandle);
        int result = Native.NameToHandleAt(Native.AT_FDCWD, Bytes.Z(path), buffer, out _, 0);
        Errno error = result == 0 ? Errno.OK : (Errno)Marshal.GetLastPInvokeError();
        handle = error == Errno.OK ? buffer[..(HandleHeader + BitConverter.ToInt32(buffer))] : [];
        return error;
    }

    public Errno TryOpen(byte[] handle, out int fd)
    {
        int mount = Native.Open(Bytes.Z(At.Path), (int)Linux.O_RDONLY, 0);
        Assert.True(mount >= 0);
        fd = Native.OpenByHandleAt(mount, handle, (int)Linux.O_RDONLY);
        Errno error = fd < 0 ? (Errno)Marshal.GetLastPInvokeError() : Errno.OK;
        _ = Native.Close(mount);
        return error;
    }

    public unsafe void AssertContent(byte[] handle, string content)
    {
        Errno error = TryOpen(handle, out int fd);
        Assert.True(error == Errno.OK, $"{content}: {error}");
        byte[] buffer = new byte[100];
        nint length;
        fixed (byte* bytes = buffer)
        {
            length = Native.Read(fd, bytes, (nuint)buffer.Length);
        }

        _ = Native.Close(fd);
        Assert.Equal(content, Encoding.UTF8.GetString(buffer, 0, (int)length));
    }

    /// <summary>The names in a directory that is opened by its handle.</summary>
    public string[] Names(byte[] handle)
    {
        Errno error = TryOpen(handle, out int fd);
        Assert.Equal(Errno.OK, error);
        try
        {
            return
            [
                .. Directory.GetFileSystemEntries($"/proc/self/fd/{fd}").Select(path => Path.GetFileName(path)!)
                    .Order(StringComparer.Ordinal),
            ];
        }
        finally
        {
            _ = Native.Close(fd);
        }
    }

    /// <summary>Makes the kernel forget what it can, and waits until the server has heard of it.</summary>
    public void DropCaches()
    {
        for (int attempt = 0; attempt < 300; attempt++)
        {
            File.WriteAllText("/proc/sys/vm/drop_caches", "2");
            if (Server.OpenBelow(Source.Path).Length == 0)
            {
                return;
            }

            Thread.Sleep(100);
        }

        Assert.Fail($"the kernel keeps files: {string.Join(", ", Server.OpenBelow(Source.Path))}");
    }

    public void Dispose()
    {
        try
        {
            Unmount();
        }
        finally
        {
            At.Dispose();
            Source.Dispose();
            _stateDirectory.Dispose();
        }
    }
}
