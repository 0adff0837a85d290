using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;
using static PassthroughFs.Fuse.Ring.RingAbi;

namespace PassthroughFs.Fuse.Ring;

/// <summary>
/// An io_uring for commands to one device. It belongs to the thread that makes it, which alone may use it: the kernel
/// completes a command only while that thread is inside <see cref="Enter"/>.
/// </summary>
internal sealed unsafe class IoRing : IDisposable
{
    private readonly int _fd;
    private readonly byte* _ring;
    private readonly nuint _ringSize;
    private readonly byte* _sqes;
    private readonly nuint _sqesSize;
    private readonly uint* _sqTail;
    private readonly uint _sqMask;
    private readonly uint* _cqHead;
    private readonly uint* _cqTail;
    private readonly uint _cqMask;
    private readonly byte* _cqes;

    private IoRing(int fd, byte* parameters, uint entries)
    {
        _fd = fd;
        uint cqEntries = *(uint*)(parameters + ParamsCqEntries);
        _ringSize = *(uint*)(parameters + ParamsCqes) + (nuint)(cqEntries * CqeSize);
        _sqesSize = entries * SqeSize;
        _ring = Libc.Map(_ringSize, fd, OffSqRing);
        _sqes = Libc.Map(_sqesSize, fd, OffSqes);
        if (_ring == null || _sqes == null)
        {
            return;
        }

        _sqTail = (uint*)(_ring + *(uint*)(parameters + ParamsSqTail));
        _sqMask = *(uint*)(_ring + *(uint*)(parameters + ParamsSqMask));
        _cqHead = (uint*)(_ring + *(uint*)(parameters + ParamsCqHead));
        _cqTail = (uint*)(_ring + *(uint*)(parameters + ParamsCqTail));
        _cqMask = *(uint*)(_ring + *(uint*)(parameters + ParamsCqMask));
        _cqes = _ring + *(uint*)(parameters + ParamsCqes);
    }

    /// <summary>Makes a ring of the calling thread's.</summary>
    /// <param name="entries">How many commands may be under way: a power of two.</param>
    /// <param name="error">Why there is none.</param>
    public static IoRing? Create(uint entries, out Errno error)
    {
        // Sound: as large as the kernel's struct io_uring_params, which it fills before it returns.
        byte* parameters = stackalloc byte[ParamsSize];
        new Span<byte>(parameters, ParamsSize).Clear();
        *(uint*)(parameters + ParamsFlags) =
            SetupSqe128 | SetupCqSize | SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun | SetupNoSqArray;
        *(uint*)(parameters + ParamsCqEntries) = entries;
        int fd = (int)Libc.syscall(NrSetup, (nint)entries, (nint)parameters, 0, 0, 0, 0);
        if (fd < 0)
        {
            error = Libc.LastError;
            return null;
        }

        var ring = new IoRing(fd, parameters, entries);
        error = ring._cqes == null ? Errno.ENOMEM : Errno.OK;
        if (error == Errno.OK)
        {
            return ring;
        }

        ring.Dispose();
        return null;
    }

    /// <summary>Puts a command into the queue; there is room, as each entry has one under way at most.</summary>
    /// <param name="device">The device's descriptor.</param>
    /// <param name="operation">The device's operation.</param>
    /// <param name="iovecs">Two of them, for an operation that wants memory; they stay until it was submitted.</param>
    /// <param name="entry">Comes back with the completion.</param>
    /// <param name="commitId">Which request is answered.</param>
    /// <param name="queue">The FUSE queue.</param>
    public void Push(int device, uint operation, IoSegment* iovecs, uint entry, ulong commitId, int queue)
    {
        uint tail = *_sqTail;

        // Sound: the mask keeps the index inside the mapped array of entries, each of SqeSize bytes.
        byte* sqe = _sqes + ((tail & _sqMask) * SqeSize);
        new Span<byte>(sqe, SqeSize).Clear();
        *sqe = OpUringCmd;
        *(int*)(sqe + SqeFd) = device;
        *(uint*)(sqe + SqeCommandOp) = operation;
        *(ulong*)(sqe + SqeAddress) = (ulong)iovecs;
        *(uint*)(sqe + SqeLength) = iovecs == null ? 0u : 2u;
        *(ulong*)(sqe + SqeUserData) = entry;
        *(ulong*)(sqe + SqeCommand + CommandCommitId) = commitId;
        *(ushort*)(sqe + SqeCommand + CommandQueue) = (ushort)queue;
        Volatile.Write(ref *_sqTail, tail + 1);
    }

    /// <summary>Gives the kernel what was pushed, and waits for a completion if told to.</summary>
    /// <returns>How many commands the kernel has taken, or the error negated.</returns>
    public int Enter(uint submit, bool wait)
    {
        nint result = Libc.syscall(NrEnter, _fd, (nint)submit, wait ? 1 : 0, (nint)EnterGetEvents, 0, 0);
        return result < 0 ? -(int)Libc.LastError : (int)result;
    }

    /// <summary>The error of a completion that is there; completions stay.</summary>
    public Errno PeekError()
    {
        for (uint head = *_cqHead; head != Volatile.Read(ref *_cqTail); head++)
        {
            // Sound: as in TryTake.
            int result = *(int*)(_cqes + ((head & _cqMask) * CqeSize) + CqeResult);
            if (result < 0)
            {
                return (Errno)(-result);
            }
        }

        return Errno.OK;
    }

    /// <summary>Takes a completion; false if there is none.</summary>
    public bool TryTake(out uint entry, out int result)
    {
        uint head = *_cqHead;
        if (head == Volatile.Read(ref *_cqTail))
        {
            entry = 0;
            result = 0;
            return false;
        }

        // Sound: the mask keeps the index inside the mapped array of completions.
        byte* cqe = _cqes + ((head & _cqMask) * CqeSize);
        entry = (uint)*(ulong*)cqe;
        result = *(int*)(cqe + CqeResult);
        Volatile.Write(ref *_cqHead, head + 1);
        return true;
    }

    public void Dispose()
    {
        Libc.Unmap(_sqes, _sqesSize);
        Libc.Unmap(_ring, _ringSize);
        _ = Libc.close(_fd);
    }
}
