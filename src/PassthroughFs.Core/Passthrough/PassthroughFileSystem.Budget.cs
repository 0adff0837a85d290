using System;
using System.Runtime.CompilerServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// How many descriptors may be open (<see cref="PassthroughConfig.FdBudget"/>), and what gives way: descriptors of
/// inodes that were not used for longest.
/// </remarks>
public sealed unsafe partial class PassthroughFileSystem
{
    /// <summary>The most that one request closes: each costs up to three system calls, once.</summary>
    private const int MaxClosedAtOnce = 16;

    /// <summary>How many descriptors that were used are passed over in one go.</summary>
    private const int MaxChances = 64;

    /// <summary>How often a call is tried again after descriptors were closed for it.</summary>
    private const int MaxRooms = 16;

    private const ulong MaxReserve = 1024;
    private const int MaxBudget = 1_000_000;

    // How many descriptors there may be before those of inodes are closed; 0 where they never are.
    private volatile int _budget;

    // Without a budget: how many inodes without a name there may be with a descriptor.
    private int _mostRemoved;

    // Whether the last descriptor that was to stay found no room.
    private volatile bool _isFull;

    // The mount of the root: open as long as the root is there.
    private ulong _rootMountId;

    // Whether other file systems may close descriptors here, and how many are about it.
    private volatile bool _isShared;
    private int _visitors;

    /// <summary>How many descriptors are open for longer than a request.</summary>
    internal int HeldFds =>
        _inodes.FdCount + _handles.Count + _kept.Count + _locks.Count + _mounts.OpenCount;

    /// <summary>Begins to keep inodes by descriptor as long as the budget lasts.</summary>
    private void StartBudget(ulong rootMountId)
    {
        _rootMountId = rootMountId;
        ulong limit = (ulong)DescriptorReserve.Refresh();
        long others = (long)CountOpen() - BudgetShare.HeldFds;
        ulong kept = Math.Min(limit / 4, MaxReserve) + (ulong)Math.Max(0, others);
        int most = (int)Math.Clamp(limit - Math.Min(limit, kept), 1, int.MaxValue);
        int wanted = Config.FdBudget ?? Math.Min(most, MaxBudget);
        if (wanted > most)
        {
            PassthroughLog.BudgetCut(_logger, wanted, most);
        }

        _budget = Math.Min(wanted, most);
        BudgetShare.Join(this);
        _isShared = true;
    }

    /// <summary>Whether one more inode may have a descriptor because its last name is about to go.</summary>
    private bool HasRoomForRemoved()
    {
        if (_budget == 0)
        {
            return _inodes.FdCount < _mostRemoved;
        }

        // Some that are picked cannot be closed, and leave the ring.
        bool hasRoom = CountedFds < _budget;
        for (int tries = 0; !hasRoom && tries < MaxRooms; tries++)
        {
            hasRoom = CloseCold(1, insists: true) > 0;
        }

        return hasRoom;
    }

    /// <summary>Ends what <see cref="StartBudget"/> began, when no other file system is about it any more.</summary>
    private void EndBudget()
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
    internal bool TryVisit()
    {
        Interlocked.Increment(ref _visitors);
        if (_isShared)
        {
            return true;
        }

        EndVisit();
        return false;
    }

    internal void EndVisit() => Interlocked.Decrement(ref _visitors);

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

    /// <summary>
    /// Whether a descriptor may stay open for a client. One that would be of the reserve takes the place of another that
    /// gives way, under a number of its own; if none does it may not, and is the caller's to close.
    /// </summary>
    private bool Admit(ref int fd) => fd < DescriptorReserve.First || AdmitInPlace(ref fd);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool AdmitInPlace(ref int fd)
    {
        _ = DescriptorReserve.Refresh(); // or higher
        int rooms = 0;
        while (fd >= DescriptorReserve.First)
        {
            int lower = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
            if (lower >= 0)
            {
                bool isLower = lower < fd;
                _ = Sys.Close(isLower ? fd : lower);
                fd = isLower ? lower : fd;
            }

            if (fd >= DescriptorReserve.First && !MakeRoom(-(int)Errno.EMFILE, ref rooms))
            {
                _isFull = true;
                return false;
            }
        }

        _isFull = false;
        return true;
    }

    /// <summary>
    /// Whether the client may know one node more, asked before something is made that it could not be told of.
    /// </summary>
    private Errno CheckRoomForNode() => _inodes.HasRoom ? Errno.OK : RefuseNode();

    private Errno RefuseNode() => _refusals.Node(Config.MaxNodes ?? ClientMemory.MostNodes);

    /// <summary>
    /// Whether the client may know one node more, asked before a node other than a file is made: one that has to be kept
    /// by descriptor needs room for that as well.
    /// </summary>
    /// <param name="fd">Any descriptor.</param>
    private Errno CheckRoomToMake(int fd)
    {
        Errno result = CheckRoomForNode();
        bool hasHandle = Config.InodeFileHandles is InodeFileHandles.Prefer or InodeFileHandles.Mandatory;
        return result == Errno.OK && _isFull && !hasHandle && !FindRoomForInode(fd)
            ? NoteDescriptors(Errno.ENFILE)
            : result;
    }

