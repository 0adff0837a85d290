using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>
/// Opening, where that is tried again after others gave way. Each returns a descriptor, which is the caller's, or the
/// error negated.
/// </remarks>
internal sealed unsafe partial class DescriptorBudget
{
    /// <summary>Opens a name for its inode alone (O_PATH).</summary>
    /// <param name="directory">Where it is.</param>
    /// <param name="name">The name, with its NUL.</param>
    /// <param name="flags">O_NOFOLLOW, and whatever else there is.</param>
    public int OpenPath(int directory, byte* name, uint flags)
    {
        int fd;
        int tries = 0;
        do
        {
            fd = Sys.OpenAt(directory, name, flags | Linux.O_PATH | Linux.O_CLOEXEC);
        }
        while (fd < 0 && TryMakeRoom(fd, ref tries));
        return fd;
    }

    /// <summary>Opens an inode by its handle (O_PATH).</summary>
    /// <param name="mount">Its mount's number.</param>
    /// <param name="handle">The handle.</param>
    public int OpenByHandle(int mount, in KernelHandle handle)
    {
        int fd;
        int tries = 0;
        do
        {
            fd = _mounts.Open(mount, handle, Linux.O_PATH | Linux.O_CLOEXEC);
        }
        while (fd < 0 && TryMakeRoom(fd, ref tries));
        return fd;
    }

    /// <summary>Opens what a descriptor is of once more.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="flags">How; O_CLOEXEC always.</param>
    public int Reopen(int fd, uint flags)
    {
        int own;
        int tries = 0;
        do
        {
            own = _proc.Reopen(fd, flags);
        }
        while (own < 0 && TryMakeRoom(own, ref tries));
        return own;
    }

    /// <summary>Another descriptor of the same open file.</summary>
    public int Duplicate(int fd)
    {
        int own;
        int tries = 0;
        do
        {
            own = Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0);
        }
        while (own < 0 && TryMakeRoom(own, ref tries));
        return own;
    }

    /// <summary>
    /// Whether a call that has failed for want of descriptors is to be tried again, as some were closed meanwhile.
    /// </summary>
    /// <param name="result">What it returned: the error negated.</param>
    /// <param name="tries">Begins with 0; counts the tries.</param>
    public bool TryMakeRoom(int result, ref int tries)
    {
        if (result is not (-(int)Errno.EMFILE or -(int)Errno.ENFILE) || tries++ == MaxTries)
        {
            return false;
        }

        _ = tries == 1 ? DescriptorReserve.Refresh() : 0; // the limit may be lower than it was

        if (_most > 0 &&
            (CloseCold(MaxClosedAtOnce, takesUsed: true) > 0 || BudgetShare.CloseCold(MaxClosedAtOnce) > 0))
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
}
