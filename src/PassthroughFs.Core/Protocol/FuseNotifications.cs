using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>
/// Writes notifications as FUSE messages and hands them to the transport. Has no state, so it needs no lock.
/// </summary>
internal sealed class FuseNotifications(FuseSession session, IFuseTransport? transport) : INotificationSink
{
    private const uint PruneMinorVersion = 45;

    public Errno InvalidateInode(NodeId node, long offset, long length)
    {
        FuseNotifyInvalInodeOut body = new() { Ino = node.Value, Off = offset, Len = length };
        return Send(InitFlags.None, FuseProtocol.FUSE_NOTIFY_INVAL_INODE, body, default);
    }

    public Errno InvalidateEntry(NodeId parent, ReadOnlySpan<byte> name, bool expireOnly = false)
    {
        FuseNotifyInvalEntryOut body = new()
        {
            Parent = parent.Value,
            Namelen = (uint)name.Length,
            Flags = expireOnly ? FuseProtocol.FUSE_EXPIRE_ONLY : 0,
        };
        InitFlags needed = expireOnly ? InitFlags.FUSE_HAS_EXPIRE_ONLY : InitFlags.None;
        return SendNamed(needed, FuseProtocol.FUSE_NOTIFY_INVAL_ENTRY, body, name);
    }

    public Errno Delete(NodeId parent, NodeId child, ReadOnlySpan<byte> name)
    {
        FuseNotifyDeleteOut body = new() { Parent = parent.Value, Child = child.Value, Namelen = (uint)name.Length };
        return SendNamed(InitFlags.None, FuseProtocol.FUSE_NOTIFY_DELETE, body, name);
    }

    public Errno Store(NodeId node, ulong offset, ReadOnlySpan<byte> data)
    {
        FuseNotifyStoreOut body = new() { NodeId = node.Value, Offset = offset, Size = (uint)data.Length };
        return Send(InitFlags.None, FuseProtocol.FUSE_NOTIFY_STORE, body, data);
    }

    public Errno Resend() => Send(InitFlags.FUSE_HAS_RESEND, FuseProtocol.FUSE_NOTIFY_RESEND, default(NoBody), default);

    public Errno Prune(ReadOnlySpan<NodeId> nodes)
    {
        if (session.Connection is { Minor: < PruneMinorVersion })
        {
            return Errno.EOPNOTSUPP;
        }

        FuseNotifyPruneOut body = new() { Count = (uint)nodes.Length };
        return Send(InitFlags.None, FuseProtocol.FUSE_NOTIFY_PRUNE, body, MemoryMarshal.AsBytes(nodes));
    }

    private Errno SendNamed<T>(InitFlags needed, int code, in T body, ReadOnlySpan<byte> name)
        where T : unmanaged
    {
        if (name.IsEmpty || name.Contains((byte)0))
        {
            return Errno.EINVAL;
        }

        if (name.Length > Linux.NAME_MAX)
        {
            return Errno.ENAMETOOLONG;
        }

        Span<byte> terminated = stackalloc byte[FuseProtocol.NameBytes];
        name.CopyTo(terminated);
        terminated[name.Length] = 0;
        return Send(needed, code, body, terminated[..(name.Length + 1)]);
    }

    private unsafe Errno Send<T>(InitFlags needed, int code, T body, ReadOnlySpan<byte> data)
        where T : unmanaged
    {
        if (transport is null)
        {
            return Errno.EOPNOTSUPP;
        }

        if (session.Connection is not { } connection)
        {
            return Errno.ENOTCONN;
        }

        if ((connection.Flags & needed) != needed)
        {
            return Errno.EOPNOTSUPP;
        }

        int size = typeof(T) == typeof(NoBody) ? 0 : sizeof(T);
        FuseOutHeader header = new()
        {
            Len = (uint)(FuseProtocol.ReplyHeaderSize + size) + (uint)data.Length,

            // Unlike a reply's, this is positive: that, and the missing request number, tell the two apart.
            Error = code,
            Unique = 0,
        };

        // Sound: all three live until Notify returns (on this stack, and what the caller holds), and it keeps none of
        // them.
        fixed (byte* pointer = data)
        {
            Segments segments = default;
            segments[0] = new IoSegment(&header, (nuint)sizeof(FuseOutHeader));
            int count = 1;
            if (size > 0)
            {
                segments[count++] = new IoSegment(&body, (nuint)size);
            }

            if (!data.IsEmpty)
            {
                segments[count++] = new IoSegment(pointer, (nuint)data.Length);
            }

            ReadOnlySpan<IoSegment> all = segments;
            return transport.Notify(all[..count]);
        }
    }

    private struct NoBody
    {
    }

    [InlineArray(3)]
    private struct Segments
    {
        private IoSegment _first;
    }
}
