using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// One open file descriptor for each mount on which inodes are kept by kernel handle: <c>open_by_handle_at(2)</c> wants
/// one. Shared by count, closed with the last inode.
/// </summary>
/// <remarks>
/// The descriptor comes from the inode at hand, reopened, and not from a path in <c>/proc/self/mountinfo</c>: a path
/// may be out of reach or covered by another mount, the inode is on the right mount for certain.
/// </remarks>
internal sealed partial class MountFds
{
    /// <summary>How often an inode is opened that cannot be for the moment; the last tries are 1 ms apart.</summary>
    private const int MaxTries = 40;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, int> _numbers = [];
    private Mount[] _mounts = [];

    /// <summary>How many mounts are open.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _numbers.Count;
            }
        }
    }

    /// <summary>Counts one more inode of a mount that is open already; returns the mount's number, or -1.</summary>
    public int TryAcquire(int mountId)
    {
        lock (_lock)
        {
            if (!_numbers.TryGetValue(mountId, out int number))
            {
                return -1;
            }

            _mounts[number].Users++;
            return number;
        }
    }

    /// <summary>
    /// Counts one more inode of a mount for which the caller has opened <paramref name="fd"/>, which is taken over;
    /// returns the mount's number.
    /// </summary>
    public int Acquire(int mountId, int fd)
    {
        int number;
        lock (_lock)
        {
            if (!_numbers.TryGetValue(mountId, out number))
            {
                number = Array.FindIndex(_mounts, mount => mount.Users == 0);
                if (number < 0)
                {
                    // Readers index the array without the lock, so it is replaced, not resized.
                    number = _mounts.Length;
                    var mounts = new Mount[Math.Max(4, number * 2)];
                    for (int i = 0; i < mounts.Length; i++)
                    {
                        mounts[i] = i < number ? _mounts[i] : new Mount();
                    }

                    Volatile.Write(ref _mounts, mounts);
                }

                _mounts[number].Id = mountId;
                _mounts[number].Fd = fd;
                _numbers.Add(mountId, number);
                fd = -1;
            }

            _mounts[number].Users++;
        }

        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }

        return number;
    }

    /// <summary>Counts one inode less; the last one closes the mount.</summary>
    public void Release(int number)
    {
        int fd = -1;
        lock (_lock)
        {
            Mount mount = _mounts[number];
            if (--mount.Users == 0)
            {
                fd = mount.Fd;
                _numbers.Remove(mount.Id);
            }
        }

        Reach("MountFds.Release: counted");

        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }
    }

    /// <summary>
    /// Opens an inode of a mount; the caller holds one of its inodes. Returns an fd, or the error negated.
    /// </summary>
    public unsafe int Open(int number, in KernelHandle handle, uint flags)
    {
        Unsafe.SkipInit(out FileHandleBuffer buffer);
        ReadOnlySpan<byte> bytes = handle.Bytes;
        buffer.handle_bytes = (uint)bytes.Length;
        buffer.handle_type = handle.Type;
        bytes.CopyTo(buffer.f_handle);

        // Sound: the buffer lives until the call returns, and says its own length. The mount's fd stays open while one
        // of its inodes is counted.
        int mountFd = Volatile.Read(ref _mounts)[number].Fd;
        int fd = Sys.OpenByHandleAt(mountFd, &buffer, flags);
        for (var wait = default(SpinWait); fd == -(int)Errno.ENOMEM && wait.Count < MaxTries; wait.SpinOnce())
        {
            // ext4 says so while it gives the number of a file that is gone to a new one: ESTALE a moment later.
            fd = Sys.OpenByHandleAt(mountFd, &buffer, flags);
        }

        return fd;
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void Reach(string point);

    private sealed class Mount
    {
        public int Id;
        public int Fd;
        public int Users;
    }
}
