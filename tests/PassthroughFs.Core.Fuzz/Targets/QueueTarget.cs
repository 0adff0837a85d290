using System;
using System.Buffers.Binary;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Fuzz.Engine;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.VhostUser;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>
/// The daemon's virtqueue under a driver that breaks its rules: descriptors, tables and rings with any numbers in them,
/// and in some cases a second thread that changes the guest's memory all the time.
/// </summary>
internal sealed unsafe partial class QueueTarget : IStepTarget
{
    private const int First = 128 * 1024;
    private const int Second = 64 * 1024;
    private const int Total = First + Second;
    private const ulong GuestBase = 0x10000;
    private const ulong UserBase = 0x7F0000000000;
    private const int AvailableAt = 8192;
    private const int UsedAt = 12288;
    private const int DataAt = 20480;
    private const int LargestRequest = 16384;
    private const int DescriptorBytes = 16;

    private readonly Stage _stage = new();
    private readonly byte* _first = Native.Fenced(First);
    private readonly byte* _second = Native.Fenced(Second);
    private readonly GuestMemory _memory = new();
    private readonly MemoryMap _map;
    private readonly DescriptorChain _chain = new(64);
    private readonly RequestMaker _maker;
    private readonly Pool _pool = new();
    private readonly byte[] _shadow = new byte[Total];
    private readonly FuzzLogger _logger = new();
    private SplitQueue _queue = null!;
    private int _size;
    private ushort _available;
    private ushort _used;
    private int _data;
    private long _requests;
    private long _bad;
    private long _broken;

    public QueueTarget()
    {
        _maker = new RequestMaker(new Limits(
            Native.Self.Uid, Native.Self.Gid, (uint)Environment.ProcessId, _stage.MayFill));

        // The two lie side by side in the guest and not here.
        _memory.Replace(
            new Region(GuestBase, UserBase, _first, First),
            new Region(GuestBase + First, UserBase + (1UL << 32), _second, Second));
        _map = _memory.Current; // nothing ever takes its place
    }

    public long Done { get; private set; }

    public string Outcome => $"{_requests} requests taken, {_bad} bad chains, {_broken} broken rings";

