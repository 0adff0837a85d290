using System;
using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>Through <see cref="FuseWorker.Dispatch"/>: each call writes a message and looks at the reply.</summary>
internal sealed unsafe class WireCalls : Calls
{
    private const int HeaderSize = 40;
    private const int ReplyHeaderSize = 16;
    private const int BufferSize = (1 << 20) + 4096;

    private readonly FuseWorker _worker;
    private readonly IoSegment[] _requests = GC.AllocateArray<IoSegment>(1, pinned: true);
    private readonly IoSegment[] _replies = GC.AllocateArray<IoSegment>(1, pinned: true);
    private readonly byte[] _request = GC.AllocateArray<byte>(BufferSize, pinned: true);
    private readonly byte[] _answer = GC.AllocateArray<byte>(BufferSize, pinned: true);

    // Sound: they point into the two arrays, which are pinned as long as this object keeps them.
    private readonly byte* _body;
    private readonly byte* _reply;

    /// <summary>Agrees with a new session on everything it may ask for.</summary>
    public WireCalls(FuseSession session)
        : this(session.CreateWorker())
    {
        var init = new FuseInitIn { Major = 7, Minor = 45, MaxReadahead = 128 * 1024, Flags = uint.MaxValue };
        Unsafe.WriteUnaligned(_body, init);
        Check(Send(FUSE_INIT, NodeId.None, sizeof(FuseInitIn)));
    }

    /// <summary>A thread of its own on a session that is under way.</summary>
    public WireCalls(FuseWorker worker)
    {
        _worker = worker;
        _body = (byte*)Unsafe.AsPointer(ref _request[HeaderSize]);
        _reply = (byte*)Unsafe.AsPointer(ref _answer[0]);
        _replies[0] = new IoSegment(_reply, BufferSize);
    }

    public override Errno TryLookup(NodeId parent, ReadOnlySpan<byte> name, out NodeId node)
    {
        Errno errno = Send(FUSE_LOOKUP, parent, Name(0, name));
        node = errno == Errno.OK ? ReplyNode : NodeId.None;
        return errno;
    }

    public override void Forget(NodeId node)
    {
        ((FuseForgetIn*)_body)->Nlookup = 1;
        Send(FUSE_FORGET, node, sizeof(FuseForgetIn));
    }

    public override void GetAttr(NodeId node)
    {
        *(FuseGetAttrIn*)_body = default;
        Check(Send(FUSE_GETATTR, node, sizeof(FuseGetAttrIn)));
    }

    public override void SetMode(NodeId node, uint mode)
    {
        *(FuseSetAttrIn*)_body = new FuseSetAttrIn { Valid = SetAttrFields.FATTR_MODE, Mode = mode };
        Check(Send(FUSE_SETATTR, node, sizeof(FuseSetAttrIn)));
    }

    public override void ReadLink(NodeId node) => Check(Send(FUSE_READLINK, node, 0));

    public override void Access(NodeId node)
    {
        *(FuseAccessIn*)_body = new FuseAccessIn { Mask = Linux.R_OK };
        Check(Send(FUSE_ACCESS, node, sizeof(FuseAccessIn)));
    }

    public override void Statfs(NodeId node) => Check(Send(FUSE_STATFS, node, 0));

    public override Handle Open(NodeId node, uint flags) => Open(FUSE_OPEN, node, flags);

    public override void Release(NodeId node, Handle handle) => Release(FUSE_RELEASE, node, handle);

    public override void Read(NodeId node, Handle handle, int size)
    {
        *(FuseReadIn*)_body = new FuseReadIn { Fh = handle.Value, Size = (uint)size, Flags = Linux.O_RDWR };
        Check(Send(FUSE_READ, node, sizeof(FuseReadIn)));
    }

    public override void Write(NodeId node, Handle handle, int size)
    {
        *(FuseWriteIn*)_body = new FuseWriteIn { Fh = handle.Value, Size = (uint)size, Flags = Linux.O_RDWR };
        Check(Send(FUSE_WRITE, node, sizeof(FuseWriteIn) + size));
    }

    public override void Flush(NodeId node, Handle handle)
    {
        *(FuseFlushIn*)_body = new FuseFlushIn { Fh = handle.Value };
        Check(Send(FUSE_FLUSH, node, sizeof(FuseFlushIn)));
    }

    public override void Lseek(NodeId node, Handle handle)
    {
        *(FuseLseekIn*)_body = new FuseLseekIn { Fh = handle.Value, Whence = Linux.SEEK_DATA };
        Check(Send(FUSE_LSEEK, node, sizeof(FuseLseekIn)));
    }

    public override Handle OpenDir(NodeId node) => Open(FUSE_OPENDIR, node, Linux.O_RDONLY);

    public override void ReleaseDir(NodeId node, Handle handle) => Release(FUSE_RELEASEDIR, node, handle);

    public override int ReadDir(NodeId node, Handle handle, ref ulong offset)
    {
        int length = List(FUSE_READDIR, node, handle, offset);
        int count = 0;
        for (byte* record = Body; record < Body + length; count++)
        {
            var header = (FuseDirent*)record;
            offset = header->Off;
            record += Padded(sizeof(FuseDirent) + (int)header->Namelen);
        }

        return count;
    }

