using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>A request of each kind with what it must become and be answered by.</summary>
/// <param name="Opcode">The operation.</param>
/// <param name="Body">What follows the request's header.</param>
/// <param name="Call">What the file system must see; several lines for several calls, empty for none.</param>
/// <param name="Reply">What must follow the reply's header; null where no reply is owed.</param>
/// <param name="Errno">The error that must be answered.</param>
internal sealed record FuseCase(FuseOpcode Opcode, Bytes Body, string Call, Bytes? Reply, Errno Errno = Errno.OK)
{
    public const ulong Unique = 0x8877665544332211;
    public const ulong Node = 42;
    public const uint Uid = 1001;
    public const uint Gid = 1002;
    public const uint Pid = 1003;

    public byte[] Request() => Message(Opcode, Body);

    public byte[]? Expected() => Reply is null
        ? null
        : new Bytes().U32((uint)(16 + Reply.Length)).U32((uint)-(int)Errno).U64(Unique).Append(Reply).ToArray();

    public static byte[] Message(
        FuseOpcode opcode, Bytes body, ushort extensionUnits = 0, ulong node = Node) => new Bytes()
        .U32((uint)(40 + body.Length)).U32((uint)opcode).U64(Unique).U64(node).U32(Uid).U32(Gid).U32(Pid)
        .U16(extensionUnits).U16(0)
        .Append(body).ToArray();

    public override string ToString() => Opcode.ToString();
}

internal static class FuseCases
{
    private static Bytes B => new();

    public static Bytes Attr => B
        .U64(101).U64(102).U64(103).S64(-104).U64(106).U64(108).U32(105).U32(107).U32(109)
        .U32(0x81A4).U32(110).U32(111).U32(112).U32(113).U32(114).U32(1);

    public static Bytes Open => B.U64(0x0102030405060708).U32(2).U32(0);

    public static Bytes Entry(ulong node = 0x1122334455667788) => B
        .U64(node).U64(0x99AABBCCDDEEFF00).U64(1).U64(0).U32(500_000_000).U32(0).Append(Attr);

    public static Bytes Init(
        uint major = 7, uint minor = 45, uint readahead = 131072, ulong flags = ulong.MaxValue) => B
        .U32(major).U32(minor).U32(readahead).U32((uint)flags).U32((uint)(flags >> 32)).Zeros(44);

    public static Bytes Lock(uint type, uint flags = 0, ulong start = 3, ulong end = 4) => B
        .U64(1).U64(2).U64(start).U64(end).U32(type).U32(5).U32(flags).U32(0);

