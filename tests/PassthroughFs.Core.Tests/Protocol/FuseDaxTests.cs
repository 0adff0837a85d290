using System;
using System.Linq;
using System.Numerics;
using PassthroughFs.Core.Api;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>SETUPMAPPING and REMOVEMAPPING on the wire.</summary>
public sealed class FuseDaxTests
{
    private const ulong Read = 2;
    private const ulong Write = 1;
    private const ulong None = ulong.MaxValue;

    private static readonly ulong s_page = (uint)Environment.SystemPageSize;

    private readonly RecordingWindow _window = new();
    private readonly Rig _rig;

    public FuseDaxTests()
    {
        _rig = new Rig(transport: new RecordingTransport { DaxWindow = _window });
        _rig.Start();
    }

    public static TheoryData<string, ulong, ulong, ulong, ulong> Hostile { get; } = new()
    {
        { "no length", 0, 0, 0, Read },
        { "half a page", 0, 0, s_page / 2, Read },
        { "a file offset within a page", 1, 0, s_page, Read },
        { "a window offset within a page", 0, s_page + 1, s_page, Read },
        { "behind the window", 0, 16 * s_page, s_page, Read },
        { "across the window's end", 0, 15 * s_page, 2 * s_page, Read },
        { "longer than the window", 0, 0, 17 * s_page, Read },
        { "an end that overflows", 0, ulong.MaxValue - s_page + 1, 2 * s_page, Read },
        { "everything", 0, 0, ulong.MaxValue, Read },
        { "all pages there are", 0, 0, ulong.MaxValue - s_page + 1, Read },
        { "a file offset no file has", 1UL << 63, 0, s_page, Read },
        { "a file's end no file has", (1UL << 63) - s_page, 0, s_page, Read },
        { "no access", 0, 0, s_page, 0 },
        { "an unknown flag", 0, 0, s_page, Read | 4 },
        { "an unknown flag of the upper half", 0, 0, s_page, Read | (1UL << 63) },
    };

    [Theory]
    [InlineData(7, Read, "SetupMapping 42 7 {1} {2} {1} False")]
    [InlineData(7, Write, "SetupMapping 42 7 {1} {2} {1} True")]
    [InlineData(7, Read | Write, "SetupMapping 42 7 {1} {2} {1} True")]
    [InlineData(None, Read, "SetupMapping 42 0 {1} {2} {1} False")]
    [InlineData(0, Read, "SetupMapping 42 0 {1} {2} {1} False")]
    public void A_mapping_reaches_the_file_system(ulong handle, ulong flags, string expected)
    {
        byte[] request = FuseCase.Message(FUSE_SETUPMAPPING, Setup(handle, s_page, 2 * s_page, s_page, flags));
        foreach (int piece in new[] { 1, 7, 80 })
        {
            Assert.Equal(Errno.OK, Rig.ErrorOf(_rig.Send(InPieces(request, piece), Pieces.Whole(16))));
            Assert.Equal([expected.Replace("{1}", $"{s_page}").Replace("{2}", $"{2 * s_page}")], _rig.Fs.Calls);
            _rig.Fs.Calls.Clear();
        }
    }

