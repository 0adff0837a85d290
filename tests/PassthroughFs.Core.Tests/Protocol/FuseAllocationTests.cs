using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseAllocationTests
{
    private const int Iterations = 10_000;

    [Fact]
    public void No_request_allocates()
    {
        QuietFileSystem fs = new();
        Rig rig = Rig.Started(fs: fs, options: new FuseSessionOptions { MaxEventsPerSecond = 0 });
        Pieces reply = Pieces.Whole(8192);
        Pieces split = new([8, 0, 20, 300, 7864]);
        foreach (FuseCase item in FuseCases.All)
        {
            if (item.Opcode == FUSE_DESTROY || !FuseOpcodes.TryGet(item.Opcode, out _))
            {
                continue;
            }

            byte[] bytes = item.Request();
            AssertNoAllocation(rig.Worker, item, Pieces.Whole(bytes), reply);
            AssertNoAllocation(rig.Worker, item, new Pieces([3, 37, 0, bytes.Length - 40]).Fill(bytes), split);
        }

        Assert.True(fs.Calls > 40 * Iterations);
    }

    [Fact]
    public void Errors_and_extensions_do_not_allocate_either()
    {
        QuietFileSystem fs = new() { Result = Errno.ENOENT };
        Rig rig = Rig.Started(fs: fs, options: new FuseSessionOptions { MaxEventsPerSecond = 0 });
        Pieces reply = Pieces.Whole(8192);
        Bytes groups = new Bytes().U32(16).U32(32).U32(1).U32(100);
        byte[][] requests =
        [
            FuseCase.Message(FUSE_LOOKUP, new Bytes().Name("missing")),
            FuseCase.Message(FUSE_LOOKUP, new Bytes().Text("no end")),
            FuseCase.Message((FuseOpcode)9999, new Bytes()),
            FuseCase.Message(FUSE_MKDIR, new Bytes().Zeros(8).Name("a dir 7").Append(groups), 2),
        ];
        foreach (byte[] request in requests)
        {
            AssertNoAllocation(rig.Worker, request.Length, Pieces.Whole(request), reply);
        }
    }

    private static void AssertNoAllocation(FuseWorker worker, object what, Pieces request, Pieces reply)
    {
        for (int i = 0; i < 100; i++)
        {
            worker.Dispatch(request.Segments, reply.Segments);
        }

        long allocated = ManagedMemory.LeastOf(() =>
        {
            for (int i = 0; i < Iterations; i++)
            {
                worker.Dispatch(request.Segments, reply.Segments);
            }
        });
        Assert.True(allocated == 0, $"{what}: {allocated} bytes");
    }

    /// <summary>Answers without allocating, and moves data where there are some.</summary>
    private sealed class QuietFileSystem : IFileSystem
    {
        public int Calls { get; private set; }

        public Errno Result { get; init; }

        public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
        {
            accepted = offered;
            return Errno.OK;
        }

        public Errno Lookup(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, out Entry entry)
        {
            entry = default;
            return Called();
        }

        public void Forget(in RequestContext context, NodeId node, ulong count) => Called();

        public Errno GetAttr(in RequestContext context, NodeId node, Handle handle, out AttrReply reply)
        {
            reply = default;
            return Called();
        }

        public Errno SetAttr(in RequestContext context, NodeId node, in SetAttrRequest request, out AttrReply reply)
        {
            reply = default;
            return Called();
        }

        public Errno ReadLink(in RequestContext context, NodeId node, Span<byte> target, out int length)
        {
            length = 10;
            return Called();
        }

        public Errno Mkdir(
            in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, uint mode, uint umask, out Entry entry)
        {
            entry = default;
            return Called();
        }

        public Errno Unlink(in RequestContext context, NodeId parent, ReadOnlySpan<byte> name) => Called();

        public Errno Rename(
            in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, NodeId newParent,
            ReadOnlySpan<byte> newName, uint flags) => Called();

        public Errno Open(
            in RequestContext context, NodeId node, uint flags, OpenRequestFlags openFlags, out OpenReply reply)
        {
            reply = default;
            return Called();
        }

        public Errno Create(
            in RequestContext context, NodeId parent, ReadOnlySpan<byte> name, in CreateRequest request,
            out Entry entry, out OpenReply reply)
        {
            entry = default;
            reply = default;
            return Called();
        }

        public Errno Read(
            in RequestContext context, NodeId node, Handle handle, in ReadRequest request, ref DataSink sink)
        {
            sink.Write("some bytes"u8);
            return Called();
        }

        public Errno Write(
            in RequestContext context, NodeId node, Handle handle, in WriteRequest request, ref DataSource source)
        {
            Span<byte> data = stackalloc byte[8];
            source.Read(data);
            return Called();
        }

        public Errno Statfs(in RequestContext context, NodeId node, out StatfsReply reply)
        {
            reply = default;
            return Called();
        }

        public Errno Release(in RequestContext context, NodeId node, Handle handle, in ReleaseRequest request) =>
            Called();

        public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
        {
            while (sink.TryAdd(1, 2, 3, "a name"u8))
            {
            }

            return Called();
        }

        public Errno ReadDirPlus(
            in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
        {
            while (sink.TryAdd(1, 2, 3, "a name"u8, default(Entry)))
            {
            }

            return Called();
        }

        public Errno SetXattr(
            in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
            bool killSgid) => Called();

        public Errno GetXattr(
            in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
        {
            size = value.Length;
            return Called();
        }

        public Errno ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
        {
            size = list.Length;
            return Called();
        }

        public Errno Statx(
            in RequestContext context, NodeId node, Handle handle, uint flags, uint mask, out StatxReply reply)
        {
            reply = default;
            return Called();
        }

        private Errno Called()
        {
            Calls++;
            return Result;
        }
    }
}