    public static IReadOnlyList<FuseCase> All { get; } =
    [
        new(FUSE_LOOKUP, B.Name("name"), "Lookup 42 'name'", Entry()),
        new(FUSE_FORGET, B.U64(7), "Forget 42 7", null),
        new(FUSE_BATCH_FORGET, B.U32(2).U32(0).U64(3).U64(4).U64(5).U64(6), "Forget 3 4\nForget 5 6", null),
        new(FUSE_GETATTR, B.U32(0).U32(0).U64(9), "GetAttr 42 0", B.U64(2).U32(3_000).U32(0).Append(Attr)),
        new(FUSE_GETATTR, B.U32(1).U32(0).U64(9), "GetAttr 42 9", B.U64(2).U32(3_000).U32(0).Append(Attr)),
        new(FUSE_SETATTR,
            B.U32(0x6FF).U32(0).U64(1).U64(2).U64(3).S64(-4).U64(5).U64(6).U32(7).U32(8).U32(9).U32(10).U32(0)
                .U32(11).U32(12).U32(0),
            "SetAttr 42 6ff 1 2 3 -4.7 5.8 6.9 10 11 12", B.Zeros(16).Append(Attr)),
        new(FUSE_SETATTR,
            B.U32(1).U32(0).U64(1).U64(2).U64(3).S64(-4).U64(5).U64(6).U32(7).U32(8).U32(9).U32(10).U32(0)
                .U32(11).U32(12).U32(0),
            "SetAttr 42 1 0 2 0 0.0 0.0 0.0 10 11 12", B.Zeros(16).Append(Attr)),
        new(FUSE_READLINK, B, "ReadLink 42", B.Text("where/it/points")),
        new(FUSE_SYMLINK, B.Name("new").Name("to/where"), "Symlink 42 'new' 'to/where'", Entry()),
        new(FUSE_MKNOD, B.U32(1).U32(2).U32(3).U32(0).Name("n"), "Mknod 42 'n' 1 2 3", Entry()),
        new(FUSE_MKDIR, B.U32(1).U32(2).Name("d"), "Mkdir 42 'd' 1 2", Entry()),
        new(FUSE_UNLINK, B.Name("u"), "Unlink 42 'u'", B),
        new(FUSE_RMDIR, B.Name("r"), "Rmdir 42 'r'", B),
        new(FUSE_RENAME, B.U64(43).Name("old").Name("new"), "Rename 42 'old' 43 'new' 0", B),
        new(FUSE_RENAME2, B.U64(43).U32(2).U32(0).Name("old").Name("new"), "Rename 42 'old' 43 'new' 2", B),
        new(FUSE_LINK, B.U64(44).Name("l"), "Link 44 42 'l'", Entry()),
        new(FUSE_OPEN, B.U32(2).U32(1), "Open 42 2 1", Open),
        new(FUSE_READ, B.U64(1).U64(2).U32(1000).U32(2).U64(3).U32(4).U32(0),
            "Read 42 1 2 4 3 1000", B.Text("some data of a file")),
        new(FUSE_READ, B.U64(1).U64(2).U32(4).U32(0).U64(3).U32(4).U32(0), "Read 42 1 2 4 0 4", B.Text("some")),
        new(FUSE_WRITE, B.U64(1).U64(2).U32(5).U32(2).U64(3).U32(4).U32(0).Text("hello"),
            "Write 42 1 2 4 2 3 'hello'", B.U32(5).U32(0)),
        new(FUSE_WRITE, B.U64(1).U64(2).U32(4).U32(1).U64(3).U32(4).U32(0).Text("hello"),
            "Write 42 1 2 4 1 0 'hell'", B.U32(4).U32(0)),
        new(FUSE_STATFS, B, "Statfs 42",
            B.U64(1).U64(2).U64(3).U64(4).U64(5).U32(6).U32(7).U32(8).Zeros(28)),
        new(FUSE_RELEASE, B.U64(1).U32(2).U32(3).U64(4), "Release 42 1 2 3 4", B),
        new(FUSE_FSYNC, B.U64(1).U32(0).U32(0), "Fsync 42 1 False", B),
        new(FUSE_FSYNC, B.U64(1).U32(1).U32(0), "Fsync 42 1 True", B),
        new(FUSE_SETXATTR, B.U32(5).U32(2).U32(1).U32(0).Name("user.x").Text("value"),
            "SetXattr 42 'user.x' 'value' 2 True", B),
        new(FUSE_SETXATTR, B.U32(0).U32(0).U32(0).U32(0).Name("user.x"), "SetXattr 42 'user.x' '' 0 False", B),
        new(FUSE_GETXATTR, B.U32(100).U32(0).Name("user.x"), "GetXattr 42 'user.x' 100", B.Text("the value")),
        new(FUSE_GETXATTR, B.U32(0).U32(0).Name("user.x"), "GetXattr 42 'user.x' 0", B.U32(9).U32(0)),
        new(FUSE_LISTXATTR, B.U32(100).U32(0), "ListXattr 42 100", B.Text("user.a\0user.b\0")),
        new(FUSE_LISTXATTR, B.U32(0).U32(0), "ListXattr 42 0", B.U32(14).U32(0)),
        new(FUSE_REMOVEXATTR, B.Name("user.x"), "RemoveXattr 42 'user.x'", B),
        new(FUSE_FLUSH, B.U64(1).U32(0).U32(0).U64(2), "Flush 42 1 2", B),
        new(FUSE_OPENDIR, B.U32(3).U32(0), "OpenDir 42 3", Open),
        new(FUSE_READDIR, B.U64(1).U64(0).U32(4096).U32(0).U64(0).U32(0).U32(0), "ReadDir 42 1 0",
            B.U64(11).U64(1).U32(1).U32(8).Text(".").Zeros(7)
                .U64(12).U64(2).U32(6).U32(8).Text("a file").Zeros(2)
                .U64(0).U64(3).U32(1).U32(8).Text("b").Zeros(7)),
        new(FUSE_READDIR, B.U64(1).U64(0).U32(64).U32(0).U64(0).U32(0).U32(0), "ReadDir 42 1 0",
            B.U64(11).U64(1).U32(1).U32(8).Text(".").Zeros(7).U64(12).U64(2).U32(6).U32(8).Text("a file").Zeros(2)),
        new(FUSE_READDIRPLUS, B.U64(1).U64(1).U32(4096).U32(0).U64(0).U32(0).U32(0), "ReadDirPlus 42 1 1",
            B.Append(Entry(12)).U64(12).U64(2).U32(6).U32(8).Text("a file").Zeros(2)
                .Zeros(128).U64(0).U64(3).U32(1).U32(8).Text("b").Zeros(7)),
        new(FUSE_RELEASEDIR, B.U64(1).U32(2).U32(0).U64(0), "ReleaseDir 42 1 2", B),
        new(FUSE_FSYNCDIR, B.U64(1).U32(1).U32(0), "FsyncDir 42 1 True", B),
        new(FUSE_ACCESS, B.U32(4).U32(0), "Access 42 4", B),
        new(FUSE_CREATE, B.U32(1).U32(2).U32(3).U32(1).Name("c"), "Create 42 'c' 1 2 3 1", Entry().Append(Open)),
        new(FUSE_TMPFILE, B.U32(1).U32(2).U32(3).U32(0).Name("/"), "TmpFile 42 1 2 3 0", Entry().Append(Open)),
        new(FUSE_INTERRUPT, B.U64(5), "", null),
        new(FUSE_NOTIFY_REPLY, B.Zeros(40), "", null),
        new(FUSE_BMAP, B.U64(1).U32(2).U32(0), "Bmap 42 1 2", B.U64(88)),
        new(FUSE_IOCTL, B.U64(1).U32(0).U32(2).U64(3).U32(2).U32(10).Text("in"), "Ioctl 42 1 2 3 'in' 10",
            B.U32(unchecked((uint)-3)).U32(0).U32(0).U32(0).Text("out")),
        new(FUSE_IOCTL, B.U64(1).U32(2).U32(2).U64(3).U32(0).U32(0), "", B, Errno.ENOSYS),
        new(FUSE_POLL, B.U64(1).U64(2).U32(0).U32(3), "Poll 42 1 3", B.U32(5).U32(0)),
        new(FUSE_FALLOCATE, B.U64(1).U64(2).U64(3).U32(4).U32(0), "Fallocate 42 1 4 2 3", B),
        new(FUSE_LSEEK, B.U64(1).U64(2).U32(3).U32(0), "Lseek 42 1 2 3", B.U64(77)),
        new(FUSE_COPY_FILE_RANGE, B.U64(1).U64(2).U64(3).U64(4).U64(5).U64(6).U64(7),
            "CopyFileRange 42 1 2 3 4 5 6 7", B.U32(6).U32(0)),
        new(FUSE_COPY_FILE_RANGE, B.U64(1).U64(2).U64(3).U64(4).U64(5).U64(0x1_0000_0001).U64(7),
            "CopyFileRange 42 1 2 3 4 5 4294963200 7", B.U32(0xFFFFF000).U32(0)),
        new(FUSE_COPY_FILE_RANGE_64, B.U64(1).U64(2).U64(3).U64(4).U64(5).U64(0x1_0000_0001).U64(7),
            "CopyFileRange 42 1 2 3 4 5 4294967297 7", B.U64(0x1_0000_0001)),
        new(FUSE_SYNCFS, B.U64(0), "SyncFs 42", B),
        new(FUSE_STATX, B.U32(1).U32(0).U64(1).U32(2).U32(3), "Statx 42 1 2 3",
            B.U64(24).U32(500_000_000).U32(0).U64(0).U64(0)
                .U32(1).U32(2).U64(3).U32(5).U32(6).U32(7).U16(8).U16(0).U64(9).U64(10).U64(11).U64(4)
                .U64(12).U32(13).U32(0).U64(14).U32(15).U32(0).U64(16).U32(17).U32(0).U64(18).U32(19).U32(0)
                .U32(20).U32(21).U32(22).U32(23).Zeros(112)),
        new(FUSE_GETLK, Lock(type: 1), "GetLk 42 1 2 3-4 F_WRLCK 5", B.U64(33).U64(34).U32(0).U32(35)),
        new(FUSE_SETLK, Lock(type: 0), "SetLk 42 1 2 3-4 F_RDLCK 5 None", B),
        new(FUSE_SETLK, Lock(type: 2, flags: 1), "SetLk 42 1 2 3-4 F_UNLCK 5 FUSE_LK_FLOCK", B),
        new(FUSE_SETLKW, Lock(type: 1), "SetLk 42 1 2 3-4 F_WRLCK 5 None", B),
        new(FUSE_SETLK, Lock(type: 3), "", B, Errno.EINVAL),
        new(FUSE_SETLK, Lock(type: 0, flags: 2), "", B, Errno.EINVAL),
        new(FUSE_SETLK, Lock(type: 0, start: 5), "", B, Errno.EINVAL),
        new(FUSE_SETLKW, Lock(type: 0, end: 1UL << 63), "", B, Errno.EINVAL),
        new(FUSE_GETLK, Lock(type: 2), "", B, Errno.EINVAL),
        new(FUSE_SETUPMAPPING, B.Zeros(40), "", B, Errno.ENOSYS),
        new(FUSE_REMOVEMAPPING, B.U32(0), "", B, Errno.ENOSYS),
        new((FuseOpcode)7, B, "", B, Errno.ENOSYS),
        new((FuseOpcode)54, B, "", B, Errno.ENOSYS),
        new((FuseOpcode)9999, B.Zeros(100), "", B, Errno.ENOSYS),
        new((FuseOpcode)uint.MaxValue, B, "", B, Errno.ENOSYS),
        new(FUSE_DESTROY, B, "Destroy", B),
    ];
}

