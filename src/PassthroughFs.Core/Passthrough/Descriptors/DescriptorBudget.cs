using System;
using System.Runtime.CompilerServices;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// How many descriptors may be open (<see cref="PassthroughConfig.FdBudget"/>), and what gives way: descriptors of
/// inodes that were not used for longest. Safe for any number of threads.
/// </summary>
internal sealed unsafe partial class DescriptorBudget
{
    /// <summary>The most that one request closes: each costs up to three system calls, once.</summary>
    private const int MaxClosedAtOnce = 16;

    /// <summary>How many descriptors that were used are passed over in one go.</summary>
    private const int MaxChances = 64;

    /// <summary>How often a call is tried again after descriptors were closed for it.</summary>
    private const int MaxTries = 16;

    private const ulong MaxReserve = 1024;
    private const int MaxBudget = 1_000_000;

    private readonly PassthroughConfig _config;
    private readonly ILogger _logger;
    private readonly Refusals _refusals;
    private readonly ProcSelfFd _proc;
    private readonly InodeStore _inodes;
    private readonly HandleStore _handles;
    private readonly KeptFiles _kept;
    private readonly LockTable _locks;
    private readonly MountFds _mounts;
    private readonly HostMounts _hostMounts;

    // How many descriptors there may be before those of inodes are closed; 0 where they never are.
    private volatile int _most;

    // Without a budget: how many inodes without a name there may be with a descriptor.
    private int _mostRemoved;

    // Whether the last descriptor that was to stay found no room.
    private volatile bool _isFull;

    // The mount of the root: open as long as the root is there.
    private ulong _rootMountId;

    // Whether other file systems may close descriptors here, and how many are about it.
    private volatile bool _isShared;
    private int _visitors;

    /// <param name="config">Says how many descriptors there may be.</param>
    /// <param name="logger">Is told if that is more than the process may open.</param>
    /// <param name="refusals">Counts who went without.</param>
    /// <param name="proc">The way to a descriptor of one's own.</param>
    /// <param name="inodes">Whose descriptors give way.</param>
    /// <param name="handles">Whose descriptors count.</param>
    /// <param name="kept">Whose descriptors count, and give way where no inode's does.</param>
    /// <param name="locks">Whose descriptors count.</param>
    /// <param name="mounts">Whose descriptors count; by which inodes are opened that have none.</param>
    /// <param name="hostMounts">Says where an inode's handle leads that is to stand for its descriptor.</param>
    public DescriptorBudget(
        PassthroughConfig config, ILogger logger, Refusals refusals, ProcSelfFd proc, InodeStore inodes,
        HandleStore handles, KeptFiles kept, LockTable locks, MountFds mounts, HostMounts hostMounts)
    {
        _config = config;
        _logger = logger;
        _refusals = refusals;
        _proc = proc;
        _inodes = inodes;
        _handles = handles;
        _kept = kept;
        _locks = locks;
        _mounts = mounts;
        _hostMounts = hostMounts;
    }

    /// <summary>How many descriptors are open for longer than a request.</summary>
    public int Held => InodeFds + _handles.Count + _kept.Count + _locks.Count + _mounts.OpenCount;

    /// <summary>How many of them are inodes', and could give way.</summary>
    public int InodeFds => _inodes.FdCount;

    /// <summary>What counts against the budget: a budget of its own is the file system's alone.</summary>
    private int Counted => _config.FdBudget is null ? BudgetShare.Held : Held;

    /// <summary>Inodes keep their descriptors, or have none; until <see cref="Start"/>.</summary>
    public void Reset()
    {
        _most = 0;
        _mostRemoved = Math.Min(DescriptorReserve.Refresh() / 4, MaxBudget);
    }

    /// <summary>Begins to keep inodes by descriptor as long as the budget lasts.</summary>
    public void Start(ulong rootMountId)
    {
        _rootMountId = rootMountId;
        ulong limit = (ulong)DescriptorReserve.Refresh();
        long others = (long)CountOpen() - BudgetShare.Held;
        ulong kept = Math.Min(limit / 4, MaxReserve) + (ulong)Math.Max(0, others);
        int most = (int)Math.Clamp(limit - Math.Min(limit, kept), 1, int.MaxValue);
        int wanted = _config.FdBudget ?? Math.Min(most, MaxBudget);
        if (wanted > most)
        {
            PassthroughLog.BudgetCut(_logger, wanted, most);
        }

        _most = Math.Min(wanted, most);
        BudgetShare.Join(this);
        _isShared = true;
    }