    [Fact]
    public void A_mapping_may_fill_the_window_and_end_where_files_end()
    {
        Assert.Equal(Errno.OK, _rig.Error(FUSE_SETUPMAPPING, Setup(None, 0, 0, 16 * s_page, Read)));
        ulong last = (1UL << 63) - (2 * s_page);
        Assert.Equal(Errno.OK, _rig.Error(FUSE_SETUPMAPPING, Setup(None, last, 15 * s_page, s_page, Read)));
        Assert.Equal(2, _rig.Fs.Calls.Count);
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_mapping_that_cannot_be_is_refused(string what, ulong from, ulong to, ulong length, ulong flags)
    {
        Assert.Equal(Errno.EINVAL, _rig.Error(FUSE_SETUPMAPPING, Setup(None, from, to, length, flags)));
        Assert.Empty(_rig.Fs.Calls);
        Assert.True(_rig.Log.Events.Count == 1, what);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(1000)]
    public void Ranges_to_remove_come_in_chunks(int count)
    {
        Bytes body = new Bytes().U32((uint)count);
        for (int i = 0; i < count; i++)
        {
            body.U64((ulong)(i % 16) * s_page).U64(s_page);
        }

        byte[] request = FuseCase.Message(FUSE_REMOVEMAPPING, body);
        foreach (int piece in new[] { 3, 100, 100_000 })
        {
            Assert.Equal(Errno.OK, Rig.ErrorOf(_rig.Send(InPieces(request, piece), Pieces.Whole(16))));
            string[] expected = [.. Enumerable.Range(0, (count + 255) / 256).Select(chunk =>
            {
                int end = Math.Min(count, (chunk + 1) * 256);
                ulong offset = (ulong)((end - 1) % 16) * s_page;
                return $"RemoveMapping 42 {end - (chunk * 256)} {offset} {s_page}";
            })];
            Assert.Equal(expected, _rig.Fs.Calls);
            _rig.Fs.Calls.Clear();
        }
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(257u)]
    [InlineData(uint.MaxValue)]
    public void More_ranges_than_sent_are_refused(uint count)
    {
        // What an earlier request has left in memory would do.
        Bytes earlier = new Bytes().U32(300);
        for (int i = 0; i < 300; i++)
        {
            earlier.U64(0).U64(s_page);
        }

        Assert.Equal(Errno.OK, _rig.Error(FUSE_REMOVEMAPPING, earlier));
        _rig.Fs.Calls.Clear();
        Assert.Equal(
            Errno.EINVAL, _rig.Error(FUSE_REMOVEMAPPING, new Bytes().U32(count).U64(0).U64(s_page).Zeros(15)));
        Assert.Empty(_rig.Fs.Calls);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(16, 1)]
    [InlineData(15, 2)]
    [InlineData(0, -1)]
    [InlineData(-1, 1)]
    public void A_range_that_is_not_the_windows_is_not_removed(int offset, int pages)
    {
        ulong start = offset == 1 ? 1 : unchecked((ulong)(long)offset * s_page);
        Bytes body = new Bytes().U32(2).U64(0).U64(s_page).U64(start).U64(unchecked((ulong)(long)pages * s_page));
        Assert.Equal(Errno.EINVAL, _rig.Error(FUSE_REMOVEMAPPING, body));
        Assert.Empty(_rig.Fs.Calls);
    }

    [Fact]
    public void The_whole_window_has_a_word_of_its_own()
    {
        Bytes body = new Bytes().U32(1).U64(0).U64(ulong.MaxValue);
        Assert.Equal(Errno.OK, _rig.Error(FUSE_REMOVEMAPPING, body));
        Assert.Equal([$"RemoveMapping 42 1 0 {16 * s_page}"], _rig.Fs.Calls);
        body = new Bytes().U32(1).U64(s_page).U64(ulong.MaxValue);
        Assert.Equal(Errno.EINVAL, _rig.Error(FUSE_REMOVEMAPPING, body));
    }

    [Fact]
    public void An_error_of_the_file_system_is_the_answer()
    {
        _rig.Fs.Result = Errno.EACCES;
        Assert.Equal(Errno.EACCES, _rig.Error(FUSE_SETUPMAPPING, Setup(None, 0, 0, s_page, Read)));
        Assert.Equal(Errno.EACCES, _rig.Error(FUSE_REMOVEMAPPING, new Bytes().U32(1).U64(0).U64(s_page)));
    }

    [Fact]
    public void Without_a_window_there_are_no_mappings()
    {
        Rig rig = Rig.Started();
        Assert.Equal(Errno.ENOSYS, rig.Error(FUSE_SETUPMAPPING, Setup(None, 0, 0, s_page, Read)));
        Assert.Equal(Errno.ENOSYS, rig.Error(FUSE_REMOVEMAPPING, new Bytes().U32(1).U64(0).U64(s_page)));
        Assert.Empty(rig.Fs.Calls);
    }

    [Fact]
    public void The_alignment_is_told_if_it_is_asked_for()
    {
        byte[] reply = _rig.Send(FUSE_INIT, FuseCases.Init())!;
        Assert.Equal(BitOperations.Log2((uint)s_page), BitConverter.ToUInt16(reply, 16 + 30));
        reply = _rig.Send(FUSE_INIT, FuseCases.Init(flags: (ulong)InitFlags.FUSE_MAX_PAGES))!;
        Assert.Equal(0, BitConverter.ToUInt16(reply, 16 + 30));
        Rig without = new();
        Assert.Equal(0, BitConverter.ToUInt16(without.Send(FUSE_INIT, FuseCases.Init())!, 16 + 30));
    }

    [Fact]
    public void The_end_of_a_session_leaves_nothing_mapped()
    {
        DaxRange all = new(0, _window.Length);
        _rig.Start();
        Assert.Equal([all], _window.Unmapped);
        Assert.Equal(Errno.OK, _rig.Error(FUSE_DESTROY, new Bytes()));
        Assert.Equal([all, all], _window.Unmapped);
    }

    private static Bytes Setup(ulong handle, ulong fileOffset, ulong windowOffset, ulong length, ulong flags) =>
        new Bytes().U64(handle).U64(fileOffset).U64(length).U64(flags).U64(windowOffset);

    private static Pieces InPieces(byte[] request, int length) => new Pieces(
        [.. request.Chunk(length).Select(chunk => chunk.Length)]).Fill(request);
}
