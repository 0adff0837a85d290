using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Core.Tests.Protocol;
using PassthroughFs.Core.Vfs;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Requests through Dispatch to the host and back, with the real file system.</summary>
public sealed unsafe class PassthroughAllocationTests : DescriptorCheck
{
    private const int Iterations = 2_000;
    private const int NodeOffset = 16;
    private const int BodyOffset = 40;
    private const int ReplyBody = 16;

    private readonly HostDirectory _directory = new();

    private FuseWorker _worker = null!;
    private Pieces _reply = null!;
    private ulong _root = NodeId.Root.Value;

    [Theory]
    [InlineData(InodeFileHandles.Never, false, false, false)]
    [InlineData(InodeFileHandles.Never, true, false, false)]
    [InlineData(InodeFileHandles.Prefer, false, false, false)]
    [InlineData(InodeFileHandles.Never, false, true, false)]
    [InlineData(InodeFileHandles.Never, false, false, true)]
    [InlineData(InodeFileHandles.Never, false, true, true)]
    public void A_request_costs_no_managed_memory(
        InodeFileHandles handles, bool useHostIno, bool backingFiles, bool mapped)
    {
        _directory.File("known", "content");
        _directory.File("other");
        _directory.Folder("d");
        var config = new PassthroughConfig
        {
            RootDir = _directory.Path,
            Xattr = true,
            KillprivV2 = true,
            InodeFileHandles = handles,
            UseHostIno = useHostIno,
            BackingFiles = backingFiles,
            DoImport = !mapped,
        };
        using var fs = new PassthroughFileSystem(config);
        var rig = new Rig(transport: new QuietTransport(), fs: mapped ? UnderVfs(fs) : fs);
        rig.Start();
        Assert.Equal(backingFiles, (rig.Session.NegotiatedFlags & InitFlags.FUSE_PASSTHROUGH) != 0);
        _worker = rig.Worker;
        _reply = Pieces.Whole(8192);

        Pieces lookup = Request(FUSE_LOOKUP, new Bytes().Name("known"));
        Pieces lookupOther = Request(FUSE_LOOKUP, new Bytes().Name("other"));
        Pieces missing = Request(FUSE_LOOKUP, new Bytes().Name("missing"));
        Pieces forget = Request(FUSE_FORGET, new Bytes().U64(1));
        Pieces batch = Request(FUSE_BATCH_FORGET, new Bytes().U32(2).U32(0).U64(0).U64(1).U64(0).U64(1));
        Pieces getattr = Request(FUSE_GETATTR, new Bytes().Zeros(16));
        Pieces statfs = Request(FUSE_STATFS, new Bytes());
        Pieces open = Request(FUSE_OPEN, new Bytes().U32(Linux.O_RDWR).U32(0));
        Pieces read = Request(FUSE_READ, new Bytes().U64(0).U64(0).U32(4096).U32(0).U64(0).U32(Linux.O_RDWR).U32(0));
        Pieces write = Request(
            FUSE_WRITE, new Bytes().U64(0).U64(0).U32(7).U32(4).U64(0).U32(Linux.O_RDWR).U32(0).Text("CONTENT"));
        Pieces flush = Request(FUSE_FLUSH, new Bytes().Zeros(24));
        Pieces release = Request(FUSE_RELEASE, new Bytes().Zeros(24));
        Pieces openDir = Request(FUSE_OPENDIR, new Bytes().Zeros(8));
        Pieces readDir = Request(FUSE_READDIR, new Bytes().U64(0).U64(0).U32(4096).U32(0).U64(0).U64(0));
        Pieces readDirPlus = Request(FUSE_READDIRPLUS, new Bytes().U64(0).U64(0).U32(4096).U32(0).U64(0).U64(0));
        Pieces releaseDir = Request(FUSE_RELEASEDIR, new Bytes().Zeros(24));
        Pieces access = Request(FUSE_ACCESS, new Bytes().U32(Linux.R_OK).U32(0));
        Pieces getXattr = Request(FUSE_GETXATTR, new Bytes().U32(100).U32(0).Name("user.none"));

        void Step()
        {
            ulong node = SendOk(lookup);
            ulong other = SendOk(lookupOther);
            AtNode(other, forget);
            Send(forget);
            Expect(missing, Errno.ENOENT);
            AtNode(node, getattr, open, read, write, flush, release, access, getXattr, forget);
            SendOk(getattr);
            SendOk(statfs);
            SendOk(access);
            Expect(getXattr, Errno.ENODATA);
            WithHandle(SendOk(open), read, write, flush, release);
            SendOk(write);
            SendOk(read);
            SendOk(flush);
            SendOk(release);
            WithHandle(SendOk(openDir), readDir, readDirPlus, releaseDir);
            SendOk(readDir);
            SendOk(readDirPlus);
            SendOk(releaseDir);

            // The listing counted a lookup of each name.
            Send(forget);
            WithForgets(batch, node, other);
            Send(batch);
        }

        for (int i = 0; i < 200; i++)
        {
            Step();
        }

        long allocated = ManagedMemory.LeastOf(() =>
        {
            for (int i = 0; i < Iterations; i++)
            {
                Step();
            }
        });
        Assert.True(allocated == 0, $"{allocated} bytes in {Iterations} rounds");
        Assert.Equal("CONTENT", System.IO.File.ReadAllText(System.IO.Path.Combine(_directory.Path, "known")));
        Assert.Equal(0, fs.Handles.Count);

        // The root, and "d", of which only listings told.
        Assert.Equal(2, fs.Inodes.Count);
    }

