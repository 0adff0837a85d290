using System;
using System.Buffers;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Wrappers;

namespace PassthroughFs.Core.Vfs;

/// <summary>What happens to ids that are not in a map where they would be stored.</summary>
public enum UnmappedIds
{
    /// <summary>Whoever would make a file with them, or give a file to them, gets EOVERFLOW, as on Linux. The default.</summary>
    Refuse,

    /// <summary>They become <see cref="IdMap.OverflowId"/>.</summary>
    Squash,
}

/// <summary>
/// A file system with other user and group ids than its client: translates them in both directions, in every operation.
/// </summary>
/// <remarks>
/// <para>
/// To the host go the caller's ids with its supplementary groups (those that are not mapped are left out), those that
/// setattr sets and those in POSIX ACLs. To the client go the owners in all attributes, and those in ACLs. An id of the
/// host that is not mapped is shown as <see cref="IdMap.OverflowId"/>; a caller who is not mapped acts as
/// <see cref="IdMap.OverflowId"/> where nothing is stored.
/// </para>
/// <para>An ACL that is none (of another version or length) is EINVAL: what cannot be read cannot be translated.</para>
/// </remarks>
public partial class IdMappedFileSystem : DelegatingFileSystem
{
    [ThreadStatic]
    private static uint[]? t_groups;

    [ThreadStatic]
    private static IdMappedSink? t_sink;

    private readonly UnmappedIds _unmapped;

    /// <summary>Puts a map before a file system.</summary>
    /// <param name="inner">The file system, with the host's ids. Not owned.</param>
    /// <param name="users">The map of user ids.</param>
    /// <param name="groups">The map of group ids.</param>
    /// <param name="unmapped">What happens to ids that are in none.</param>
    public IdMappedFileSystem(
        IFileSystem inner, IdMap users, IdMap groups, UnmappedIds unmapped = UnmappedIds.Refuse)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(users);
        ArgumentNullException.ThrowIfNull(groups);
        if (!Enum.IsDefined(unmapped))
        {
            throw new ArgumentOutOfRangeException(nameof(unmapped), unmapped, "Give Refuse or Squash.");
        }

        Users = users;
        Groups = groups;
        _unmapped = unmapped;
    }

    /// <summary>The map of user ids.</summary>
    public IdMap Users { get; }

    /// <summary>The map of group ids.</summary>
    public IdMap Groups { get; }

    /// <inheritdoc/>
    public override void Attach(in SessionServices services) =>
        // A caller's process has other groups than those that this file system shows the inner one.
        base.Attach(services with { HasLocalCallers = false });

    /// <inheritdoc/>
    public override Errno Mount(out Entry root, out NodeId maxNode)
    {
        Errno result = base.Mount(out root, out maxNode);
        Show(ref root.Attributes);
        return result;
    }

    internal void Show(ref NodeAttributes attributes)
    {
        _ = Users.TryToClient(attributes.Uid, out attributes.Uid);
        _ = Groups.TryToClient(attributes.Gid, out attributes.Gid);
    }

    /// <summary>Who asks, as the host knows it.</summary>
    private RequestContext Host(in RequestContext context)
    {
        _ = Users.TryToHost(context.Uid, out uint uid);
        _ = Groups.TryToHost(context.Gid, out uint gid);
        return new RequestContext
        {
            Uid = uid,
            Gid = gid,
            Pid = context.Pid,
            Id = context.Id,
            SupplementaryGroups = context.SupplementaryGroups.IsEmpty ? default : HostGroups(context),
        };
    }

    /// <summary>The same for somebody who makes a file.</summary>
    private Errno HostOwner(in RequestContext context, out RequestContext host)
    {
        host = Host(context);
        return _unmapped == UnmappedIds.Squash
            || (Users.TryToHost(context.Uid, out _) && Groups.TryToHost(context.Gid, out _))
            ? Errno.OK
            : Errno.EOVERFLOW;
    }

    private ReadOnlyMemory<uint> HostGroups(in RequestContext context)
    {
        ReadOnlySpan<uint> groups = context.SupplementaryGroups.Span;
        uint[] own = t_groups is { } known && known.Length >= groups.Length
            ? known
            : t_groups = new uint[Math.Max(groups.Length, 32)];
        int count = 0;

        // They may come from this same array, out of another map around this one: no place is written before it is read.
        foreach (uint group in groups)
        {
            if (Groups.TryToHost(group, out uint host))
            {
                own[count++] = host;
            }
        }

        return new ReadOnlyMemory<uint>(own, 0, count);
    }

    /// <summary>An id that is to be stored.</summary>
    private Errno Store(IdMap map, ref uint id) =>
        map.TryToHost(id, out id) || _unmapped == UnmappedIds.Squash ? Errno.OK : Errno.EOVERFLOW;

    private Errno SetAcl(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid)
    {
        byte[] own = ArrayPool<byte>.Shared.Rent(value.Length);
        try
        {
            Span<byte> acl = own.AsSpan(0, value.Length);
            value.CopyTo(acl);
            Errno result = PosixAcl.Translate(acl, this, static (map, isUser, ref id) =>
                map.Store(isUser ? map.Users : map.Groups, ref id));
            return result == Errno.OK ? Inner.SetXattr(context, node, name, acl, flags, killSgid) : result;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(own);
        }
    }

    private Errno ShowAcl(Span<byte> acl) => PosixAcl.Translate(acl, this, static (map, isUser, ref id) =>
    {
        _ = (isUser ? map.Users : map.Groups).TryToClient(id, out id);
        return Errno.OK;
    });
}
