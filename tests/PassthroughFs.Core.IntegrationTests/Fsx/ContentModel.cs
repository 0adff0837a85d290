using System;

namespace PassthroughFs.Core.IntegrationTests.Fsx;

/// <summary>
/// What one file may hold: for each byte all values that a reader may find. There is one where everything went well;
/// after a change that failed the old and the new one may be there.
/// </summary>
internal sealed class ContentModel(int capacity)
{
    private const int Words = 4;

    // Of a byte that may be one of several, the values; of others nothing.
    private readonly ulong[] _possible = new ulong[capacity * Words];
    private readonly bool[] _isOpen = new bool[capacity];
    private readonly byte[] _last = new byte[capacity];
    private readonly bool[] _pending = new bool[capacity];
    private int _pendingEnd;

    /// <summary>How long the file is, in bytes.</summary>
    public int Size { get; private set; }

    /// <summary>How long it is on the host at least.</summary>
    public int SizeOnHost { get; private set; }

    /// <summary>The values written last, which are all there are where nothing fails.</summary>
    public ReadOnlySpan<byte> Last => _last.AsSpan(0, Size);

    /// <summary>Data that the host has.</summary>
    /// <param name="offset">Where they are.</param>
    /// <param name="data">The data; none change nothing.</param>
    /// <param name="reaches">Whether the host's file reaches so far. A punch leaves its size, which may be less than the
    /// client's as long as that has not written everything.</param>
    public void Store(int offset, ReadOnlySpan<byte> data, bool reaches = true)
    {
        if (data.IsEmpty)
        {
            return;
        }

        Grow(offset + data.Length);
        SizeOnHost = reaches ? Math.Max(SizeOnHost, offset + data.Length) : SizeOnHost;
        data.CopyTo(_last.AsSpan(offset));
        _isOpen.AsSpan(offset, data.Length).Clear();
        _pending.AsSpan(offset, data.Length).Clear();
    }

    /// <summary>Data that the client has, and the host when the file is synchronised.</summary>
    public void StoreLater(int offset, ReadOnlySpan<byte> data)
    {
        StoreMaybe(offset, data);
        _pending.AsSpan(offset, data.Length).Fill(true);
        _pendingEnd = Math.Max(_pendingEnd, offset + data.Length);
    }

    /// <summary>Data that may be there or not, as somebody was told that they failed.</summary>
    public void StoreMaybe(int offset, ReadOnlySpan<byte> data)
    {
        Grow(offset + data.Length);
        for (int i = 0; i < data.Length; i++)
        {
            Add(offset + i, data[i]);
            _pending[offset + i] = false;
        }
    }

    /// <summary>Cuts the file, or makes it longer by zeros; the host has done it.</summary>
    public void SetSize(int size)
    {
        if (size < Size)
        {
            SetZero(size, Size);
            _pending.AsSpan(size, Size - size).Clear();
        }

        Grow(size);
        Size = size;
        SizeOnHost = size;
        _pendingEnd = Math.Min(_pendingEnd, size);
    }

    /// <summary>The size that the client sees after a change that failed, whose data are known by then.</summary>
    public void Adopt(int size)
    {
        int onHost = Math.Min(SizeOnHost, size);
        SetSize(size);
        SizeOnHost = onHost;
    }

    /// <summary>Copies a range; the host has done it.</summary>
    public void Copy(int from, int to, int length)
    {
        Grow(to + length);
        SizeOnHost = Math.Max(SizeOnHost, to + length);
        if (_isOpen.AsSpan(from, length).Contains(true))
        {
            _possible.AsSpan(from * Words, length * Words).CopyTo(_possible.AsSpan(to * Words));
        }

        _isOpen.AsSpan(from, length).CopyTo(_isOpen.AsSpan(to));
        _last.AsSpan(from, length).CopyTo(_last.AsSpan(to));
        _pending.AsSpan(to, length).Clear();
    }

    /// <summary>What was stored later in a range is on the host now.</summary>
    public void Synchronised(int from, int end)
    {
        for (int i = from; i < Math.Min(end, _pendingEnd); i++)
        {
            if (_pending[i])
            {
                _isOpen[i] = false;
                _pending[i] = false;
                SizeOnHost = Math.Max(SizeOnHost, i + 1);
            }
        }
    }

    /// <summary>Somebody was told that something of what was stored later is not on the host.</summary>
    public void Failed()
    {
        _pending.AsSpan(0, _pendingEnd).Clear();
        _pendingEnd = 0;
    }

    /// <summary>The first place whose byte cannot be what was found; -1 if there is none.</summary>
    public int FindWrong(int offset, ReadOnlySpan<byte> found)
    {
        int same = found.CommonPrefixLength(_last.AsSpan(offset, found.Length));
        for (int i = same; i < found.Length; i++)
        {
            int value = found[i];
            if (value != _last[offset + i] && !(_isOpen[offset + i] && IsPossible(offset + i, value)))
            {
                return offset + i;
            }
        }

        return -1;
    }

    private void Grow(int size)
    {
        if (size > Size)
        {
            SetZero(Size, size);
            Size = size;
        }
    }

    private void SetZero(int from, int end)
    {
        _last.AsSpan(from, end - from).Clear();
        _isOpen.AsSpan(from, end - from).Clear();
    }

    private bool IsPossible(int at, int value) => (_possible[(at * Words) + (value >> 6)] & (1UL << (value & 63))) != 0;

    private void Add(int at, byte value)
    {
        if (!_isOpen[at])
        {
            if (_last[at] == value)
            {
                return;
            }

            _possible.AsSpan(at * Words, Words).Clear();
            SetPossible(at, _last[at]);
            _isOpen[at] = true;
        }

        SetPossible(at, value);
        _last[at] = value;
    }

    private void SetPossible(int at, byte value) => _possible[(at * Words) + (value >> 6)] |= 1UL << (value & 63);
}
