using System;
using System.IO;
using System.Linq;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>A mount of ours: the descriptor its requests come from, and how to remove it.</summary>
internal abstract class ActiveMount(int deviceFd, string mountPoint, uint? connection)
{
    /// <summary>A mount that was just made.</summary>
    protected ActiveMount(int deviceFd, string mountPoint)
        : this(deviceFd, mountPoint, MountTable.At(mountPoint).LastOrDefault(mount => mount.IsFuse)?.Minor)
    {
    }

    /// <summary>
    /// The connection's number, which is the minor number of its device. It tells ours from what others mount at the same
    /// place.
    /// </summary>
    public uint? Connection { get; } = connection;

    /// <summary>The socket on whose end fusermount3 waits, or null.</summary>
    public virtual int? HelperSocket => null;

    /// <summary>Where requests come from; closed by <see cref="Close"/>.</summary>
    public SafeFileHandle Device { get; } = new(deviceFd, ownsHandle: true);

    public int DeviceFd => Device.DangerousGetHandle().ToInt32();

    public string MountPoint { get; } = mountPoint;

    /// <summary>Takes the mount out of the tree, unless that has happened. Files that are open stay usable.</summary>
    public void Remove()
    {
        if (IsMounted())
        {
            Detach();
        }
    }

    /// <summary>Closes the device. No thread may serve any more.</summary>
    /// <param name="endsHelper">Whether a program that waits for the mount's end is waited for; not if it is a
    /// successor's.</param>
    public virtual void Close(bool endsHelper) => Device.Dispose();

    /// <summary>Whether the mount is still in the tree.</summary>
    public bool IsMounted() =>
        Connection is { } minor && MountTable.At(MountPoint).Any(mount => mount.IsFuse && mount.Minor == minor);

    /// <summary>Has the kernel send what it has not written yet.</summary>
    public void Flush()
    {
        int fd = Libc.Open(MountPoint, Libc.O_RDONLY | Libc.O_CLOEXEC, out Errno error);
        if (error == Errno.OK)
        {
            _ = Libc.syncfs(fd);
            _ = Libc.close(fd);
        }
    }

    /// <summary>Opens the mount's root, without a request.</summary>
    /// <returns>Null if the mount is not what its mount point leads to.</returns>
    public SafeFileHandle? OpenRoot()
    {
        int fd = Libc.Open(MountPoint, Libc.O_PATH | Libc.O_CLOEXEC, out Errno error);
        if (error != Errno.OK)
        {
            return null;
        }

        var root = new SafeFileHandle(fd, ownsHandle: true);
        if (Libc.DeviceMinor(fd) is { } minor && minor == Connection)
        {
            return root;
        }

        root.Dispose();
        return null;
    }

    /// <summary>Fails all requests under way and to come; the kernel waits for no answer any more.</summary>
    /// <returns>False if the system does not let us.</returns>
    public virtual bool Abort()
    {
        if (!IsConnected())
        {
            // Its number may be another's by now.
            return true;
        }

        try
        {
            File.WriteAllText($"/sys/fs/fuse/connections/{Connection}/abort", "1");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // The device says so for a connection that has ended.
    private unsafe bool IsConnected()
    {
        const short POLLERR = 8;
        if (Device.IsClosed)
        {
            return false;
        }

        var fd = new Libc.PollFd(DeviceFd, 0);
        return Libc.poll(&fd, 1, 0) < 1 || (fd.Returned & POLLERR) == 0; // Sound: one entry, of this frame.
    }

    protected abstract void Detach();
}
