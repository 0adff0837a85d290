using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    private int GetLk(ref FuseCall call)
    {
        ref readonly FuseLkIn arguments = ref call.Structure<FuseLkIn>();
        if (!TakeLock(arguments, out FileLock wanted) || wanted.Type == LockType.F_UNLCK)
        {
            return Reject(call, Errno.EINVAL, "a lock that cannot be");
        }

        Errno errno = _fs.GetLk(
            call.Context, call.Node, new Handle(arguments.Fh), new LockOwner(arguments.Owner), wanted,
            out FileLock found);
        if (errno != Errno.OK)
        {
            return call.Reply(errno);
        }

        Unsafe.SkipInit(out FuseLkOut reply);
        reply.Lk = new FuseFileLock { Start = found.Start, End = found.End, Type = found.Type, Pid = found.Pid };
        return call.Reply(reply);
    }

    private int SetLk(ref FuseCall call, bool mayWait)
    {
        ref readonly FuseLkIn arguments = ref call.Structure<FuseLkIn>();
        if (!TakeLock(arguments, out FileLock wanted))
        {
            return Reject(call, Errno.EINVAL, "a lock that cannot be");
        }

        var handle = new Handle(arguments.Fh);
        var owner = new LockOwner(arguments.Owner);
        Errno errno = _fs.SetLk(call.Context, call.Node, handle, owner, wanted, arguments.LkFlags);
        if (errno == Errno.EAGAIN && mayWait)
        {
            errno = _session.LockWaiters.Add(call, handle, owner, wanted, arguments.LkFlags);
            return errno == Errno.OK ? 0 : call.Reply(errno);
        }

        // Less than before is a chance for those who wait: no lock, or one for reading.
        if (wanted.Type != LockType.F_WRLCK)
        {
            _session.LockWaiters.TryAgain();
        }

        return call.Reply(errno);
    }

    private int Interrupt(ref FuseCall call)
    {
        _session.LockWaiters.Interrupt(call.Structure<FuseInterruptIn>().Unique);
        return 0;
    }

    private static bool TakeLock(in FuseLkIn arguments, out FileLock wanted)
    {
        wanted = new FileLock
        {
            Start = arguments.Lk.Start,
            End = arguments.Lk.End,
            Type = arguments.Lk.Type,
            Pid = arguments.Lk.Pid,
        };
        return wanted.Type <= LockType.F_UNLCK && wanted.Start <= wanted.End && wanted.End <= FileLock.ToTheEnd
            && (arguments.LkFlags & ~LockFlags.FUSE_LK_FLOCK) == 0;
    }
}
