using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>A file system whose extended attributes have other names for the client than on the host.</summary>
/// <remarks>
/// <para>
/// If the map renames or refuses <c>system.posix_acl_access</c> or <c>system.posix_acl_default</c>, POSIX ACLs are not
/// agreed on: they would be kept under a name by which nobody obeys them. If it does so with <c>security.capability</c>,
/// the client removes set-id bits and capabilities by itself (no FUSE_HANDLE_KILLPRIV): the host would not know the name.
/// </para>
/// <para>A name that becomes longer than 255 bytes is ERANGE, as Linux has it.</para>
/// </remarks>
public class XattrMappedFileSystem : DelegatingFileSystem
{
    private const InitFlags NeedsCapabilities = InitFlags.FUSE_HANDLE_KILLPRIV | InitFlags.FUSE_HANDLE_KILLPRIV_V2;

    [ThreadStatic]
    private static byte[]? t_list;

    private readonly InitFlags _impossible;

    /// <summary>Puts a map before a file system.</summary>
    /// <param name="inner">The file system, with the host's names. Not owned.</param>
    /// <param name="map">The map.</param>
    public XattrMappedFileSystem(IFileSystem inner, XattrMap map)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(map);
        Map = map;
        if (!map.LeavesAlone("system.posix_acl_access"u8) || !map.LeavesAlone("system.posix_acl_default"u8))
        {
            _impossible |= InitFlags.FUSE_POSIX_ACL;
        }

        if (!map.LeavesAlone("security.capability"u8))
        {
            _impossible |= NeedsCapabilities;
        }
    }

    /// <summary>The map.</summary>
    public XattrMap Map { get; }

    /// <inheritdoc/>
    public override Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        Errno result = Inner.Init(context, offered & ~_impossible, out accepted);
        accepted &= ~_impossible;
        return result;
    }

    /// <inheritdoc/>
    public override Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid)
    {
        Span<byte> host = stackalloc byte[Linux.NAME_MAX];
        Errno result = Map.ToHost(name, host, out int length);
        return result == Errno.OK
            ? Inner.SetXattr(context, node, host[..length], value, flags, killSgid)
            : result;
    }

    /// <inheritdoc/>
    public override Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        Span<byte> host = stackalloc byte[Linux.NAME_MAX];
        size = 0;
        Errno result = Map.ToHost(name, host, out int length);
        return result == Errno.OK ? Inner.GetXattr(context, node, host[..length], value, out size) : result;
    }

    /// <inheritdoc/>
    public override Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name)
    {
        Span<byte> host = stackalloc byte[Linux.NAME_MAX];
        Errno result = Map.ToHost(name, host, out int length);
        return result == Errno.OK ? Inner.RemoveXattr(context, node, host[..length]) : result;
    }

    /// <inheritdoc/>
    /// <remarks>Even the size alone takes the host's whole list: it is the size of what is left of it.</remarks>
    public override Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        // Pinned, as the host's call gets its address. Linux has no longer list.
        byte[] all = t_list ??= GC.AllocateUninitializedArray<byte>(Linux.XATTR_SIZE_MAX, pinned: true);
        size = 0;
        Errno result = Inner.ListXattr(context, node, all, out int length);
        if (result != Errno.OK)
        {
            return result;
        }

        ReadOnlySpan<byte> rest = all.AsSpan(0, Math.Clamp(length, 0, all.Length));
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)0);
            ReadOnlySpan<byte> host = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (!Map.TryToClient(host, out ReadOnlySpan<byte> name))
            {
                continue;
            }

            if (!list.IsEmpty)
            {
                if (size + name.Length >= list.Length)
                {
                    return Errno.ERANGE;
                }

                name.CopyTo(list[size..]);
                list[size + name.Length] = 0;
            }

            size += name.Length + 1;
        }

        return Errno.OK;
    }
}