/// <summary>A session with one worker over a recording file system.</summary>
internal sealed class Rig
{
    public Rig(FuseSessionOptions? options = null, IFuseTransport? transport = null, IFileSystem? fs = null)
    {
        Session = new FuseSession(fs ?? Fs, options ?? new FuseSessionOptions(), transport, Log);
        Worker = Session.CreateWorker();
    }

    public RecordingFileSystem Fs { get; } = new();

    public CountingLogger Log { get; } = new();

    public FuseSession Session { get; }

    public FuseWorker Worker { get; }

    /// <summary>A rig whose client offered everything.</summary>
    public static Rig Started(
        ulong flags = ulong.MaxValue, uint minor = 45, FuseSessionOptions? options = null, IFileSystem? fs = null,
        IFuseTransport? transport = null)
    {
        Rig rig = new(options, transport, fs);
        rig.Start(flags, minor);
        return rig;
    }

    public void Start(ulong flags = ulong.MaxValue, uint minor = 45)
    {
        byte[]? reply = Send(FUSE_INIT, FuseCases.Init(minor: minor, flags: flags));
        if (reply is null || reply.Length != 80)
        {
            throw new InvalidOperationException("INIT failed.");
        }

        Fs.Calls.Clear();
    }

    public byte[]? Send(FuseOpcode opcode, Bytes body) => Send(FuseCase.Message(opcode, body));

    public byte[]? Send(byte[] request, int room = 8192) => Send(Pieces.Whole(request), Pieces.Whole(room));

    public byte[]? Send(Pieces request, Pieces reply)
    {
        int length = Worker.Dispatch(request.Segments, reply.Segments);
        reply.AssertUntouchedBehind(length);
        return length == 0 ? null : reply.Content(length);
    }

    /// <summary>The error of a reply that has nothing else.</summary>
    public Errno Error(FuseOpcode opcode, Bytes body) => Error(FuseCase.Message(opcode, body));

    public Errno Error(byte[] request, int room = 8192) => ErrorOf(Send(request, room));

    public static Errno ErrorOf(byte[]? reply)
    {
        Xunit.Assert.NotNull(reply);
        Errno errno = (Errno)(-BitConverter.ToInt32(reply, 4));
        Xunit.Assert.True(errno == Errno.OK || reply.Length == 16);
        return errno;
    }
}
