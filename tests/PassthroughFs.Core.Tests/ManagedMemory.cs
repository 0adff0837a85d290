using System;

namespace PassthroughFs.Core.Tests;

/// <summary>How much managed memory something takes.</summary>
internal static class ManagedMemory
{
    private const int Rounds = 3;

    /// <summary>
    /// The least that this thread allocates in a few rounds. What the code allocates, it allocates in each; what the
    /// runtime adds now and then on a busy machine is not in all.
    /// </summary>
    public static long LeastOf(Action round)
    {
        long least = long.MaxValue;
        for (int i = 0; i < Rounds && least != 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
