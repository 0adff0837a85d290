using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>Writes down each call with all it was given, and answers with numbers of its own for every field.</summary>
internal sealed class RecordingFileSystem : IFileSystem
{
    public List<string> Calls { get; } = [];

    public Errno Result { get; set; }

    public Exception? Throws { get; set; }

    public InitFlags Accepts { get; set; } = (InitFlags)ulong.MaxValue;

    public InitFlags Offered { get; private set; }

    public RequestContext Context { get; private set; }

    public List<uint> Groups { get; } = [];

    public byte[] Data { get; set; } = "some data of a file"u8.ToArray();

    /// <summary>How much of a WRITE is taken, at most.</summary>
    public int Takes { get; set; } = int.MaxValue;

    /// <summary>Added to every count that is answered, to break the contract.</summary>
    public int Lies { get; set; }

    public List<(ulong Node, string Name)> Directory { get; } = [(11, "."), (12, "a file"), (0, "b")];

    public static Entry AnEntry(ulong node = 0x1122334455667788) => new()
    {
        Node = new NodeId(node),
        Generation = 0x99AABBCCDDEEFF00,
        Attributes = Attributes,
        EntryTimeout = TimeSpan.FromMilliseconds(1500),
        AttributesTimeout = TimeSpan.FromSeconds(-1),
    };

    private static NodeAttributes Attributes => new()
    {
        Ino = 101,
        Size = 102,
        Blocks = 103,
        Atime = new Timestamp(-104, 105),
        Mtime = new Timestamp(106, 107),
        Ctime = new Timestamp(108, 109),
        Mode = 0x81A4,
        Nlink = 110,
        Uid = 111,
        Gid = 112,
        Rdev = 113,
        Blksize = 114,
        Flags = NodeAttributeFlags.FUSE_ATTR_SUBMOUNT,
    };

