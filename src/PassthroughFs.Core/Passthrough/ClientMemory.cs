using System;
using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// How much of this process's memory its clients may have filled: nodes that they never forget, files that they never
/// close, owners of locks that they make up. What there is, is there for all file systems of the process together.
/// </summary>
internal static class ClientMemory
{
    // What one of each costs at most, with its part of the tables, in bytes.
    private const int NodeBytes = 256;
    private const int HandleBytes = 256;
    private const int OwnerBytes = 1024;

    // The least of each: so much is there however small the heap is.
    private const int Least = 1024;

    private static int s_nodes;
    private static int s_handles;

    /// <summary>How many nodes may be live: a quarter of the memory's worth.</summary>
    public static int MostNodes { get; } = Most(4, NodeBytes);

    /// <summary>How many files and directories may be open: an eighth.</summary>
    public static int MostHandles { get; } = Most(8, HandleBytes);

    /// <summary>How many owners of locks a file system may know: a sixteenth, and never more than 65,536.</summary>
    public static int MostOwners { get; } = Math.Min(LockTable.MostOwners, Most(16, OwnerBytes));

    public static bool HasRoomForNode => Volatile.Read(ref s_nodes) < MostNodes;

    public static bool HasRoomForHandle => Volatile.Read(ref s_handles) < MostHandles;

    public static void AddNodes(int count) => Interlocked.Add(ref s_nodes, count);

    public static void AddHandles(int count) => Interlocked.Add(ref s_handles, count);

    // What the garbage collector may use: the machine's memory, the container's, or the limit of the heap.
    private static int Most(long share, int bytes) => (int)Math.Clamp(
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / share / bytes, Least, int.MaxValue);
}
