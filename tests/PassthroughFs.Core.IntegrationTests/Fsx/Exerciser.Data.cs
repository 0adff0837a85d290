using System;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Fsx;

/// <remarks>Reading and writing: buffered, direct, mapped.</remarks>
internal sealed unsafe partial class Exerciser
{
    private void Read(int fd, int offset, int length, string what)
    {
        Note(what, offset, length);
        length = Math.Min(length, Capacity);
        fixed (byte* buffer = _buffer.Span)
        {
            nint count = Native.PRead(fd, buffer, (nuint)length, offset);
            if (!Try(what, count >= 0))
            {
                return;
            }

            int expected = Math.Clamp(_model.Size - offset, 0, length);
            if (fd == _direct && count > expected && offset + count <= _leftUntil)
            {
                count = expected;
            }

            // Where reads fail, one ends at the error if it got as far.
            if (count != expected && !(_mayFail && !_maps && count > 0 && count < expected))
            {
                throw Fault($"{what}: {count} bytes instead of {expected}");
            }

            Check(offset, new ReadOnlySpan<byte>(buffer, (int)count), what);
        }
    }

    private void ReadDirect() =>
        Read(_direct, Offset() / Block * Block, ((Length() / Block) + 1) * Block, "direct read");

    private void Write(int fd, int offset, int length, string what)
    {
        length = Math.Min(length, Capacity - offset);
        Note(what, offset, length);
        Span<byte> data = NewData(length);
        fixed (byte* buffer = data)
        {
            nint count = length == 0 ? 0 : Native.PWrite(fd, buffer, (nuint)length, offset);
            Wrote(what, fd, offset, data, count);
        }
    }

    private void Wrote(string what, int fd, int offset, Span<byte> data, nint count)
    {
        int before = _model.Size;
        bool ok = Try(what, count >= 0);
        if (ok && count < data.Length)
        {
            if (!_mayFail)
            {
                throw Fault($"{what}: {count} bytes of {data.Length}");
            }

            Failures++;
        }

        count = ok ? count : 0;
        if (_collects && _mayFail && fd != _direct)
        {
            _model.StoreLater(offset, data[..(int)count]);
        }
        else
        {
            _model.Store(offset, data[..(int)count]);
        }

        if (count < data.Length)
        {
            _model.StoreMaybe(offset + (int)count, data[(int)count..]);
            AdoptSize(before);
            if (_collects && fd == _direct)
            {
                // The client asks the host to cut what the host took, and does not look whether that went well.
                _leftUntil = Math.Max(_leftUntil, offset + data.Length);
            }
        }
    }

    /// <summary>A change of the size that failed may be there or not.</summary>
    private void AdoptSize(int least)
    {
        byte* stat = stackalloc byte[256];
        if (Native.Statx(_fd, [0], Native.AT_EMPTY_PATH, 0x7FF, stat) != 0)
        {
            throw Fault("fstat failed");
        }

        int size = (int)*(long*)(stat + 40);
        if (size < least || size > _model.Size)
        {
            throw Fault($"a size of {size} after a failure, from {least} to {_model.Size} may be");
        }

        _model.Adopt(size);
    }

    private void WriteDirect()
    {
        int offset = Offset() / Block * Block;
        Write(_direct, offset, ((Length() / Block) + 1) * Block, "direct write");
    }

    private void Append()
    {
        int offset = _model.Size;
        int length = Math.Min(Length(), Capacity - offset);
        if (length == 0)
        {
            return;
        }

        Note("append", offset, length);
        Span<byte> data = NewData(length);
        fixed (byte* buffer = data)
        {
            Wrote("append", _append, offset, data, Native.Write(_append, buffer, (nuint)length));
        }
    }

    private void ReadMapping()
    {
        int length = Math.Min(Length(), _model.Size);
        if (!_maps || length == 0)
        {
            return;
        }

        int offset = _random.Next(_model.Size - length + 1);
        Note("mapped read", offset, length);
        byte* memory = Map(offset, length, Native.PROT_READ, out int at);
        Check(offset, new ReadOnlySpan<byte>(memory + at, length), "mapped read");
        _ = Native.MUnmap(memory, (nuint)(at + length));
    }

    private void WriteMapping()
    {
        int length = Math.Min(Length(), _model.Size);
        if (!_maps || length == 0)
        {
            return;
        }

        int offset = _random.Next(_model.Size - length + 1);
        bool syncs = _random.Next(2) == 0;
        Note(syncs ? "mapped write, msync" : "mapped write", offset, length);
        Span<byte> data = NewData(length);
        byte* memory = Map(offset, length, Native.PROT_READ | Native.PROT_WRITE, out int at);
        data.CopyTo(new Span<byte>(memory + at, length));
        if (_mayFail)
        {
            _model.StoreLater(offset, data);
        }
        else
        {
            _model.Store(offset, data);
        }

        if (syncs && Try("msync", Native.MSync(memory, (nuint)(at + length), Native.MS_SYNC) == 0))
        {
            _model.Synchronised(offset, offset + length);
        }

        _ = Native.MUnmap(memory, (nuint)(at + length));
    }

    private byte* Map(int offset, int length, int protection, out int at)
    {
        at = offset % Block;
        byte* memory = Native.MMap(0, (nuint)(at + length), protection, Native.MAP_SHARED, _fd, offset - at);
        return (nint)memory == -1 ? throw Fault($"mmap: {(Errno)Marshal.GetLastPInvokeError()}") : memory;
    }
}