    /// <summary>
    /// Whether there is room for a file and its inode, asked before a file is made that could not be opened then. Costs
    /// nothing as long as nobody was refused.
    /// </summary>
    /// <param name="fd">Any descriptor.</param>
    private bool HasRoomForFile(int fd)
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

    private bool FindRoomForInode(int fd)
    {
        int inode = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
        bool hasRoom = inode >= 0 && Admit(ref inode);
        _ = inode < 0 ? 0 : Sys.Close(inode);
        _isFull = !hasRoom;
        return hasRoom;
    }

    /// <summary>Keeps to the budget: what every request ends with that has opened something to stay.</summary>
    private void KeepToBudget()
    {
        int budget = _budget;
        int over = budget == 0 ? 0 : CountedFds - budget;
        if (over <= 0)
        {
            return;
        }

        // A few more, so that not each new inode has to look.
        int count = (int)Math.Min((long)over + (budget / 64), MaxClosedAtOnce);
        _ = Config.FdBudget is null ? BudgetShare.CloseCold(count) : CloseCold(count, insists: true);
    }

    /// <summary>What counts against the budget: a budget of its own is the file system's alone.</summary>
    private int CountedFds => Config.FdBudget is null ? BudgetShare.HeldFds : HeldFds;

    /// <summary>
    /// Whether a call that has failed for want of descriptors is to be tried again, as some were closed meanwhile.
    /// </summary>
    /// <param name="result">What it returned: the error negated.</param>
    /// <param name="rooms">Begins with 0; counts the tries.</param>
    private bool MakeRoom(int result, ref int rooms)
    {
        if (result is not (-(int)Errno.EMFILE or -(int)Errno.ENFILE) || rooms++ == MaxRooms)
        {
            return false;
        }

        _ = rooms == 1 ? DescriptorReserve.Refresh() : 0; // the limit may be lower than it was

        if (_budget > 0 &&
            (CloseCold(MaxClosedAtOnce, insists: true) > 0 || BudgetShare.CloseCold(MaxClosedAtOnce) > 0))
        {
            return true;
        }

        if (_kept.Count > 0)
        {
            _kept.Clear();
            return true;
        }

        bool isClosing = _inodes.IsClosing;
        if (isClosing)
        {
            Thread.Yield();
        }

        return isClosing;
    }

    /// <summary>Closes descriptors of inodes that were not used for longest; returns how many.</summary>
    /// <param name="count">How many, at most.</param>
    /// <param name="insists">Of those that were used lately too, where there are no others at hand.</param>
    internal int CloseCold(int count, bool insists)
    {
        Span<int> cold = stackalloc int[MaxClosedAtOnce];
        cold = cold[.._inodes.PickCold(cold[..count], insists ? MaxChances : MaxClosedAtOnce, insists)];
        int closed = 0;
        foreach (int slot in cold)
        {
            Reach("CloseCold: picked");
            closed += TryClose(slot) ? 1 : 0;
        }

        return closed;
    }

    /// <summary>
    /// Closes the descriptor of an inode that was picked, once it is sure that its handle leads back to it.
    /// </summary>
    private bool TryClose(int slot)
    {
        HostInode inode = _inodes.Picked(slot);
        KernelHandle handle = inode.Handle;
        byte empty = 0;
        StatxBuffer stat;
        int status = Sys.Statx(inode.Fd, &empty, Constants.AT_EMPTY_PATH, StatMask, &stat);
        if (status < 0 || stat.stx_nlink == 0 || (handle.IsNone && _export))
        {
            // A file without a name would be gone with its last descriptor. For export, an inode without a handle has
            // none, and clients have a generation made without it.
            _inodes.PutBack(slot, forGood: true);
            return false;
        }

        int mount = inode.Mount;
        if (handle.IsNone)
        {
            int result = TryGetHandle(inode.Fd, &empty, Constants.AT_EMPTY_PATH, out handle, out int mountId);
            mount = result < 0 ? result : mount >= 0 ? mount : AcquireMount(inode.Fd, stat, handle, mountId);
        }

        int tried = mount < 0 ? mount
            : LeadsBack(stat, mount, handle) ? _mounts.TryOpen(mount, handle) : -(int)Errno.ESTALE;
        if (tried == 0)
        {
            Reach("TryClose: has the handle");
            return _inodes.CloseFd(slot, handle, mount);
        }

        if (mount >= 0 && mount != inode.Mount)
        {
            _mounts.Release(mount);
        }

        bool isForGood = tried is not (-(int)Errno.EMFILE or -(int)Errno.ENFILE or -(int)Errno.ENOMEM);
        if (isForGood && tried != -(int)Errno.ESTALE)
        {
            NoteNoHandles(inode.Key.Dev);
        }

        _inodes.PutBack(slot, isForGood);
        return false;
    }

    /// <summary>
    /// Gives an inode the descriptor that a request has opened by its handle, if there is room, or if it is used again
    /// and another one was not.
    /// </summary>
    private bool TryKeep(in HostInode inode, int fd)
    {
        int budget = _budget;
        if (budget == 0)
        {
            return false;
        }

        bool isUsedAgain = inode.UseAgain();
        bool hasRoom = CountedFds < budget || (isUsedAgain && CloseCold(1, insists: false) > 0);
        return hasRoom && _inodes.TryKeepFd(inode, fd);
    }
}
