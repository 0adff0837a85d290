using System;
using System.Collections.Generic;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseDirectorySinkTests
{
    [Theory]
    [InlineData(FUSE_READDIR, 24)]
    [InlineData(FUSE_READDIRPLUS, 152)]
    public void A_listing_in_steps_loses_nothing_whatever_the_sizes(FuseOpcode opcode, int record) =>
        Prop.ForAll<int>(seed =>
        {
            Random random = new(seed);
            Rig rig = Rig.Started();
            rig.Fs.Directory.Clear();
            for (int i = random.Next(40); i >= 0; i--)
            {
                rig.Fs.Directory.Add(((ulong)random.Next(3), new string('x', random.Next(1, 256))));
            }

            List<(ulong, string)> seen = [];
            while (true)
            {
                int size = random.Next(record + 256, 2000);
                int room = 16 + random.Next(record + 256, 2000);
                byte[] request = FuseCase.Message(
                    opcode, new Bytes().U64(1).U64((ulong)seen.Count).U32((uint)size).U32(0).U64(0).U64(0));
                byte[] reply = rig.Send(
                    Pieces.Random(request.Length, random).Fill(request), Pieces.Random(room, random))!;
                Assert.True(reply.Length <= 16 + size);
                Assert.Equal(0, reply.Length % 8);
                if (reply.Length == 16)
                {
                    break;
                }

                Parse(reply.AsSpan(16), record, seen);
            }

            Assert.Equal(rig.Fs.Directory, seen);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));

    [Fact]
    public void Names_over_255_bytes_and_empty_ones_are_never_written()
    {
        foreach (FuseOpcode opcode in new[] { FUSE_READDIR, FUSE_READDIRPLUS })
        {
            Rig rig = Rig.Started();
            foreach (string name in new[] { "", new string('x', 256), new string('x', 1000) })
            {
                rig.Fs.Directory.Clear();
                rig.Fs.Directory.Add((0, name));
                Assert.Equal(16, rig.Send(opcode, List(4096))!.Length);
            }

            rig.Fs.Directory.Clear();
            rig.Fs.Directory.Add((0, new string('x', 255)));
            Assert.True(rig.Send(opcode, List(4096))!.Length > 16 + 255);
        }
    }

    [Fact]
    public void The_sink_says_exactly_what_fits()
    {
        SinkFileSystem fs = new((sink, plus) =>
        {
            int record = plus ? 152 : 24;
            int left = 1000;
            for (int length = 1; length <= 255; length++)
            {
                int size = (record + length + 7) & ~7;
                Assert.Equal(size <= left, sink.Fits(length));
            }

            Assert.False(sink.Fits(0));
            Assert.False(sink.Fits(-1));
            Assert.False(sink.Fits(256));
            Assert.False(sink.Fits(int.MaxValue));
            byte[] name = new byte[200];
            while (sink.Fits(name.Length))
            {
                Assert.True(sink.TryAdd(1, 2, 3, name));
                left -= (record + name.Length + 7) & ~7;
            }

            Assert.True(left >= 0);
            Assert.False(sink.TryAdd(1, 2, 3, name));
        });
        Rig rig = Rig.Started(fs: fs);
        Assert.Equal(Errno.OK, Code(rig.Send(FUSE_READDIR, List(1000))));
        Assert.Equal(Errno.OK, Code(rig.Send(FUSE_READDIRPLUS, List(1000))));
        Assert.Empty(rig.Log.Events);
    }

    [Fact]
    public void A_sink_that_was_kept_is_full_after_the_call()
    {
        DirectorySink? kept = null;
        SinkFileSystem fs = new((sink, _) => kept = sink);
        Rig rig = Rig.Started(fs: fs);
        rig.Send(FUSE_READDIR, List(1000));
        Assert.False(kept!.Fits(1));
        Assert.False(kept.TryAdd(1, 2, 3, "a"u8));
    }

    [Fact]
    public void A_sink_is_closed_even_if_the_listing_throws()
    {
        DirectorySink? kept = null;
        SinkFileSystem fs = new((sink, _) =>
        {
            kept = sink;
            throw new InvalidOperationException();
        });
        Rig rig = Rig.Started(fs: fs);
        Assert.Equal(Errno.EIO, Code(rig.Send(FUSE_READDIR, List(1000))));
        Assert.False(kept!.Fits(1));
    }

    [Fact]
    public void A_node_in_a_plain_listing_is_an_error_because_its_lookup_would_be_lost()
    {
        SinkFileSystem fs = new((sink, _) => sink.TryAdd(1, 2, 3, "a"u8, RecordingFileSystem.AnEntry()));
        Rig rig = Rig.Started(fs: fs);
        Assert.Equal(Errno.EIO, Code(rig.Send(FUSE_READDIR, List(1000))));
        Assert.IsType<InvalidOperationException>(Assert.Single(rig.Log.Events).Exception);
    }

    [Fact]
    public void Entries_that_were_delivered_count_more_than_the_error_behind_them()
    {
        SinkFileSystem fs = new((sink, plus) => sink.TryAdd(1, 2, 3, "a"u8)) { Result = Errno.EIO };
        Rig rig = Rig.Started(fs: fs);
        Assert.Equal(16 + 32, rig.Send(FUSE_READDIR, List(1000))!.Length);
        Assert.Equal(Errno.EIO, Code(rig.Send(FUSE_READDIR, List(10))));
    }

    private static Bytes List(uint size) => new Bytes().U64(1).U64(0).U32(size).U32(0).U64(0).U64(0);

    private static Errno Code(byte[]? reply) => (Errno)(-BitConverter.ToInt32(reply!, 4));

    private static void Parse(ReadOnlySpan<byte> records, int record, List<(ulong, string)> seen)
    {
        while (records.Length > 0)
        {
            ReadOnlySpan<byte> dirent = records[(record - 24)..];
            ulong ino = BitConverter.ToUInt64(dirent);
            int length = BitConverter.ToInt32(dirent[16..]);
            Assert.Equal((ulong)seen.Count + 1, BitConverter.ToUInt64(dirent[8..]));
            int size = (record + length + 7) & ~7;
            Assert.True(records[(record + length)..size].IndexOfAnyExcept((byte)0) < 0);
            if (record > 24)
            {
                byte[] entry = ino == 0 ? new byte[128] : FuseCases.Entry(ino).ToArray();
                Assert.Equal(entry, records[..128].ToArray());
            }

            seen.Add((ino, Encoding.UTF8.GetString(records.Slice(record, length))));
            records = records[size..];
        }
    }

    private sealed class SinkFileSystem(Action<DirectorySink, bool> list) : IFileSystem
    {
        public Errno Result { get; init; }

        public Errno ReadDir(in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
        {
            list(sink, false);
            return Result;
        }

        public Errno ReadDirPlus(
            in RequestContext context, NodeId node, Handle handle, ulong offset, DirectorySink sink)
        {
            list(sink, true);
            return Result;
        }
    }
}