    public override int ReadDirPlus(
        NodeId node, Handle handle, ref ulong offset, Span<ForgetItem> nodes, out int counted)
    {
        int length = List(FUSE_READDIRPLUS, node, handle, offset);
        int count = 0;
        counted = 0;
        for (byte* record = Body; record < Body + length; count++)
        {
            var header = (FuseDirentPlus*)record;
            offset = header->Dirent.Off;
            record += Padded(sizeof(FuseDirentPlus) + (int)header->Dirent.Namelen);
            if (header->Entry.NodeId != 0)
            {
                nodes[counted++] = new ForgetItem(new NodeId(header->Entry.NodeId), 1);
            }
        }

        return count;
    }

    public override void BatchForget(ReadOnlySpan<ForgetItem> nodes)
    {
        *(FuseBatchForgetIn*)_body = new FuseBatchForgetIn { Count = (uint)nodes.Length };
        int size = nodes.Length * sizeof(ForgetItem);
        nodes.CopyTo(new Span<ForgetItem>(_body + sizeof(FuseBatchForgetIn), nodes.Length));
        Send(FUSE_BATCH_FORGET, NodeId.None, sizeof(FuseBatchForgetIn) + size);
    }

    public override NodeId Create(NodeId parent, ReadOnlySpan<byte> name, out Handle handle)
    {
        *(FuseCreateIn*)_body = new FuseCreateIn { Flags = Linux.O_RDWR, Mode = 0x1A4 };
        Check(Send(FUSE_CREATE, parent, Name(sizeof(FuseCreateIn), name)));
        handle = new Handle(((FuseCreateOut*)Body)->Open.Fh);
        return ReplyNode;
    }

    public override NodeId Mkdir(NodeId parent, ReadOnlySpan<byte> name)
    {
        *(FuseMkdirIn*)_body = new FuseMkdirIn { Mode = 0x1ED };
        Check(Send(FUSE_MKDIR, parent, Name(sizeof(FuseMkdirIn), name)));
        return ReplyNode;
    }

    public override NodeId Symlink(NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        Check(Send(FUSE_SYMLINK, parent, Name(Name(0, name), target)));
        return ReplyNode;
    }

    public override void Link(NodeId node, NodeId parent, ReadOnlySpan<byte> name)
    {
        *(FuseLinkIn*)_body = new FuseLinkIn { OldNodeId = node.Value };
        Check(Send(FUSE_LINK, parent, Name(sizeof(FuseLinkIn), name)));
        Forget(ReplyNode);
    }

    public override void Unlink(NodeId parent, ReadOnlySpan<byte> name) =>
        Check(Send(FUSE_UNLINK, parent, Name(0, name)));

    public override void Rmdir(NodeId parent, ReadOnlySpan<byte> name) =>
        Check(Send(FUSE_RMDIR, parent, Name(0, name)));

    public override void Rename(NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> newName)
    {
        *(FuseRename2In*)_body = new FuseRename2In { NewDir = parent.Value };
        Check(Send(FUSE_RENAME2, parent, Name(Name(sizeof(FuseRename2In), name), newName)));
    }

    public override void SetXattr(NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        *(FuseSetXattrIn*)_body = new FuseSetXattrIn { Size = (uint)value.Length };
        int length = Name(sizeof(FuseSetXattrIn), name);
        value.CopyTo(new Span<byte>(_body + length, value.Length));
        Check(Send(FUSE_SETXATTR, node, length + value.Length));
    }

    public override void GetXattr(NodeId node, ReadOnlySpan<byte> name)
    {
        *(FuseGetXattrIn*)_body = new FuseGetXattrIn { Size = 256 };
        Check(Send(FUSE_GETXATTR, node, Name(sizeof(FuseGetXattrIn), name)));
    }

    private byte* Body => _reply + ReplyHeaderSize;

    private NodeId ReplyNode => new(((FuseEntryOut*)Body)->NodeId);

    private Handle Open(FuseOpcode opcode, NodeId node, uint flags)
    {
        *(FuseOpenIn*)_body = new FuseOpenIn { Flags = flags };
        Check(Send(opcode, node, sizeof(FuseOpenIn)));
        return new Handle(((FuseOpenOut*)Body)->Fh);
    }

    private void Release(FuseOpcode opcode, NodeId node, Handle handle)
    {
        *(FuseReleaseIn*)_body = new FuseReleaseIn { Fh = handle.Value };
        Check(Send(opcode, node, sizeof(FuseReleaseIn)));
    }

    private int List(FuseOpcode opcode, NodeId node, Handle handle, ulong offset)
    {
        *(FuseReadIn*)_body = new FuseReadIn { Fh = handle.Value, Offset = offset, Size = ListingSize };
        Check(Send(opcode, node, sizeof(FuseReadIn)));
        return (int)((FuseOutHeader*)_reply)->Len - ReplyHeaderSize;
    }

    /// <summary>Puts a name and its NUL at a position of the body; returns the position behind it.</summary>
    private int Name(int position, ReadOnlySpan<byte> name)
    {
        name.CopyTo(new Span<byte>(_body + position, name.Length));
        _body[position + name.Length] = 0;
        return position + name.Length + 1;
    }

    private static int Padded(int size) => (size + 7) & ~7;

    private Errno Send(FuseOpcode opcode, NodeId node, int bodyLength)
    {
        // Sound: the memory is pinned, and every body above is shorter than it.
        byte* request = _body - HeaderSize;
        *(FuseInHeader*)request = new FuseInHeader
        {
            Len = (uint)(HeaderSize + bodyLength),
            Opcode = opcode,
            Unique = 2,
            NodeId = node.Value,
        };
        _requests[0] = new IoSegment(request, (nuint)(HeaderSize + bodyLength));
        int length = _worker.Dispatch(_requests, _replies);
        return length == 0 ? Errno.OK : (Errno)(-((FuseOutHeader*)_reply)->Error);
    }
}
