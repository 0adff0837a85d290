using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;
using static PassthroughFs.Core.Api.Linux;

namespace PassthroughFs.Core.IntegrationTests.Fsx;

/// <summary>
/// Random operations on one file, each checked against a model. One seed gives the same operations each time.
/// </summary>
internal sealed unsafe partial class Exerciser : IDisposable
{
    private const int Capacity = 256 << 10;
    private const int Longest = 48 << 10;
    private const int Block = 4096;
    private const int Remembered = 40;

    // Flags of fallocate(2).
    private const uint KeepSize = 1, PunchHole = 2, ZeroRange = 16;

    private readonly string _path;
    private readonly string _host;
    private readonly bool _mayFail;
    private readonly bool _maps;
    private readonly bool _collects;
    private readonly int _seed;
    private readonly Random _random;
    private readonly ContentModel _model = new(Capacity);
    private readonly Queue<string> _done = new();
    private readonly AlignedBuffer _buffer = new(Capacity);
    private int _fd = -1, _append = -1, _direct = -1;

    // How far the host's file may reach beyond the client's end, after a direct write that failed half-way.
    private int _leftUntil;
    private long _number;

    /// <param name="path">The file, through the mount.</param>
    /// <param name="host">The same on the host.</param>
    /// <param name="seed">What the operations follow from.</param>
    /// <param name="mayFail">Whether calls may fail.</param>
    /// <param name="maps">Whether the file is mapped; not where a read may fail, as that ends the process.</param>
    /// <param name="collects">Whether the client holds writes back until the file is synchronised.</param>
    public Exerciser(string path, string host, int seed, bool mayFail = false, bool maps = true, bool collects = false)
    {
        (_path, _host, _seed, _mayFail, _maps, _collects) = (path, host, seed, mayFail, maps, collects);
        _random = new Random(seed);
        OpenAll();
    }

    /// <summary>How many operations failed.</summary>
    public int Failures { get; private set; }

    public void Run(long operations)
    {
        for (long i = 0; i < operations; i++)
        {
            _number++;
            Step();
        }
    }

    /// <summary>Has all written, and compares with what the host has. Nothing may fail any more.</summary>
    public void Finish()
    {
        for (int tries = 0; Try("fsync", Native.FSync(_fd) == 0) is false; tries++)
        {
            Assert.True(tries < 3, "fsync still fails");
        }

        CheckHost();
        Read(_fd, 0, _model.Size, "read");
    }

    public void Dispose()
    {
        CloseAll();
        _buffer.Dispose();
    }

    private void Step()
    {
        int kind = _random.Next(1000);
        switch (kind)
        {
            case < 230: Read(_fd, Offset(), Length(), "read"); break;
            case < 300: ReadDirect(); break;
            case < 380: ReadMapping(); break;
            case < 560: Write(_fd, Offset(), Length(), "write"); break;
            case < 610: WriteDirect(); break;
            case < 700: WriteMapping(); break;
            case < 760: Append(); break;
            case < 820: Truncate(); break;
            case < 860: Change(PunchHole | KeepSize, "punch"); break;
            case < 890: Change(ZeroRange | (_random.Next(2) == 0 ? KeepSize : 0), "zero"); break;
            case < 920: Change(_random.Next(2) == 0 ? KeepSize : 0, "allocate"); break;
            case < 960: Copy(); break;
            case < 975: Reopen(); break;
            case < 990: Forget(); break;
            default: Sync(); break;
        }
    }

    private int Offset() => _random.Next(_model.Size + 1);

    private int Length() => 1 + _random.Next(_random.Next(4) == 0 ? Longest : 600);

    private void Note(string what, long offset, long length)
    {
        if (_done.Count == Remembered)
        {
            _done.Dequeue();
        }

        _done.Enqueue($"{_number}: {what} {offset}+{length}, size {_model.Size}");
    }

    private Span<byte> NewData(int length)
    {
        Span<byte> data = _buffer.Span[..length];
        if (_random.Next(3) == 0)
        {
            _random.NextBytes(data);
        }
        else
        {
            // No zero, so that a hole is seen.
            data.Fill((byte)(1 + _random.Next(255)));
        }

        return data;
    }

    /// <summary>Whether a call went well. One that may not have is noted.</summary>
    private bool Try(string what, bool ok)
    {
        if (ok)
        {
            return true;
        }

        var errno = (Errno)Marshal.GetLastPInvokeError();
        if (!_mayFail || errno is not (Errno.ENOSPC or Errno.EIO or Errno.EDQUOT))
        {
            throw Fault($"{what}: {errno}");
        }

        Failures++;
        _done.Enqueue($"{_number}: {what} was {errno}");
        _model.Failed();
        return false;
    }

