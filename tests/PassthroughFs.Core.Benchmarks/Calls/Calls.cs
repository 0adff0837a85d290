using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>
/// A file system's operations as the loops call them: the same loop runs through <see cref="IFileSystem"/> and through
/// messages. What must not fail throws.
/// </summary>
internal abstract class Calls
{
    /// <summary>The reply of one listing, as a client asks for it.</summary>
    public const int ListingSize = 32 * 1024;

    public abstract Errno TryLookup(NodeId parent, ReadOnlySpan<byte> name, out NodeId node);

    public abstract void Forget(NodeId node);

    public abstract void GetAttr(NodeId node);

    public abstract void SetMode(NodeId node, uint mode);

    public abstract void ReadLink(NodeId node);

    public abstract void Access(NodeId node);

    public abstract void Statfs(NodeId node);

    public abstract Handle Open(NodeId node, uint flags);

    public abstract void Release(NodeId node, Handle handle);

    public abstract void Read(NodeId node, Handle handle, int size);

    public abstract void Write(NodeId node, Handle handle, int size);

    public abstract void Flush(NodeId node, Handle handle);

    public abstract void Lseek(NodeId node, Handle handle);

    public abstract Handle OpenDir(NodeId node);

    public abstract void ReleaseDir(NodeId node, Handle handle);

    /// <summary>Lists from a cookie on; returns how many entries came, and the cookie behind them.</summary>
    public abstract int ReadDir(NodeId node, Handle handle, ref ulong offset);

    /// <summary>As <see cref="ReadDir"/>; the nodes that were counted come into <paramref name="nodes"/>.</summary>
    public abstract int ReadDirPlus(
        NodeId node, Handle handle, ref ulong offset, Span<ForgetItem> nodes, out int counted);

    public abstract void BatchForget(ReadOnlySpan<ForgetItem> nodes);

    public abstract NodeId Create(NodeId parent, ReadOnlySpan<byte> name, out Handle handle);

    public abstract NodeId Mkdir(NodeId parent, ReadOnlySpan<byte> name);

    public abstract NodeId Symlink(NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target);

    public abstract void Link(NodeId node, NodeId parent, ReadOnlySpan<byte> name);

    public abstract void Unlink(NodeId parent, ReadOnlySpan<byte> name);

    public abstract void Rmdir(NodeId parent, ReadOnlySpan<byte> name);

    public abstract void Rename(NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> newName);

    public abstract void SetXattr(NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value);

    public abstract void GetXattr(NodeId node, ReadOnlySpan<byte> name);

    public NodeId Lookup(NodeId parent, ReadOnlySpan<byte> name)
    {
        Check(TryLookup(parent, name, out NodeId node));
        return node;
    }

    protected static void Check(Errno errno)
    {
        if (errno != Errno.OK)
        {
            throw new InvalidOperationException($"An operation that must not fail gave {errno}.");
        }
    }
}