    protected override void Cleanup() => _directory.Dispose();

    /// <summary>The same one of several, with ids that are translated.</summary>
    private Vfs.Vfs UnderVfs(PassthroughFileSystem fs)
    {
        IdMap map = new([new IdRange(0, 0, 65536)]);
        var vfs = new Vfs.Vfs(new VfsOptions { Flags = fs.Config.WantedFlags });
        VfsMount mount = vfs.Mount("/a", new IdMappedFileSystem(fs, map, map));
        _root = ((ulong)mount.Index << 56) | NodeId.Root.Value;
        return vfs;
    }

    private Pieces Request(FuseOpcode opcode, Bytes body)
    {
        Pieces request = Pieces.Whole(FuseCase.Message(opcode, body));
        AtNode(_root, request);
        return request;
    }

    // Sound: the pieces are pinned and longer than the offsets.
    private static void AtNode(ulong node, params ReadOnlySpan<Pieces> requests)
    {
        foreach (Pieces request in requests)
        {
            *(ulong*)(request.Segments[0].Pointer + NodeOffset) = node;
        }
    }

    private static void WithHandle(ulong handle, params ReadOnlySpan<Pieces> requests)
    {
        foreach (Pieces request in requests)
        {
            *(ulong*)(request.Segments[0].Pointer + BodyOffset) = handle;
        }
    }

    private static void WithForgets(Pieces batch, ulong first, ulong second)
    {
        *(ulong*)(batch.Segments[0].Pointer + BodyOffset + 8) = first;
        *(ulong*)(batch.Segments[0].Pointer + BodyOffset + 24) = second;
    }

    private Errno Send(Pieces request)
    {
        int length = _worker.Dispatch(request.Segments, _reply.Segments);
        return length == 0 ? Errno.OK : (Errno)(-*(int*)(_reply.Segments[0].Pointer + 4));
    }

    /// <summary>Returns the reply's first number: a node, a handle.</summary>
    private ulong SendOk(Pieces request)
    {
        Expect(request, Errno.OK);
        return *(ulong*)(_reply.Segments[0].Pointer + ReplyBody);
    }

    // Without Assert.Equal, which allocates.
    private void Expect(Pieces request, Errno expected)
    {
        Errno errno = Send(request);
        if (errno != expected)
        {
            Assert.Fail($"opcode {*(uint*)(request.Segments[0].Pointer + 4)}: {errno}");
        }
    }

    private sealed class QuietTransport : IFuseTransport, IBackingFiles
    {
        public TransportLimits Limits => default;

        public Errno Notify(ReadOnlySpan<IoSegment> message) => Errno.OK;

        public Errno Open(int fd, out int id)
        {
            id = 1;
            return Errno.OK;
        }

        public Errno Close(int id) => Errno.OK;
    }
}