    public void Run(ulong seed, int steps)
    {
        var rng = new Rng(seed);
        _stage.Reset();
        _pool.Clear();
        using var fs = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _stage.Root, Xattr = true, MaxNodes = 2000 }, _logger);
        var session = new FuseSession(fs, new FuseSessionOptions { MaxEventsPerSecond = int.MaxValue }, null, _logger);
        FuseWorker worker = session.CreateWorker();
        new Span<byte>(_first, First).Clear();
        new Span<byte>(_second, Second).Clear();
        NewQueue(ref rng);
        bool isStable = !rng.OneIn(4);
        using var guest = isStable ? null : new Meddler(this, rng.Next());
        for (int i = 0; i < steps; i++, Done++)
        {
            Offer(ref rng, session.IsInitialized);
            if (!Serve(worker, isStable, ref rng))
            {
                _broken++;
                NewQueue(ref rng);
            }

            if (_logger.TakeFailure() is { } failure)
            {
                throw new FindingException("failure inside", failure);
            }
        }

        _stage.CheckOutside();
    }

    public void Dispose()
    {
        _memory.Dispose();
        _stage.Dispose();
    }

    private void NewQueue(ref Rng rng)
    {
        _size = 1 << (1 + rng.Below(8));
        _available = (ushort)rng.Next32();
        _used = _available;
        _queue = new SplitQueue(_size, _available, !rng.OneIn(5), rng.OneIn(2));
        var addresses = new RingAddresses(UserBase, UserBase + AvailableAt, UserBase + UsedAt);
        *(ushort*)(_first + AvailableAt + 2) = _available;
        if (!_queue.TryMap(_map, addresses))
        {
            throw new FindingException("queue", "rings that are all right are refused");
        }

        // Ones that are not are refused, or lie in one piece and aligned in the memory: then they are as good.
        var hostile = new RingAddresses(
            UserBase + (Values.Hostile(ref rng) & 0x3FFFF), Values.Hostile(ref rng), UserBase + UsedAt);
        _ = _queue.TryMap(_map, hostile);
        _ = _queue.TryMap(_map, addresses);
    }

    /// <summary>The driver's part: one chain or more, right or wrong.</summary>
    private void Offer(ref Rng rng, bool isInitialized)
    {
        int chains = 1 + (rng.OneIn(3) ? rng.Below(3) : 0);
        int descriptor = 0;
        _data = DataAt;
        for (int i = 0; i < chains && descriptor + 2 < _size; i++)
        {
            _maker.Unique = (ulong)(Done + i + 1) * 2;
            if (isInitialized || rng.OneIn(8))
            {
                _maker.Make(ref rng, _pool);
            }
            else
            {
                _maker.Make(Shape.Find((uint)FuseOpcode.FUSE_INIT)!, ref rng, _pool);
            }

            if (rng.OneIn(4))
            {
                _maker.Mutate(ref rng);
            }

            if (_maker.Request.Length is > 0 and <= LargestRequest)
            {
                Put((ushort)descriptor, ref rng);
                descriptor = PutChain(ref rng, descriptor, Math.Min(_maker.Room, LargestRequest));
            }
        }

        if (rng.OneIn(3))
        {
            Spoil(ref rng, descriptor);
        }

        Volatile.Write(ref *(ushort*)(_first + AvailableAt + 2), _available);
    }

    private void Put(ushort head, ref Rng rng)
    {
        ushort* ring = (ushort*)(_first + AvailableAt);
        ring[2 + (_available & (_size - 1))] = rng.OneIn(60) ? (ushort)Values.Hostile(ref rng) : head;
        _available++;
    }

    private int PutChain(ref Rng rng, int descriptor, int room)
    {
        int start = descriptor;
        bool isIndirect = rng.OneIn(3);
        int table = _data;
        int last = -1;
        if (isIndirect)
        {
            _data += 40 * DescriptorBytes;
        }

        int count = 0;
        ReadOnlySpan<byte> request = _maker.Request;
        while (!request.IsEmpty)
        {
            int piece = Piece(ref rng, request.Length, count);
            request[..piece].CopyTo(At(Take(piece, ref rng), piece));
            Add(ref rng, piece, false);
            request = request[piece..];
        }

        while (room > 0)
        {
            int piece = Piece(ref rng, room, count);
            Take(piece, ref rng);
            Add(ref rng, piece, true);
            room -= piece;
        }

        if (last >= 0)
        {
            // The last one has none behind it.
            *(ushort*)(_first + last + 12) &= 0xFFFE;
        }

        if (isIndirect)
        {
            Write(start * DescriptorBytes, GuestBase + (ulong)table, (uint)(count * DescriptorBytes), 4, 0);
            return start + 1;
        }

        return descriptor;

        int Piece(ref Rng rng, int left, int count) =>
            count >= 30 || (!isIndirect && descriptor + 2 >= _size) ? left
            : rng.OneIn(2) ? left : 1 + rng.Below(left);

        void Add(ref Rng rng, int length, bool writable)
        {
            if (!isIndirect && descriptor >= _size)
            {
                return;
            }

            last = isIndirect ? table + (count * DescriptorBytes) : descriptor * DescriptorBytes;
            ushort next = (ushort)(isIndirect ? count + 1 : descriptor + 1);
            Write(last, GuestBase + (ulong)(_data - length), (uint)length, (ushort)(1 | (writable ? 2 : 0)), next);
            count++;
            descriptor += isIndirect ? 0 : 1;
        }
    }

    /// <summary>A place for so many bytes; the data end there.</summary>
    private int Take(int length, ref Rng rng)
    {
        _data += rng.OneIn(2) ? 0 : rng.Below(9);
        if (_data + length > Total)
        {
            _data = DataAt + (45 * DescriptorBytes);
        }

        _data += length;
        return _data - length;
    }

    private Span<byte> At(int at, int length)
    {
        // What goes over the border is written in two.
        if (at + length <= First)
        {
            return new Span<byte>(_first + at, length);
        }

        return at >= First ? new Span<byte>(_second + at - First, length) : new byte[length];
    }

    private void Write(int at, ulong address, uint length, ushort flags, ushort next)
    {
        Span<byte> descriptor = At(at, DescriptorBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, address);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], flags);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], next);
    }

    private void Spoil(ref Rng rng, int descriptors)
    {
        int at = rng.Below(Math.Max(1, Math.Min(descriptors + 2, _size))) * DescriptorBytes;
        if (rng.OneIn(3))
        {
            at = DataAt + (rng.Below(40) * DescriptorBytes);
        }

        Span<byte> descriptor = At(at, DescriptorBytes);
        switch (rng.Below(8))
        {
            case 0:
                BinaryPrimitives.WriteUInt64LittleEndian(descriptor, Values.Hostile(ref rng));
                break;
            case 1:
                BinaryPrimitives.WriteUInt64LittleEndian(descriptor, GuestBase + (ulong)rng.Below(Total + 64));
                break;
            case 2:
                BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], (uint)Values.Hostile(ref rng));
                break;
            case 3:
                BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], (ushort)rng.Below(8));
                break;
            case 4:
                BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], (ushort)rng.Below(_size + 2));
                break;
            case 5:
                BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], (ushort)Values.Hostile(ref rng));
                break;
            case 6:
                descriptor[rng.Below(DescriptorBytes)] ^= (byte)(1 << rng.Below(8));
                break;
            default:
                // An index that says more or less than there is.
                _available += (ushort)(rng.OneIn(3) ? Values.Hostile(ref rng) : (ulong)rng.Below(4));
                break;
        }
    }

    /// <summary>The device's part.</summary>
    /// <returns>False if the ring is broken.</returns>
    private bool Serve(FuseWorker worker, bool isStable, ref Rng rng)
    {
        if (rng.OneIn(4))
        {
            _queue.DisableKicks();
        }

        for (int i = 0; i < 16; i++)
        {
            TakeResult result = _queue.TryTake(_map, _chain);
            if (result == TakeResult.Empty)
            {
                break;
            }

            if (result == TakeResult.Broken)
            {
                return false;
            }

            _used++;
            if (result == TakeResult.BadChain)
            {
                _bad++;
                continue;
            }

            _requests++;
            CheckChain();
            int length = Dispatch(worker, isStable);
            _queue.Complete(_chain.Head, (uint)length);
            if (isStable && *(ushort*)(_first + UsedAt + 2) != _used)
            {
                throw new FindingException("queue", $"the used index is not {_used} after the chain was given back");
            }
        }

        _ = _queue.MustCall();
        _ = _queue.EnableKicks();
        return true;
    }

    private int Dispatch(FuseWorker worker, bool isStable)
    {
        if (isStable)
        {
            Copy();
        }

        int length;
        try
        {
            length = worker.Dispatch(_chain.Readable, _chain.Writable);
        }
        catch (Exception e)
        {
            throw new FindingException("exception out of Dispatch", e.ToString());
        }

        if (isStable)
        {
            // What the reply may have changed counts as unchanged; all else is as it was.
            foreach (IoSegment segment in _chain.Writable)
            {
                segment.AsSpan().CopyTo(_shadow.AsSpan(Place(segment), (int)segment.Length));
            }

            if (!_shadow.AsSpan(0, First).SequenceEqual(new ReadOnlySpan<byte>(_first, First))
                || !_shadow.AsSpan(First).SequenceEqual(new ReadOnlySpan<byte>(_second, Second)))
            {
                throw new FindingException("write outside of the reply", $"in the guest's memory; {length} bytes");
            }
        }

        return length;
    }

    private void Copy()
    {
        new ReadOnlySpan<byte>(_first, First).CopyTo(_shadow);
        new ReadOnlySpan<byte>(_second, Second).CopyTo(_shadow.AsSpan(First));
    }

    private void CheckChain()
    {
        foreach (IoSegment segment in _chain.Readable)
        {
            _ = Place(segment);
        }

        foreach (IoSegment segment in _chain.Writable)
        {
            _ = Place(segment);
        }
    }

    /// <summary>Where in the guest's memory a segment is; it must be there as a whole.</summary>
    private int Place(IoSegment segment)
    {
        long inFirst = segment.Pointer - _first;
        long inSecond = segment.Pointer - _second;
        return inFirst >= 0 && inFirst + (long)segment.Length <= First ? (int)inFirst
            : inSecond >= 0 && inSecond + (long)segment.Length <= Second ? First + (int)inSecond
            : throw new FindingException("queue", $"a segment of {segment.Length} bytes outside of the guest's memory");
    }

    private sealed class Region(ulong guest, ulong user, byte* pointer, ulong length)
        : GuestRegion(guest, user, pointer, length)
    {
        // It lasts as long as the process.
        protected override void Unmap()
        {
        }
    }
}
