using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// One open file descriptor for each mount on which live inodes have a kernel handle: <c>open_by_handle_at(2)</c> wants
/// one. Shared by count, closed with the last inode.
/// </summary>
/// <remarks>
/// <para>
/// The descriptor comes from the inode at hand, reopened, and not from a path in <c>/proc/self/mountinfo</c>: a path
/// may be out of reach or covered by another mount, the inode is on the right mount for certain.
/// </para>
/// <para>
/// A mount of which inodes are only remembered keeps its number and what it takes to find it again
/// (<see cref="HostMount"/>), but no descriptor: the host can unmount it, and there is no limit to what is remembered
/// but the store's.
/// </para>
/// </remarks>
internal sealed partial class MountFds
{
    /// <summary>How often an inode is opened that cannot be for the moment; the last tries are 1 ms apart.</summary>
    private const int MaxTries = 40;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, int> _numbers = [];
    private Mount[] _mounts = [];
    private int _open;

    /// <summary>How many mounts are open.</summary>
    public int OpenCount => Volatile.Read(ref _open);

    /// <summary>How many mounts are open or remembered.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return Array.FindAll(_mounts, mount => mount.IsInUse).Length;
            }
        }
    }

    /// <summary>Counts one more inode of a mount that is open already; returns the mount's number, or -1.</summary>
    public int TryAcquire(int mountId)
    {
        lock (_lock)
        {
            if (!_numbers.TryGetValue(mountId, out int number) || _mounts[number].Users == 0)
            {
                return -1;
            }

            _mounts[number].Users++;
            return number;
        }
    }

    /// <summary>Counts one more inode of a mount that is open, by its number; false if it is not.</summary>
    public bool TryAcquireNumber(int number)
    {
        lock (_lock)
        {
            if (_mounts[number].Users == 0)
            {
                return false;
            }

            _mounts[number].Users++;
            return true;
        }
    }

    /// <summary>
    /// Counts one more inode of a mount for which the caller has opened <paramref name="fd"/>, which is taken over;
    /// returns the mount's number.
    /// </summary>
    /// <param name="mountId">The kernel's number of the mount, which it gives to another once it is unmounted.</param>
    /// <param name="fd">A descriptor on it.</param>
    /// <param name="found">How it is found again, or null if that is not wanted.</param>
    public int Acquire(int mountId, int fd, HostMount? found)
    {
        int number;
        int unused = -1;
        lock (_lock)
        {
            if (_numbers.TryGetValue(mountId, out number) && _mounts[number].Users == 0 &&
                !(found is not null && _mounts[number].Host?.IsSameFileSystem(found) == true))
            {
                // Remembered, and unmounted since: the kernel has given its number away.
                _numbers.Remove(mountId);
                number = TakeNumber(mountId, found);
            }
            else if (!_numbers.ContainsKey(mountId))
            {
                number = TakeNumber(mountId, found);
            }

            unused = Open(_mounts[number], fd);
            if (unused < 0)
            {
                _mounts[number].Host = found;
            }
        }

        Close(unused);
        return number;
    }

    /// <summary>
    /// Counts one more inode of a remembered mount, which the caller has found again and opened as
    /// <paramref name="fd"/>, which is taken over.
    /// </summary>
    public void Reopen(int number, int mountId, int fd)
    {
        int unused;
        lock (_lock)
        {
            Mount mount = _mounts[number];
            if (_numbers.TryAdd(mountId, number))
            {
                // It was mounted anew since.
                Unlist(number);
                mount.Id = mountId;
            }

            unused = Open(mount, fd);
        }

        Close(unused);
    }

    /// <summary>A number for a mount that is not open, remembered once.</summary>
    public int AddRemembered(int mountId, HostMount host)
    {
        lock (_lock)
        {
            int number = _numbers.TryGetValue(mountId, out int known) ? known : TakeNumber(mountId, host);
            _mounts[number].Remembered++;
            return number;
        }
    }

    /// <summary>Counts one less inode; with the last one that lives the mount is closed.</summary>
    public void Release(int number)
    {
        int fd = -1;
        lock (_lock)
        {
            Mount mount = _mounts[number];
            if (--mount.Users == 0)
            {
                fd = mount.Fd;
                mount.OpenResult = Mount.NotTried;
                _open--;
                FreeIfUnused(number);
            }
        }

        TestPoint("MountFds.Release: counted");
        Close(fd);
    }

    /// <summary>Counts one more remembered inode of a mount that is in use: its number stays its own.</summary>
    public void Remember(int number)
    {
        lock (_lock)
        {
            _mounts[number].Remembered++;
        }
    }

    /// <summary>Counts one less remembered inode.</summary>
    public void Drop(int number)
    {
        lock (_lock)
        {
            _mounts[number].Remembered--;
            FreeIfUnused(number);
        }
    }

    /// <summary>How a mount that is in use is found again; null if it is not.</summary>
    public HostMount? this[int number] => Volatile.Read(ref _mounts)[number].Host;

    /// <summary>How each mount in use is found again, by number; null for the others.</summary>
    public HostMount?[] ToArray()
    {
        lock (_lock)
        {
            return Array.ConvertAll(_mounts, mount => mount.IsInUse ? mount.Host : null);
        }
    }

    /// <summary>The kernel's number of a mount that is in use.</summary>
    public int IdOf(int number) => Volatile.Read(ref _mounts)[number].Id;

    /// <summary>The descriptor of a mount that the caller holds open.</summary>
    public int FdOf(int number) => Volatile.Read(ref _mounts)[number].Fd;

    /// <summary>A mount that the caller holds open is to be found at another path from now on.</summary>
    public void Moved(int number, HostMount host) => Volatile.Write(ref Volatile.Read(ref _mounts)[number].Host, host);

    /// <summary>
    /// Opens an inode of a mount; the caller holds one of its inodes. Returns an fd, or the error negated.
    /// </summary>
    public int Open(int number, in KernelHandle handle, uint flags) => OpenBelow(FdOf(number), handle, flags);

    /// <summary>As above, for a mount that the caller has open itself.</summary>
    public static unsafe int OpenBelow(int mountFd, in KernelHandle handle, uint flags)
    {
        Unsafe.SkipInit(out FileHandleBuffer buffer);
        ReadOnlySpan<byte> bytes = handle.Bytes;
        buffer.handle_bytes = (uint)bytes.Length;
        buffer.handle_type = handle.Type;
        bytes.CopyTo(buffer.f_handle);

        // Sound: the buffer lives until the call returns, and says its own length. The mount's fd stays open while one
        // of its inodes is counted.
        int fd = Sys.OpenByHandleAt(mountFd, &buffer, flags);
        for (var wait = default(SpinWait); fd == -(int)Errno.ENOMEM && wait.Count < MaxTries; wait.SpinOnce())
        {
            // ext4 says so while it gives the number of a file that is gone to a new one: ESTALE a moment later.
            fd = Sys.OpenByHandleAt(mountFd, &buffer, flags);
        }

        return fd;
    }

    /// <summary>
    /// What is open or remembered; the descriptor is -1 where it is only remembered. Those that the kernel's numbers mean
    /// come first.
    /// </summary>
    public List<(int Number, int Id, int Fd, HostMount? Host)> Snapshot()
    {
        lock (_lock)
        {
            var all = new List<(int Number, int Id, int Fd, HostMount? Host)>();
            for (int number = 0; number < _mounts.Length; number++)
            {
                if (_mounts[number] is { IsInUse: true } mount)
                {
                    bool isListed = _numbers.TryGetValue(mount.Id, out int listed) && listed == number;
                    all.Insert(
                        isListed ? 0 : all.Count, (number, mount.Id, mount.Users > 0 ? mount.Fd : -1, mount.Host));
                }
            }

            return all;
        }
    }

    /// <summary>
    /// A number for a mount of a saved state, remembered once; the descriptor is taken over. The first with a number of
    /// the kernel's is the one that it means.
    /// </summary>
    /// <param name="mountId">The kernel's number.</param>
    /// <param name="fd">The descriptor if there are users.</param>
    /// <param name="host">How it is found again, or null.</param>
    /// <param name="users">How many live inodes there are.</param>
    public int Restore(int mountId, int fd, HostMount? host, int users)
    {
        lock (_lock)
        {
            int number = TakeNumber(mountId, host);
            Mount mount = _mounts[number];
            mount.Fd = fd;
            mount.Users = users;
            mount.Remembered = 1;
            _open += users > 0 ? 1 : 0;
            return number;
        }
    }

    /// <summary>
    /// Whether inodes of a mount, which the caller holds open, can be opened by handle: tried once, with one that is
    /// there for certain.
    /// </summary>
    /// <returns>0, or the error negated.</returns>
    public int TryOpen(int number, in KernelHandle handle)
    {
        Mount mount = Volatile.Read(ref _mounts)[number];
        int known = Volatile.Read(ref mount.OpenResult);
        if (known != Mount.NotTried)
        {
            return known;
        }

        int fd = Open(number, handle, Linux.O_PATH | Linux.O_CLOEXEC);
        Close(fd);
        int result = Math.Min(fd, 0);
        if (result is not (-(int)Errno.ESTALE or -(int)Errno.EMFILE or -(int)Errno.ENFILE or -(int)Errno.ENOMEM))
        {
            // Those would say nothing of the next one.
            Volatile.Write(ref mount.OpenResult, result);
        }

        return result;
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    private static void Close(int fd)
    {
        if (fd >= 0)
        {
            _ = Sys.Close(fd);
        }
    }

    /// <summary>Counts one more user; returns the descriptor if another is open already, otherwise -1.</summary>
    private int Open(Mount mount, int fd)
    {
        if (mount.Users++ > 0)
        {
            return fd;
        }

        mount.Fd = fd;
        _open++;
        return -1;
    }

    private int TakeNumber(int mountId, HostMount? host)
    {
        int number = Array.FindIndex(_mounts, mount => !mount.IsInUse);
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
        _mounts[number].Host = host;
        _numbers.TryAdd(mountId, number);
        return number;
    }

    private void FreeIfUnused(int number)
    {
        if (!_mounts[number].IsInUse)
        {
            Unlist(number);
        }
    }

    /// <summary>The kernel's number means this mount no more, if it did.</summary>
    private void Unlist(int number)
    {
        int id = _mounts[number].Id;
        if (_numbers.TryGetValue(id, out int listed) && listed == number)
        {
            _numbers.Remove(id);
        }
    }

    private sealed class Mount
    {
        public const int NotTried = 1;

        public int OpenResult = NotTried;
        public int Id;
        public int Fd;
        public int Users;
        public int Remembered;
        public HostMount? Host;

        public bool IsInUse => Users > 0 || Remembered > 0;
    }
}