    private Xunit.Sdk.XunitException Fault(string what) => new(
        $"{what}\nseed {_seed} (PTFS_FSX_SEED), operation {_number}, the last ones:\n{string.Join('\n', _done)}");

    private void Check(int offset, ReadOnlySpan<byte> found, string what)
    {
        int wrong = _model.FindWrong(offset, found);
        if (wrong >= 0)
        {
            throw Fault(
                $"{what}: byte {wrong} is {found[wrong - offset]}; {_model.Last[wrong]} was written last, " +
                $"{found.Length} bytes from {offset} on were read");
        }
    }

    private void Truncate()
    {
        int size = _random.Next(3) == 0 ? _random.Next(Capacity + 1) : Offset();
        Note("truncate", size, 0);
        if (Try("truncate", Native.FTruncate(_fd, size) == 0))
        {
            _leftUntil = 0;
            _model.SetSize(size);
        }
    }

    private void Change(uint mode, string what)
    {
        int offset = Offset();
        int length = Math.Min(Length(), Capacity - offset);
        if (length == 0)
        {
            return;
        }

        Note(what, offset, length);
        bool ok = Native.FAllocate(_fd, (int)mode, offset, length) == 0;
        if (!ok && (Errno)Marshal.GetLastPInvokeError() == Errno.EOPNOTSUPP && (mode & ZeroRange) != 0)
        {
            // Not on tmpfs.
            return;
        }

        ok = Try(what, ok);
        int end = (mode & KeepSize) != 0 ? Math.Min(offset + length, _model.Size) : offset + length;
        bool zeroes = (mode & (PunchHole | ZeroRange)) != 0;
        int before = _model.Size;
        if (ok && end > before)
        {
            _model.SetSize(end);
        }

        if (zeroes && end > offset && (ok || offset < before))
        {
            byte[] zeros = new byte[Math.Min(end, ok ? end : before) - offset];
            if (ok)
            {
                _model.Store(offset, zeros, reaches: (mode & KeepSize) == 0);
            }
            else
            {
                _model.StoreMaybe(offset, zeros);
            }
        }
    }

    private void Copy()
    {
        int length = Math.Min(Length(), _model.Size / 2);
        if (length == 0)
        {
            return;
        }

        int from = _random.Next(_model.Size - length + 1);
        int to = _random.Next(Math.Min(Capacity - length, _model.Size) + 1);
        if (Math.Abs(from - to) < length)
        {
            return;
        }

        Note($"copy from {from} to", to, length);
        long source = from, target = to;
        nint count = Native.CopyFileRange(_fd, &source, _fd, &target, (nuint)length, 0);
        bool ok = Try("copy", count >= 0);
        if (ok && count < length && !_mayFail)
        {
            throw Fault($"copy: {count} bytes of {length}");
        }

        if (ok && count > 0)
        {
            _model.Copy(from, to, (int)count);
        }
    }

    private void Sync()
    {
        Note("fsync", 0, _model.Size);
        bool ok = Try("fsync", (_random.Next(2) == 0 ? Native.FSync(_fd) : Native.FDataSync(_fd)) == 0);
        if (ok)
        {
            CheckHost();
        }
    }

    /// <summary>What was synchronised is on the host, to the byte.</summary>
    private void CheckHost()
    {
        _model.Synchronised(0, _model.Size);
        byte[] content = File.ReadAllBytes(_host);
        int least = _mayFail ? _model.SizeOnHost : _model.Size;
        if (content.Length > Math.Max(_leftUntil, _model.Size) || content.Length < least)
        {
            throw Fault($"on the host: {content.Length} bytes instead of {least} to {_model.Size}");
        }

        Check(0, content.AsSpan(0, Math.Min(content.Length, _model.Size)), "on the host");
    }

    private void Forget()
    {
        const int dontNeed = 4;
        Note("forget", 0, 0);
        _ = Native.FAdvise(_fd, 0, 0, dontNeed);
    }

    private void Reopen()
    {
        Note("close and open", 0, 0);
        CloseAll();
        OpenAll();
    }

    private void OpenAll()
    {
        _fd = Open(O_RDWR | O_CREAT);
        _append = Open(O_WRONLY | O_APPEND);
        _direct = Open(O_RDWR | O_DIRECT);
    }

    private int Open(uint flags)
    {
        int fd = Native.Open(Bytes.Z(_path), (int)(flags | O_CLOEXEC), 0x1A4);
        return fd >= 0 ? fd : throw Fault($"open: {(Errno)Marshal.GetLastPInvokeError()}");
    }

    private void CloseAll()
    {
        foreach (int fd in new[] { _fd, _append, _direct }.Where(fd => fd >= 0))
        {
            Try("close", Native.Close(fd) == 0);
        }

        (_fd, _append, _direct) = (-1, -1, -1);
    }
}
