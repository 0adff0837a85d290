using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.VhostUser;

/// <summary>What is mapped in a window: ranges, none of which overlaps another. For one thread at a time.</summary>
internal sealed class MappedRanges
{
    private readonly List<DaxRange> _ranges = []; // by offset

    public int Count => _ranges.Count;

    /// <summary>Whether some range lies partly in this one and partly outside.</summary>
    public bool AreCutBy(in DaxRange range)
    {
        ulong end = range.Offset + range.Length;
        int first = FirstAt(range.Offset);
        int last = FirstAt(end) - 1;
        return (first > 0 && End(first - 1) > range.Offset) || (last >= first && End(last) > end);
    }

    /// <summary>The first of those that begin in a range.</summary>
    public bool TryFirst(in DaxRange range, out DaxRange first)
    {
        int index = FirstAt(range.Offset);
        bool found = index < _ranges.Count && _ranges[index].Offset < range.Offset + range.Length;
        first = found ? _ranges[index] : default;
        return found;
    }

    /// <summary>Adds one that overlaps no other.</summary>
    public void Add(in DaxRange range) => _ranges.Insert(FirstAt(range.Offset), range);

    /// <summary>Removes one as <see cref="TryFirst"/> gave it.</summary>
    public void Remove(in DaxRange range) => _ranges.RemoveAt(FirstAt(range.Offset));

    // How many begin ahead of an offset.
    private int FirstAt(ulong offset)
    {
        int low = 0, high = _ranges.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_ranges[middle].Offset < offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private ulong End(int index) => _ranges[index].Offset + _ranges[index].Length;
}
