using System;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Callers that were told ESTALE of what has no name any more, and are about to look the name up again. A client does so
/// once for each call of a program: where the host removes names all the time, what it finds the second time may have lost
/// its name as well. That had the name within the program's call, which is all that a directory of the host promises, so
/// that the caller gets it.
/// </summary>
/// <remarks>
/// A caller is remembered by its thread's id, for a second, for a path's worth of lookups or until it was let in. It is let
/// in to the file that it has looked up since, and to no other: what it means by an older entry it has to look up as well.
/// Two who share a place push each other out, and then one hears ESTALE once more. Safe for any number of threads; nobody
/// waits.
/// </remarks>
internal sealed class LookAgain
{
    private const int Places = 256;
    private const long MaxMilliseconds = 1000;

    // A client looks each part of a path up, and what it has known under another number twice.
    private const int MaxLooks = 40;

    // The caller's thread and when it was told, in the low 32 bits of milliseconds; 0 is nobody.
    private readonly ulong[] _told = new ulong[Places];

    // What it has looked up since.
    private readonly ulong[] _found = new ulong[Places];
    private readonly int[] _looks = new int[Places];
    private int _count;

    /// <summary>Whether a caller is to hear ESTALE of a node: unless it has heard it, and has looked up this node since.
    /// </summary>
    public bool Tell(uint thread, NodeId node)
    {
        ref ulong place = ref _told[thread % Places];
        ulong told = Volatile.Read(ref place);
        ref ulong found = ref _found[thread % Places];
        if (told != 0 && told >> 32 == thread && Volatile.Read(ref found) == node.Value &&
            !IsOld(told))
        {
            Clear(ref place, told);
            return false;
        }

        Volatile.Write(ref found, 0);
        Volatile.Write(ref _looks[thread % Places], 0);
        ulong now = (uint)Environment.TickCount64;
        if (Interlocked.Exchange(ref place, ((ulong)thread << 32) | Math.Max(1, now)) == 0)
        {
            Interlocked.Increment(ref _count);
        }

        return true;
    }

    /// <summary>A caller has looked a node up; whether it is one that was told, and means to open it now.</summary>
    public bool Found(uint thread, NodeId node)
    {
        if (!IsTold(thread, out ulong told))
        {
            return false;
        }

        if (IsOld(told) || Interlocked.Increment(ref _looks[thread % Places]) > MaxLooks)
        {
            Clear(ref _told[thread % Places], told);
            return false;
        }

        Volatile.Write(ref _found[thread % Places], node.Value);
        return true;
    }

    /// <summary>What a caller has looked up is this node, after another was gone before it could be held.</summary>
    public void FoundInstead(uint thread, NodeId node)
    {
        if (IsTold(thread, out _))
        {
            Volatile.Write(ref _found[thread % Places], node.Value);
        }
    }

    /// <summary>A caller was let in: what it means next, it means anew.</summary>
    public void Forget(uint thread)
    {
        if (IsTold(thread, out ulong told))
        {
            Clear(ref _told[thread % Places], told);
        }
    }

    private bool IsTold(uint thread, out ulong told)
    {
        told = 0;
        if (Volatile.Read(ref _count) == 0)
        {
            return false;
        }

        told = Volatile.Read(ref _told[thread % Places]);
        return told != 0 && told >> 32 == thread;
    }

    private static bool IsOld(ulong told) => (uint)Environment.TickCount64 - (uint)told > MaxMilliseconds;

    private void Clear(ref ulong place, ulong told)
    {
        if (Interlocked.CompareExchange(ref place, 0, told) == told)
        {
            Interlocked.Decrement(ref _count);
        }
    }
}
