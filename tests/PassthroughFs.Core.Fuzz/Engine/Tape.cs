using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>A number in a request that an earlier reply gave out: the same one at each replay, whatever its value.</summary>
/// <param name="At">Where it is in the request.</param>
/// <param name="Source">Which request of the tape was answered with it.</param>
/// <param name="Nth">The how-manieth node of that reply; -1 for its handle.</param>
internal readonly record struct Fixup(int At, int Source, int Nth);

/// <summary>One request as it was sent.</summary>
/// <param name="Start">Where its bytes begin on the tape.</param>
/// <param name="Length">How many they are.</param>
/// <param name="Fixups">Where its fixups begin.</param>
/// <param name="FixupCount">How many they are.</param>
/// <param name="Room">How many bytes there were for the reply.</param>
/// <param name="Cuts">The seed of how request and reply were cut into segments.</param>
internal readonly record struct TapeItem(int Start, int Length, int Fixups, int FixupCount, int Room, uint Cuts);

/// <summary>What a session was sent, in a form that can be sent again, in part too.</summary>
internal sealed class Tape
{
    private readonly List<TapeItem> _items = [];
    private readonly List<Fixup> _fixups = [];
    private byte[] _bytes = [];
    private int _used;

    public int Count => _items.Count;

    public TapeItem this[int index] => _items[index];

    public ReadOnlySpan<byte> Bytes(int index) => _bytes.AsSpan(_items[index].Start, _items[index].Length);

    public ReadOnlySpan<Fixup> Fixups(int index) =>
        CollectionsMarshal.AsSpan(_fixups).Slice(_items[index].Fixups, _items[index].FixupCount);

    public void Clear()
    {
        _items.Clear();
        _fixups.Clear();
        _used = 0;
    }

    public void Add(ReadOnlySpan<byte> request, ReadOnlySpan<Fixup> fixups, int room, uint cuts)
    {
        if (_bytes.Length - _used < request.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length + (_bytes.Length / 2), _used + request.Length));
        }

        _items.Add(new TapeItem(_used, request.Length, _fixups.Count, fixups.Length, room, cuts));
        request.CopyTo(_bytes.AsSpan(_used));
        _fixups.AddRange(fixups);
        _used += request.Length;
    }

    /// <summary>Some of the requests; what refers to one that is left out keeps the number it had.</summary>
    public Tape Select(IReadOnlyList<int> which)
    {
        var places = new Dictionary<int, int>();
        var result = new Tape();
        var fixups = new List<Fixup>();
        foreach (int index in which)
        {
            fixups.Clear();
            foreach (Fixup fixup in Fixups(index))
            {
                if (places.TryGetValue(fixup.Source, out int place))
                {
                    fixups.Add(fixup with { Source = place });
                }
            }

            places[index] = result.Count;
            result.Add(Bytes(index), CollectionsMarshal.AsSpan(fixups), this[index].Room, this[index].Cuts);
        }

        return result;
    }

    /// <summary>The last so many requests, or fewer if they are too large to be kept.</summary>
    public Tape Last(int count, int bytes = int.MaxValue)
    {
        int first = Count;
        for (int size = 0; first > 0 && Count - first < count; first--)
        {
            size += _items[first - 1].Length;
            if (size > bytes)
            {
                break;
            }
        }

        int[] which = new int[Count - first];
        for (int i = 0; i < which.Length; i++)
        {
            which[i] = first + i;
        }

        return Select(which);
    }
}
