using System;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>How a VMM behaves that is asked to map something.</summary>
internal enum VmmMood
{
    /// <summary>Does it.</summary>
    Obedient,

    /// <summary>Says no, without a reason.</summary>
    Refusing,

    /// <summary>Says no for want of memory.</summary>
    Poor,

    /// <summary>Never answers.</summary>
    Silent,

    /// <summary>Answers another question.</summary>
    Confused,

    /// <summary>Hangs up instead of answering.</summary>
    Gone,
}

/// <summary>
/// A VMM's shared memory region: reserved addresses, and a thread that maps files there as the back end asks for it, in
/// one dialect of the protocol or the other. Holds the back end to the dialect's rules. Written from the specification.
/// </summary>
internal sealed unsafe class VmmWindow : IDisposable
{
    private const int MapFixed = 0x10;
    private const int MapPrivateAnonymous = 0x22;

    private readonly bool _standard;
    private readonly byte* _memory;
    private readonly int _mine;
    private readonly Thread _thread;
    private readonly List<(ulong Offset, ulong Length)> _mapped = [];
    private int _theirs;

    public VmmWindow(bool standard, int length)
    {
        _standard = standard;
        Length = length;
        _memory = Native.MMap(0, (nuint)length, Native.PROT_READ, MapPrivateAnonymous, -1, 0);
        (_mine, _theirs) = VhostNative.NewPair();
        _thread = new Thread(Run) { IsBackground = true };
    }

    public int Length { get; }

    public ulong Protocol => FrontEnd.BackendReq | FrontEnd.BackendSendFd | (_standard ? FrontEnd.Shmem : 0);

    public volatile VmmMood Mood;

    /// <summary>What it was asked, in words.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Where the back end broke the rules.</summary>
    public ConcurrentQueue<string> Faults { get; } = [];

    public Span<byte> Span(int offset, int length) => new(_memory + offset, length);

    /// <summary>Gives the back end its end of the channel.</summary>
    public void Attach(FrontEnd frontEnd)
    {
        frontEnd.MustSend(21, default, _theirs);
        _ = Native.Close(_theirs);
        _theirs = -1;
        _thread.Start();
    }

    /// <summary>What a VMM does when its guest starts again. Nothing may be asked meanwhile.</summary>
    public void Reset()
    {
        _mapped.Clear();
        Empty(0, (ulong)Length);
    }

    public void Dispose()
    {
        _ = VhostNative.Shutdown(_mine, 2);
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        _ = Native.Close(_mine);
        if (_theirs >= 0)
        {
            _ = Native.Close(_theirs);
        }

        _ = Native.MUnmap(_memory, (nuint)Length);
    }

    private void Run()
    {
        byte[] header = new byte[12];
        while (true)
        {
            int fd = -1;
            if (!VhostNative.Receive(_mine, header, ref fd))
            {
                return;
            }

            uint request = BinaryPrimitives.ReadUInt32LittleEndian(header);
            byte[] payload = new byte[BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8))];
            _ = VhostNative.Receive(_mine, payload, ref fd);
            Check(BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)) == 9, "version 1 and an answer is wanted");
            long result = Handle(request, payload, fd);
            if (fd >= 0)
            {
                _ = Native.Close(fd);
            }

            if (Mood == VmmMood.Gone)
            {
                _ = VhostNative.Shutdown(_mine, 2);
            }
            else if (Mood != VmmMood.Silent)
            {
                Answer(Mood == VmmMood.Confused ? request + 1 : request, result);
            }
        }
    }

    private void Answer(uint request, long result)
    {
        byte[] answer = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(answer, request);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(4), 5);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(8), 8);
        BinaryPrimitives.WriteInt64LittleEndian(answer.AsSpan(12), result);
        fixed (byte* bytes = answer)
        {
            _ = Native.Write(_mine, bytes, (nuint)answer.Length);
        }
    }

    private long Handle(uint request, byte[] payload, int fd)
    {
        bool map = request == (_standard ? 9u : 6u);
        Check(map || request == (_standard ? 10u : 7u), $"request {request}");
        Check(payload.Length == (_standard ? 40 : 256), $"{payload.Length} bytes");
        Check(map == fd >= 0, "a descriptor comes with a mapping alone");
        ulong[] words = [.. payload.Chunk(8).Select(word => BinaryPrimitives.ReadUInt64LittleEndian(word))];
        (ulong from, ulong to, ulong length, ulong flags) = _standard
            ? (words[1], words[2], words[3], words[4])
            : (words[0], words[8], words[16], words[24]);
        if (_standard)
        {
            Check(words[0] == 0, "region 0, and no byte of padding set");
        }
        else
        {
            Check(words.Where((_, i) => i % 8 != 0).All(word => word == 0), "one mapping and nothing else");
        }

        bool writable = (flags & (_standard ? 1u : 2u)) != 0;
        string rights = writable ? " rw" : "";
        Requests.Enqueue(map ? $"map {from:x}->{to:x}+{length:x}{rights}" : $"unmap {to:x}+{length:x}");
        if (Mood is VmmMood.Refusing or VmmMood.Poor)
        {
            return Mood == VmmMood.Poor ? -(long)Api.Errno.ENOMEM : 1;
        }

        (to, length) = !_standard && length == ulong.MaxValue ? (0, (ulong)Length) : (to, length);
        if (length == 0 || to + length < to || to + length > (ulong)Length)
        {
            Check(false, $"{to:x}+{length:x} is not the window's");
            return -(long)Api.Errno.EINVAL;
        }

        return map ? Map(fd, from, (to, length), writable) : Unmap((to, length));
    }

    private long Map(int fd, ulong from, (ulong Offset, ulong Length) range, bool writable)
    {
        if (_standard)
        {
            Check(
                !_mapped.Any(m => m.Offset < range.Offset + range.Length && range.Offset < m.Offset + m.Length),
                $"{range} is mapped already");
            _mapped.Add(range);
        }

        int protection = Native.PROT_READ | (writable ? Native.PROT_WRITE : 0);
        byte* at = Native.MMap(
            (nint)(_memory + range.Offset), (nuint)range.Length, protection, Native.MAP_SHARED | MapFixed, fd,
            (long)from);
        return (nint)at == -1 ? -System.Runtime.InteropServices.Marshal.GetLastPInvokeError() : 0;
    }

    private long Unmap((ulong Offset, ulong Length) range)
    {
        if (_standard)
        {
            Check(_mapped.Remove(range), $"{range} is no mapping");
        }

        Empty(range.Offset, range.Length);
        return 0;
    }

    // Sound, as each mapping here: inside this object's own reservation.
    private void Empty(ulong offset, ulong length) => _ = Native.MMap(
        (nint)(_memory + offset), (nuint)length, Native.PROT_READ, MapPrivateAnonymous | MapFixed, -1, 0);

    private void Check(bool condition, string rule)
    {
        if (!condition)
        {
            Faults.Enqueue(rule);
        }
    }
}
