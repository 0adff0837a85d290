using System.Runtime.InteropServices;
using System.Threading;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// A count of lookups, on a cache line of its own: many threads change it. Exact for a client that keeps the protocol; one
/// that gives back more than it holds deceives only itself.
/// </summary>
internal sealed class HoldCount
{
    private Line _line;

    public long Value => Interlocked.Read(ref _line.Value);

    public bool IsZero => Interlocked.Read(ref _line.Value) == 0;

    public void Add() => Interlocked.Increment(ref _line.Value);

    /// <summary>Whether none is left.</summary>
    public bool Return(ulong count)
    {
        while (true)
        {
            long held = Volatile.Read(ref _line.Value);
            long left = count >= (ulong)held ? 0 : held - (long)count;
            if (Interlocked.CompareExchange(ref _line.Value, left, held) == held)
            {
                return left == 0;
            }
        }
    }

    /// <summary>Goes on from a count.</summary>
    public void Restore(long value) => Interlocked.Exchange(ref _line.Value, value);

    /// <summary>The client holds nothing: its session is over.</summary>
    public void Clear() => Interlocked.Exchange(ref _line.Value, 0);

    // The processor fetches lines in pairs.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Line
    {
        [FieldOffset(128)]
        public long Value;
    }
}