    public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        Offered = offered;
        accepted = Accepts;
        return Record(context, "Init");
    }

    public void Destroy(in RequestContext context) => Record(context, "Destroy");

    public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
    {
        entry = AnEntry();
        return Record(context, $"Lookup {parent} {Text(name)}");
    }

    public void Forget(in RequestContext context, NodeId node, ulong count) =>
        Record(context, $"Forget {node} {count}");

    public void BatchForget(in RequestContext context, ReadOnlySpan<ForgetItem> items)
    {
        foreach (ForgetItem item in items)
        {
            Record(context, $"Forget {item.Node} {item.Count}");
        }
    }

    public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
    {
        reply = new AttrReply { Attributes = Attributes, Timeout = TimeSpan.FromMicroseconds(2_000_003) };
        return Record(context, $"GetAttr {node} {handle}");
    }

    public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
    {
        reply = new AttrReply { Attributes = Attributes };
        SetAttrRequest r = request;
        return Record(
            context,
            $"SetAttr {node} {(uint)r.Valid:x} {r.Handle} {r.Size} {r.LockOwner.Value} {Text(r.Atime)} " +
            $"{Text(r.Mtime)} {Text(r.Ctime)} {r.Mode} {r.Uid} {r.Gid}");
    }

    public Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
    {
        length = Give("where/it/points"u8, target);
        return Record(context, $"ReadLink {node}");
    }

    public Errno Symlink(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, out Entry entry)
    {
        entry = AnEntry();
        return Record(context, $"Symlink {parent} {Text(name)} {Text(target)}");
    }

    public Errno Mknod(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint rdev, uint umask,
        out Entry entry)
    {
        entry = AnEntry();
        return Record(context, $"Mknod {parent} {Text(name)} {mode} {rdev} {umask}");
    }

    public Errno Mkdir(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
    {
        entry = AnEntry();
        return Record(context, $"Mkdir {parent} {Text(name)} {mode} {umask}");
    }

    public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Record(context, $"Unlink {parent} {Text(name)}");

    public Errno Rmdir(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) =>
        Record(context, $"Rmdir {parent} {Text(name)}");

    public Errno Rename(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
        ReadOnlySpan<byte> newName, uint flags) =>
        Record(context, $"Rename {parent} {Text(name)} {newParent} {Text(newName)} {flags}");

    public Errno Link(
        in RequestContext context, NodeId node, NodeId newParent, ReadOnlySpan<byte> newName, out Entry entry)
    {
        entry = AnEntry();
        return Record(context, $"Link {node} {newParent} {Text(newName)}");
    }

    public Errno Open(
        in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
    {
        reply = AnOpen();
        return Record(context, $"Open {node} {flags} {(uint)openFlags}");
    }

    public Errno Read(in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
    {
        ReadRequest r = request;
        Record(context, $"Read {node} {handle} {r.Offset} {r.Flags} {r.LockOwner.Value} {sink.Remaining}");
        if (Result == Errno.OK || Lies != 0)
        {
            sink.Write(Data);
        }

        return Result;
    }

    public Errno Write(
        in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
    {
        byte[] data = new byte[Math.Min(source.Remaining, Takes)];
        source.Read(data);
        return Record(
            context,
            $"Write {node} {handle} {request.Offset} {request.Flags} {(uint)request.WriteFlags} " +
            $"{request.LockOwner.Value} {Text(data)}");
    }

    public Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
    {
        reply = new StatfsReply
        {
            Blocks = 1,
            Bfree = 2,
            Bavail = 3,
            Files = 4,
            Ffree = 5,
            Bsize = 6,
            Namelen = 7,
            Frsize = 8,
        };
        return Record(context, $"Statfs {node}");
    }

    public Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request)
    {
        ReleaseRequest r = request;
        return Record(context, $"Release {node} {handle} {r.Flags} {(uint)r.ReleaseFlags} {r.LockOwner.Value}");
    }

    public Errno Fsync(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Record(context, $"Fsync {node} {handle} {dataSync}");

    public Errno SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid) =>
        Record(context, $"SetXattr {node} {Text(name)} {Text(value)} {flags} {killSgid}");

    public Errno GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        size = Give("the value"u8, value);
        return Record(context, $"GetXattr {node} {Text(name)} {value.Length}");
    }

    public Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        size = Give("user.a\0user.b\0"u8, list);
        return Record(context, $"ListXattr {node} {list.Length}");
    }

    public Errno RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name) =>
        Record(context, $"RemoveXattr {node} {Text(name)}");

    public Errno Flush(in RequestContext context, NodeId node, Handle handle, LockOwner lockOwner) =>
        Record(context, $"Flush {node} {handle} {lockOwner.Value}");

    public Errno GetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, out FileLock found)
    {
        found = new FileLock { Start = 33, End = 34, Type = LockType.F_RDLCK, Pid = 35 };
        return Record(context, $"GetLk {node} {handle} {owner.Value} {Text(wanted)}");
    }

    public Errno SetLk(
        in RequestContext context, NodeId node, Handle handle, LockOwner owner, in FileLock wanted, LockFlags flags) =>
        Record(context, $"SetLk {node} {handle} {owner.Value} {Text(wanted)} {flags}");

    public Errno OpenDir(in RequestContext context, NodeId node, uint flags, out OpenReply reply)
    {
        reply = AnOpen();
        return Record(context, $"OpenDir {node} {flags}");
    }

    public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        Errno result = Record(context, $"ReadDir {node} {handle} {offset}");
        for (int i = (int)Math.Min(offset, 1000); i < Directory.Count; i++)
        {
            if (!sink.TryAdd(Directory[i].Node, (ulong)i + 1, 8, Encoding.UTF8.GetBytes(Directory[i].Name)))
            {
                break;
            }
        }

        return result;
    }

    public Errno ReadDirPlus(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
    {
        Errno result = Record(context, $"ReadDirPlus {node} {handle} {offset}");
        for (int i = (int)Math.Min(offset, 1000); i < Directory.Count; i++)
        {
            (ulong id, string name) = Directory[i];
            byte[] bytes = Encoding.UTF8.GetBytes(name);
            if (!sink.TryAdd(id, (ulong)i + 1, 8, bytes, id == 0 ? default : AnEntry(id)))
            {
                break;
            }
        }

        return result;
    }

    public Errno ReleaseDir(in RequestContext context, NodeId node, Handle handle, uint flags) =>
        Record(context, $"ReleaseDir {node} {handle} {flags}");

    public Errno FsyncDir(in RequestContext context, NodeId node, Handle handle, bool dataSync) =>
        Record(context, $"FsyncDir {node} {handle} {dataSync}");

    public Errno Access(in RequestContext context, NodeId node, uint mask) => Record(context, $"Access {node} {mask}");

    public Errno Create(
        in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request, out Entry entry,
        out OpenReply reply)
    {
        entry = AnEntry();
        reply = AnOpen();
        return Record(
            context,
            $"Create {parent} {Text(name)} {request.Flags} {request.Mode} {request.Umask} {(uint)request.OpenFlags}");
    }

    public Errno TmpFile(
        in RequestContext context, NodeId parent, in CreateRequest request, out Entry entry, out OpenReply reply)
    {
        entry = AnEntry();
        reply = AnOpen();
        return Record(
            context, $"TmpFile {parent} {request.Flags} {request.Mode} {request.Umask} {(uint)request.OpenFlags}");
    }

    public Errno Fallocate(
        in RequestContext context, NodeId node, Handle handle, uint mode, ulong offset, ulong length) =>
        Record(context, $"Fallocate {node} {handle} {mode} {offset} {length}");

    public Errno Lseek(
        in RequestContext context, NodeId node, Handle handle, ulong offset, uint whence, out ulong result)
    {
        result = 77;
        return Record(context, $"Lseek {node} {handle} {offset} {whence}");
    }

    public Errno CopyFileRange(in RequestContext context, in CopyFileRangeRequest request, out ulong copied)
    {
        copied = request.Length + (ulong)Lies;
        CopyFileRangeRequest r = request;
        return Record(
            context,
            $"CopyFileRange {r.NodeIn} {r.HandleIn} {r.OffsetIn} {r.NodeOut} {r.HandleOut} {r.OffsetOut} " +
            $"{r.Length} {r.Flags}");
    }

    public Errno SyncFs(in RequestContext context, NodeId node) => Record(context, $"SyncFs {node}");

    public Errno Statx(
        in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
    {
        reply = new StatxReply
        {
            Mask = 1,
            Blksize = 2,
            Attributes = 3,
            AttributesMask = 4,
            Nlink = 5,
            Uid = 6,
            Gid = 7,
            Mode = 8,
            Ino = 9,
            Size = 10,
            Blocks = 11,
            Atime = new Timestamp(12, 13),
            Btime = new Timestamp(14, 15),
            Ctime = new Timestamp(16, 17),
            Mtime = new Timestamp(18, 19),
            RdevMajor = 20,
            RdevMinor = 21,
            DevMajor = 22,
            DevMinor = 23,
            Timeout = TimeSpan.FromSeconds(24.5),
        };
        return Record(context, $"Statx {node} {handle} {flags} {mask}");
    }

    public Errno Ioctl(
        in RequestContext context, NodeId node, Handle handle, uint command, ulong argument, ReadOnlySpan<byte> input,
        Span<byte> output, out int written, out int result)
    {
        written = Give("out"u8, output);
        result = -3;
        return Record(context, $"Ioctl {node} {handle} {command} {argument} {Text(input)} {output.Length}");
    }

    public Errno Bmap(in RequestContext context, NodeId node, ulong block, uint blockSize, out ulong result)
    {
        result = 88;
        return Record(context, $"Bmap {node} {block} {blockSize}");
    }

    public Errno Poll(in RequestContext context, NodeId node, Handle handle, uint events, out uint ready)
    {
        ready = 5;
        return Record(context, $"Poll {node} {handle} {events}");
    }

    public Errno SetupMapping(
        in RequestContext context, NodeId node, Handle handle, in DaxMapping mapping, IDaxWindow window)
    {
        (ulong offset, ulong length) = mapping.Range;
        return Record(
            context, $"SetupMapping {node} {handle} {mapping.FileOffset} {offset} {length} {mapping.Writable}");
    }

    public Errno RemoveMapping(
        in RequestContext context, NodeId node, ReadOnlySpan<DaxRange> ranges, IDaxWindow window)
    {
        (ulong offset, ulong length) = ranges[^1];
        return Record(context, $"RemoveMapping {node} {ranges.Length} {offset} {length}");
    }

    private static OpenReply AnOpen() => new()
    {
        Handle = new Handle(0x0102030405060708),
        Flags = OpenReplyFlags.FOPEN_KEEP_CACHE | OpenReplyFlags.FOPEN_PASSTHROUGH,
        BackingId = 9,
    };

    private static string Text(ReadOnlySpan<byte> bytes) => $"'{Encoding.UTF8.GetString(bytes)}'";

    private static string Text(in FileLock wanted) => FormattableString.Invariant(
        $"{wanted.Start}-{wanted.End} {wanted.Type} {wanted.Pid}");

    private static string Text(Timestamp time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.Seconds}.{time.Nanoseconds}");

    private int Give(ReadOnlySpan<byte> content, Span<byte> target)
    {
        content[..Math.Min(content.Length, target.Length)].CopyTo(target);
        return Lies == 0 ? content.Length : Math.Max(content.Length, target.Length) + Lies;
    }

    private Errno Record(in RequestContext context, FormattableString call) =>
        Record(context, FormattableString.Invariant(call));

    private Errno Record(in RequestContext context, string call)
    {
        Context = context;
        Groups.Clear();
        Groups.AddRange(context.SupplementaryGroups.Span);
        Calls.Add(call);
        return Throws is null ? Result : throw Throws;
    }
}
