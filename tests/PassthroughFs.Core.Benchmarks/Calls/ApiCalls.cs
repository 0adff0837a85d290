using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>Through the interface, as a program calls that has no transport.</summary>
internal sealed unsafe class ApiCalls(IFileSystem fs) : Calls
{
    private readonly byte[] _data = GC.AllocateArray<byte>(1 << 20, pinned: true);
    private readonly IoSegment[] _segments = GC.AllocateArray<IoSegment>(1, pinned: true);
    private readonly ListingSink _listing = new();
    private readonly RequestContext _context = new() { Pid = (uint)Environment.ProcessId };

    public override Errno TryLookup(NodeId parent, ReadOnlySpan<byte> name, out NodeId node)
    {
        Errno errno = fs.Lookup(_context, parent, name, out Entry entry);
        node = entry.Node;
        return errno;
    }

    public override void Forget(NodeId node) => fs.Forget(_context, node, 1);

    public override void GetAttr(NodeId node) => Check(fs.GetAttr(_context, node, Handle.None, out _));

    public override void SetMode(NodeId node, uint mode)
    {
        var request = new SetAttrRequest { Valid = SetAttrFields.FATTR_MODE, Mode = mode };
        Check(fs.SetAttr(_context, node, request, out _));
    }

    public override void ReadLink(NodeId node) => Check(fs.ReadLink(_context, node, _data.AsSpan(0, 4096), out _));

    public override void Access(NodeId node) => Check(fs.Access(_context, node, Linux.R_OK));

    public override void Statfs(NodeId node) => Check(fs.Statfs(_context, node, out _));

    public override Handle Open(NodeId node, uint flags)
    {
        Check(fs.Open(_context, node, flags, OpenRequestFlags.None, out OpenReply reply));
        return reply.Handle;
    }

    public override void Release(NodeId node, Handle handle) => Check(fs.Release(_context, node, handle, default));

    public override void Read(NodeId node, Handle handle, int size)
    {
        var sink = new DataSink(Data(size), size);
        Check(fs.Read(_context, node, handle, new ReadRequest { Flags = Linux.O_RDWR }, ref sink));
    }

    public override void Write(NodeId node, Handle handle, int size)
    {
        var source = new DataSource(Data(size), size);
        Check(fs.Write(_context, node, handle, new WriteRequest { Flags = Linux.O_RDWR }, ref source));
    }

    public override void Flush(NodeId node, Handle handle) => Check(fs.Flush(_context, node, handle, default));

    public override void Lseek(NodeId node, Handle handle) =>
        Check(fs.Lseek(_context, node, handle, 0, Linux.SEEK_DATA, out _));

    public override Handle OpenDir(NodeId node)
    {
        Check(fs.OpenDir(_context, node, Linux.O_RDONLY, out OpenReply reply));
        return reply.Handle;
    }

    public override void ReleaseDir(NodeId node, Handle handle) => Check(fs.ReleaseDir(_context, node, handle, 0));

    public override int ReadDir(NodeId node, Handle handle, ref ulong offset)
    {
        _listing.Reset(ListingSize);
        Check(fs.ReadDir(_context, node, handle, offset, _listing));
        offset = _listing.Offset;
        return _listing.Count;
    }

    public override int ReadDirPlus(
        NodeId node, Handle handle, ref ulong offset, Span<ForgetItem> nodes, out int counted)
    {
        _listing.Reset(ListingSize);
        Check(fs.ReadDirPlus(_context, node, handle, offset, _listing));
        _listing.Nodes.CopyTo(nodes);
        counted = _listing.Nodes.Length;
        offset = _listing.Offset;
        return _listing.Count;
    }

    public override void BatchForget(ReadOnlySpan<ForgetItem> nodes) => fs.BatchForget(_context, nodes);

    public override NodeId Create(NodeId parent, ReadOnlySpan<byte> name, out Handle handle)
    {
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x1A4 };
        Check(fs.Create(_context, parent, name, request, out Entry entry, out OpenReply reply));
        handle = reply.Handle;
        return entry.Node;
    }

    public override NodeId Mkdir(NodeId parent, ReadOnlySpan<byte> name)
    {
        Check(fs.Mkdir(_context, parent, name, 0x1ED, 0, out Entry entry));
        return entry.Node;
    }

    public override NodeId Symlink(NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        Check(fs.Symlink(_context, parent, name, target, out Entry entry));
        return entry.Node;
    }

    public override void Link(NodeId node, NodeId parent, ReadOnlySpan<byte> name)
    {
        Check(fs.Link(_context, node, parent, name, out Entry entry));
        fs.Forget(_context, entry.Node, 1);
    }

    public override void Unlink(NodeId parent, ReadOnlySpan<byte> name) => Check(fs.Unlink(_context, parent, name));

    public override void Rmdir(NodeId parent, ReadOnlySpan<byte> name) => Check(fs.Rmdir(_context, parent, name));

    public override void Rename(NodeId parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> newName) =>
        Check(fs.Rename(_context, parent, name, parent, newName, 0));

    public override void SetXattr(NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        Check(fs.SetXattr(_context, node, name, value, 0, false));

    public override void GetXattr(NodeId node, ReadOnlySpan<byte> name) =>
        Check(fs.GetXattr(_context, node, name, _data.AsSpan(0, 256), out _));

    private ReadOnlySpan<IoSegment> Data(int size)
    {
        // Sound: both arrays are pinned for good.
        fixed (byte* data = _data)
        {
            _segments[0] = new IoSegment(data, (nuint)size);
        }

        return _segments;
    }
}
