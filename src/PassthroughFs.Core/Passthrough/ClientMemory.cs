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

    // An owner who locks a file that is open many times is known by each of its Handles: so many for each owner there may
    // be, whoever has them.
    private const int WaysPerOwner = 4;

    // However much memory there is: each is a descriptor, too.
    private const int MostOwnersEver = 65_536;

    private static int s_nodes;
    private static int s_handles;
    private static int s_owners;
    private static int s_ways;

    /// <summary>How many nodes may be live: a quarter of the memory's worth.</summary>
    public static int MostNodes { get; } = Nodes(Available);

    /// <summary>How many files and directories may be open: an eighth.</summary>
    public static int MostHandles { get; } = Handles(Available);

    /// <summary>How many owners of locks may be known: a sixteenth, and never more than 65,536.</summary>
    public static int MostLockOwners { get; } = LockOwners(Available);

    /// <summary>How many ways from a Handle to an owner of locks may be known.</summary>
    public static int MostLockWays { get; } = WaysPerOwner * MostLockOwners;

    public static bool HasRoomForNode => Volatile.Read(ref s_nodes) < MostNodes;

    public static bool HasRoomForHandle => Volatile.Read(ref s_handles) < MostHandles;

    public static bool HasRoomForLockOwner => Volatile.Read(ref s_owners) < MostLockOwners;

    public static bool HasRoomForLockWay => Volatile.Read(ref s_ways) < MostLockWays;

    // What the garbage collector may use: the machine's memory, the container's, or the limit of the heap.
    private static long Available => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    public static void AddNodes(int count) => Interlocked.Add(ref s_nodes, count);

    public static void AddHandles(int count) => Interlocked.Add(ref s_handles, count);

    public static void AddLockOwners(int count) => Interlocked.Add(ref s_owners, count);

    public static void AddLockWays(int count) => Interlocked.Add(ref s_ways, count);

    /// <summary>How many nodes there may be in so many bytes.</summary>
    public static int Nodes(long memory) => Most(memory, 4, NodeBytes);

    public static int Handles(long memory) => Most(memory, 8, HandleBytes);

    public static int LockOwners(long memory) => Math.Min(MostOwnersEver, Most(memory, 16, OwnerBytes));

    private static int Most(long memory, long share, int bytes) =>
        (int)Math.Clamp(memory / share / bytes, Least, int.MaxValue);
}