    /// <summary>Whether one more inode may have a descriptor because its last name is about to go.</summary>
    public bool HasRoomForRemoved()
    {
        if (_most == 0)
        {
            return _inodes.FdCount < _mostRemoved;
        }

        // Some that are picked cannot be closed, and leave the ring.
        bool hasRoom = Counted < _most;
        for (int tries = 0; !hasRoom && tries < MaxTries; tries++)
        {
            hasRoom = CloseCold(1, takesUsed: true) > 0;
        }

        return hasRoom;
    }

    /// <summary>Ends what <see cref="Start"/> began, when no other file system is about it any more.</summary>
    public void End()
    {
        BudgetShare.Leave(this);
        _isShared = false;
        var wait = default(SpinWait);
        while (Volatile.Read(ref _visitors) > 0)
        {
            wait.SpinOnce();
        }
    }

    /// <summary>Begins to close descriptors here for another file system; false if this one is at its end.</summary>
    public bool TryVisit()
    {
        Interlocked.Increment(ref _visitors);
        if (_isShared)
        {
            return true;
        }

        EndVisit();
        return false;
    }

    /// <summary>Ends what <see cref="TryVisit"/> began.</summary>
    public void EndVisit() => Interlocked.Decrement(ref _visitors);

    /// <summary>
    /// Whether a descriptor may stay open for a client. One that would be of the reserve takes the place of another
    /// that gives way, under a number of its own; if none does it may not, and is the caller's to close.
    /// </summary>
    public bool Admit(ref int fd) => fd < DescriptorReserve.First || AdmitInPlace(ref fd);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool AdmitInPlace(ref int fd)
    {
        _ = DescriptorReserve.Refresh(); // or higher
        int tries = 0;
        while (fd >= DescriptorReserve.First)
        {
            int lower = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
            if (lower >= 0)
            {
                bool isLower = lower < fd;
                _ = Sys.Close(isLower ? fd : lower);
                fd = isLower ? lower : fd;
            }

            if (fd >= DescriptorReserve.First && !TryMakeRoom(-(int)Errno.EMFILE, ref tries))
            {
                _isFull = true;
                return false;
            }
        }

        _isFull = false;
        return true;
    }

    /// <summary>
    /// Whether there is room for a file and its inode, asked before a file is made that could not be opened then. Costs
    /// nothing as long as nobody was refused.
    /// </summary>
    /// <param name="fd">Any descriptor.</param>
    public bool HasRoomForFile(int fd)
    {
        if (!_isFull)
        {
            return true;
        }

        int file = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
        bool hasRoom = file >= 0 && Admit(ref file) && FindRoomForInode(fd);
        _ = file < 0 ? 0 : Sys.Close(file);
        _isFull = !hasRoom;
        return hasRoom;
    }

    /// <summary>
    /// Whether there is room for an inode, asked before something is made that could not be kept then. Costs nothing as
    /// long as nobody was refused.
    /// </summary>
    /// <param name="fd">Any descriptor.</param>
    public bool HasRoomForInode(int fd) => !_isFull || FindRoomForInode(fd);

    /// <summary>
    /// Whether the mount of an inode that has a descriptor is to be open as well: some day the inode may be kept by
    /// handle.
    /// </summary>
    /// <param name="mountId">The host's id of the mount.</param>
    public bool WantsMount(ulong mountId) => _most > 0 && mountId != _rootMountId;

    /// <summary>Keeps to the budget: what every request ends with that has opened something to stay.</summary>
    public void Keep()
    {
        int budget = _most;
        int over = budget == 0 ? 0 : Counted - budget;
        if (over <= 0)
        {
            return;
        }

        // A few more, so that not each new inode has to look.
        int count = (int)Math.Min((long)over + (budget / 64), MaxClosedAtOnce);
        _ = _config.FdBudget is null ? BudgetShare.CloseCold(count) : CloseCold(count, takesUsed: true);
    }

    /// <summary>Counts that descriptors have run out, if that is the error; passes the error on.</summary>
    public Errno Note(Errno error) => error is Errno.EMFILE or Errno.ENFILE ? _refusals.Descriptor(error) : error;

