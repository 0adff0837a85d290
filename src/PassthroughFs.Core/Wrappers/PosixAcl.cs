using System;
using System.Buffers.Binary;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Wrappers;

/// <summary>The value of the extended attributes that are POSIX ACLs (<c>linux/posix_acl_xattr.h</c>).</summary>
internal static class PosixAcl
{
    private const int HeaderSize = 4;
    private const int EntrySize = 8; // tag and permissions, 16 bits each, and an id of 32
    private const int IdOffset = 4;
    private const uint Version = 2;
    private const ushort AclUser = 2;
    private const ushort AclGroup = 8;

    /// <summary>Changes an id; an error ends the translation.</summary>
    public delegate Errno IdChange<TState>(TState state, bool isUser, ref uint id);

    public static bool IsName(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("system.posix_acl_access"u8) || name.SequenceEqual("system.posix_acl_default"u8);

    /// <summary>Changes the ids of named users and groups in place.</summary>
    /// <returns>EINVAL if this is no ACL, otherwise what the change says.</returns>
    public static Errno Translate<TState>(Span<byte> acl, TState state, IdChange<TState> change)
    {
        if (acl.IsEmpty)
        {
            // An ACL that is removed.
            return Errno.OK;
        }

        if (acl.Length < HeaderSize || (acl.Length - HeaderSize) % EntrySize != 0
            || BinaryPrimitives.ReadUInt32LittleEndian(acl) != Version)
        {
            return Errno.EINVAL;
        }

        for (Span<byte> rest = acl[HeaderSize..]; !rest.IsEmpty; rest = rest[EntrySize..])
        {
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(rest);
            if (tag is AclUser or AclGroup)
            {
                Span<byte> place = rest[IdOffset..];
                uint id = BinaryPrimitives.ReadUInt32LittleEndian(place);
                Errno result = change(state, tag == AclUser, ref id);
                if (result != Errno.OK)
                {
                    return result;
                }

                BinaryPrimitives.WriteUInt32LittleEndian(place, id);
            }
        }

        return Errno.OK;
    }
}
