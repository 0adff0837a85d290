// Nothing of this is in a build without PTFS_TEST_HOOKS: calls of a partial method that has no body are not compiled.
#if PTFS_TEST_HOOKS
using System;
using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// Named points between the steps of lock-free code, at which a test can let another thread go first.
/// </summary>
internal static class Interleaving
{
    private static Action<string>? s_reached;

    /// <summary>
    /// Called with a point's name by each thread that comes there. No lock is held at any of them but those that end in
    /// "memory": there a test says that there is none, by an OutOfMemoryException.
    /// </summary>
    public static void Set(Action<string>? reached) => Volatile.Write(ref s_reached, reached);

    public static void TestPoint(string point) => Volatile.Read(ref s_reached)?.Invoke(point);
}

public sealed partial class InodeStore
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

internal sealed partial class LockTable
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

public sealed partial class HandleStore
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

internal sealed partial class BackingTable
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

internal sealed partial class MountFds
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

internal sealed partial class HostMounts
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

internal sealed partial class DescriptorBudget
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}

public sealed unsafe partial class PassthroughFileSystem
{
    static partial void TestPoint(string point) => Interleaving.TestPoint(point);
}
#endif
