using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <remarks>Who waits for whom.</remarks>
internal sealed partial class LockWaiters
{
    // As far as Linux follows a chain of its own.
    private const int LongestChain = 10;

    /// <summary>
    /// Whether a process would wait for itself: for one that waits for another, and so on, who waits for the first.
    /// </summary>
    /// <remarks>
    /// Only processes are told apart by their number. Who waits for the own process waits for an open file of it (the two
    /// owners differ), which another thread may unlock: that is no ring. flock's locks never are.
    /// </remarks>
    private bool ClosesRing(Waiter first)
    {
        Waiter? waiter = first;
        for (int length = 0; length < LongestChain && IsOfProcess(waiter); length++)
        {
            Errno errno = session.FileSystem.GetLk(
                waiter!.Context, waiter.Node, waiter.Handle, waiter.Owner, waiter.Wanted, out FileLock met);
            if (errno != Errno.OK || met.Type == LockType.F_UNLCK || met.Pid == waiter.Wanted.Pid)
            {
                return false;
            }

            if (met.Pid == first.Wanted.Pid)
            {
                return true;
            }

            waiter = FindOf(met.Pid);
        }

        return false;
    }

    private static bool IsOfProcess(Waiter? waiter) =>
        waiter is not null && waiter.Wanted.Pid != 0 && (waiter.Flags & LockFlags.FUSE_LK_FLOCK) == 0;

    private Waiter? FindOf(uint pid)
    {
        lock (_lock)
        {
            for (LinkedListNode<Waiter>? node = _waiting.First; node is not null; node = node.Next)
            {
                if (node.Value.Wanted.Pid == pid && IsOfProcess(node.Value))
                {
                    return node.Value;
                }
            }
        }

        return null;
    }
}