    /// <summary>Closes descriptors of inodes that were not used for longest; returns how many.</summary>
    /// <param name="count">How many, at most.</param>
    /// <param name="takesUsed">Of those that were used lately too, where there are no others at hand.</param>
    public int CloseCold(int count, bool takesUsed)
    {
        Span<int> cold = stackalloc int[MaxClosedAtOnce];
        cold = cold[.._inodes.PickCold(cold[..count], takesUsed ? MaxChances : MaxClosedAtOnce, takesUsed)];
        int closed = 0;
        foreach (int slot in cold)
        {
            TestPoint("CloseCold: picked");
            closed += TryClose(slot) ? 1 : 0;
        }

        return closed;
    }

    /// <summary>
    /// Gives an inode the descriptor that a request has opened by its handle, if there is room, or if it is used again
    /// and another one was not.
    /// </summary>
    public bool TryKeep(in HostInode inode, int fd)
    {
        int budget = _most;
        if (budget == 0)
        {
            return false;
        }

        bool isUsedAgain = inode.UseAgain();
        bool hasRoom = Counted < budget || (isUsedAgain && CloseCold(1, takesUsed: false) > 0);
        return hasRoom && _inodes.TryKeepFd(inode, fd);
    }

    /// <summary>A point at which a test can stop this thread; nothing in a build without them.</summary>
    static partial void TestPoint(string point);

    /// <summary>How many descriptors the process has open, by /proc.</summary>
    private ulong CountOpen()
    {
        const int Size = 4096;
        byte* buffer = stackalloc byte[Size];
        byte* dot = stackalloc byte[2] { (byte)'.', 0 };
        int fd = Sys.OpenAt(_proc.Fd, dot, Linux.O_RDONLY | Linux.O_DIRECTORY | Linux.O_CLOEXEC);
        ulong count = 0;
        int length;
        while (fd >= 0 && (length = Sys.Getdents64(fd, buffer, Size)) > 0)
        {
            // Sound: the kernel's records lie inside what it says it has written.
            for (int at = 0; at < length; at += ((DirentHeader*)(buffer + at))->d_reclen)
            {
                count++;
            }
        }

        _ = fd < 0 ? 0 : Sys.Close(fd);
        return count;
    }

    private bool FindRoomForInode(int fd)
    {
        int inode = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
        bool hasRoom = inode >= 0 && Admit(ref inode);
        _ = inode < 0 ? 0 : Sys.Close(inode);
        _isFull = !hasRoom;
        return hasRoom;
    }

    /// <summary>
    /// Closes the descriptor of an inode that was picked, once it is sure that its handle leads back to it.
    /// </summary>
    private bool TryClose(int slot)
    {
        HostInode inode = _inodes.Picked(slot);
        KernelHandle handle = inode.Handle;
        StatxBuffer stat;
        int status = HostStat.Of(inode.Fd, &stat);
        if (status < 0 || stat.stx_nlink == 0 || (handle.IsNone && _config.ExportSupport))
        {
            // A file without a name would be gone with its last descriptor. For export, an inode without a handle has
            // none, and clients have a generation made without it.
            _inodes.PutBack(slot, forGood: true);
            return false;
        }

        int mount = inode.Mount;
        if (handle.IsNone)
        {
            int result = KernelHandle.TryGet(inode.Fd, out handle, out int mountId);
            mount = result < 0 ? result
                : mount >= 0 ? mount : _hostMounts.Acquire(inode.Fd, stat, handle, mountId, this);
        }

        int tried = mount < 0 ? mount
            : _hostMounts.LeadsBack(stat, mount, handle) ? _mounts.TryOpen(mount, handle) : -(int)Errno.ESTALE;
        if (tried == 0)
        {
            TestPoint("TryClose: has the handle");
            return _inodes.CloseFd(slot, handle, mount);
        }

        if (mount >= 0 && mount != inode.Mount)
        {
            _mounts.Release(mount);
        }

        bool isForGood = tried is not (-(int)Errno.EMFILE or -(int)Errno.ENFILE or -(int)Errno.ENOMEM);
        if (isForGood && tried != -(int)Errno.ESTALE)
        {
            _hostMounts.NoteNoHandles(inode.Key.Dev);
        }

        _inodes.PutBack(slot, isForGood);
        return false;
    }
}
