using System;
using PassthroughFs.Core.Api;
using static PassthroughFs.Core.Protocol.FuseOpcode;
using static PassthroughFs.Core.Protocol.FuseReplyKind;

namespace PassthroughFs.Core.Protocol;

/// <summary>What a request is answered with.</summary>
public enum FuseReplyKind
{
    /// <summary>No reply is owed.</summary>
    None,

    /// <summary>A header.</summary>
    Empty,

    /// <summary>A header and one structure.</summary>
    Fixed,

    /// <summary>A header and as many bytes as there are.</summary>
    Data,
}

/// <summary>The shape of one operation's messages.</summary>
public readonly record struct FuseOpcodeInfo
{
    /// <summary>The operation's name, without the prefix; null where there is no such operation.</summary>
    public string Name { get; internal init; }

    /// <summary>Bytes of the structure behind the request's header; no request is shorter.</summary>
    public int FixedIn { get; internal init; }

    /// <summary>How many names follow the structure, each with a NUL.</summary>
    public int Names { get; internal init; }

    /// <summary>What the request is answered with.</summary>
    public FuseReplyKind Reply { get; internal init; }

    /// <summary>Bytes behind the reply's header that a success needs at least.</summary>
    public int FixedOut { get; internal init; }

    /// <summary>What besides structure and names is copied out of the request before it is looked at.</summary>
    internal int MoreIn { get; init; }

    /// <summary>How much of the body is copied before it is looked at; what lies behind stays in place.</summary>
    internal int MaxIn => FixedIn + (Names * FuseProtocol.NameBytes) + MoreIn;
}

/// <summary>The table of operations: the one place that knows the shape of each message.</summary>
public static class FuseOpcodes
{
    private static readonly FuseOpcodeInfo[] s_table = CreateTable();

    /// <summary>Looks an operation up.</summary>
    /// <returns>False for a number that names none.</returns>
    public static bool TryGet(FuseOpcode opcode, out FuseOpcodeInfo info)
    {
        info = Find(opcode);
        return info.Name is not null;
    }

    /// <summary>
    /// The same without a copy; the entry of number 0, which has no name, stands for all unknown ones.
    /// </summary>
    internal static ref readonly FuseOpcodeInfo Find(FuseOpcode opcode)
    {
        FuseOpcodeInfo[] table = s_table;
        return ref table[(uint)opcode < (uint)table.Length ? (int)opcode : 0];
    }

    private static FuseOpcodeInfo[] CreateTable()
    {
        var table = new FuseOpcodeInfo[(int)FUSE_COPY_FILE_RANGE_64 + 1];

        // An unknown operation is answered with a header.
        Array.Fill(table, new FuseOpcodeInfo { Reply = Empty });

        //  operation           in  names reply out
        Set(FUSE_LOOKUP, 0, 1, Fixed, 128);
        Set(FUSE_FORGET, 8, 0, None, 0);
        Set(FUSE_GETATTR, 16, 0, Fixed, 104);
        Set(FUSE_SETATTR, 88, 0, Fixed, 104);
        Set(FUSE_READLINK, 0, 0, Data, 0);
        Set(FUSE_SYMLINK, 0, 1, Fixed, 128, more: Linux.PATH_MAX);
        Set(FUSE_MKNOD, 16, 1, Fixed, 128);
        Set(FUSE_MKDIR, 8, 1, Fixed, 128);
        Set(FUSE_UNLINK, 0, 1, Empty, 0);
        Set(FUSE_RMDIR, 0, 1, Empty, 0);
        Set(FUSE_RENAME, 8, 2, Empty, 0);
        Set(FUSE_LINK, 8, 1, Fixed, 128);
        Set(FUSE_OPEN, 8, 0, Fixed, 16);
        Set(FUSE_READ, 40, 0, Data, 0);
        Set(FUSE_WRITE, 40, 0, Fixed, 8);
        Set(FUSE_STATFS, 0, 0, Fixed, 80);
        Set(FUSE_RELEASE, 24, 0, Empty, 0);
        Set(FUSE_FSYNC, 16, 0, Empty, 0);

        // Its structure has 16 bytes after FUSE_SETXATTR_EXT was agreed on.
        Set(FUSE_SETXATTR, 8, 1, Empty, 0, more: 8 + FuseProtocol.XattrBytes);
        Set(FUSE_GETXATTR, 8, 1, Data, 0);
        Set(FUSE_LISTXATTR, 8, 0, Data, 0);
        Set(FUSE_REMOVEXATTR, 0, 1, Empty, 0);
        Set(FUSE_FLUSH, 24, 0, Empty, 0);

        // Clients that know nothing of flags2 send the first 16 bytes alone.
        Set(FUSE_INIT, 16, 0, Fixed, 64, more: 48);
        Set(FUSE_OPENDIR, 8, 0, Fixed, 16);
        Set(FUSE_READDIR, 40, 0, Data, 0);
        Set(FUSE_RELEASEDIR, 24, 0, Empty, 0);
        Set(FUSE_FSYNCDIR, 16, 0, Empty, 0);
        Set(FUSE_GETLK, 48, 0, Fixed, 24);
        Set(FUSE_SETLK, 48, 0, Empty, 0);
        Set(FUSE_SETLKW, 48, 0, Empty, 0);
        Set(FUSE_ACCESS, 8, 0, Empty, 0);
        Set(FUSE_CREATE, 16, 1, Fixed, 144);
        Set(FUSE_INTERRUPT, 8, 0, None, 0);
        Set(FUSE_BMAP, 16, 0, Fixed, 8);
        Set(FUSE_DESTROY, 0, 0, Empty, 0);
        Set(FUSE_IOCTL, 32, 0, Data, 16);
        Set(FUSE_POLL, 24, 0, Fixed, 8);
        Set(FUSE_NOTIFY_REPLY, 40, 0, None, 0);
        Set(FUSE_BATCH_FORGET, 8, 0, None, 0);
        Set(FUSE_FALLOCATE, 32, 0, Empty, 0);
        Set(FUSE_READDIRPLUS, 40, 0, Data, 0);
        Set(FUSE_RENAME2, 16, 2, Empty, 0);
        Set(FUSE_LSEEK, 24, 0, Fixed, 8);
        Set(FUSE_COPY_FILE_RANGE, 56, 0, Fixed, 8);
        Set(FUSE_SETUPMAPPING, 40, 0, Empty, 0);
        Set(FUSE_REMOVEMAPPING, 4, 0, Empty, 0);
        Set(FUSE_SYNCFS, 8, 0, Empty, 0);

        // A name follows ("/"), which means nothing.
        Set(FUSE_TMPFILE, 16, 0, Fixed, 144);
        Set(FUSE_STATX, 24, 0, Fixed, 288);
        Set(FUSE_COPY_FILE_RANGE_64, 56, 0, Fixed, 8);
        return table;

        void Set(FuseOpcode opcode, int fixedIn, int names, FuseReplyKind reply, int fixedOut, int more = 0) =>
            table[(int)opcode] = new FuseOpcodeInfo
            {
                Name = opcode.ToString()["FUSE_".Length..],
                FixedIn = fixedIn,
                Names = names,
                Reply = reply,
                FixedOut = fixedOut,
                MoreIn = more,
            };
    }
}
