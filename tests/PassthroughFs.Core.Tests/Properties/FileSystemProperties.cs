using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Core.Testing;
using PassthroughFs.Core.Tests.Protocol;
using Xunit;

namespace PassthroughFs.Core.Tests.Properties;

/// <summary>The whole file system on real directories, against the model in memory.</summary>
public sealed class FileSystemProperties : DescriptorCheck
{
    private const int EntrySize = 128;
    private const int DirentSize = 24;

    private readonly HostDirectory _disk = new();
    private readonly string _memory = Directory.Exists("/dev/shm")
        ? Directory.CreateDirectory($"/dev/shm/ptfs-test-{Guid.NewGuid():N}").FullName
        : Directory.CreateTempSubdirectory("ptfs-test-").FullName;

    private int _directories;

    [Theory]
    [InlineData(InodeFileHandles.Never, false, true, 3000)]
    [InlineData(InodeFileHandles.Never, true, true, 1000)]
    [InlineData(InodeFileHandles.Prefer, false, true, 1000)]
    [InlineData(InodeFileHandles.Prefer, false, false, 1000)]
    [InlineData(InodeFileHandles.Prefer, true, false, 1000)]
    [InlineData(InodeFileHandles.Adaptive, false, true, 1000)]
    [InlineData(InodeFileHandles.Adaptive, false, false, 1000)]
    [InlineData(InodeFileHandles.Adaptive, true, false, 1000)]
    public void Requests_are_answered_as_the_model_answers_them(
        InodeFileHandles handles, bool useHostIno, bool inMemory, int ofUsual) =>
        Cases.Holds(
            FileSystemSpec.Sequences,
            steps => WithFileSystem(
                inMemory,
                config =>
                {
                    config.Keep(handles);
                    config.UseHostIno = useHostIno;
                },
                fs =>
                {
                    FileSystemSpecOptions options = Options(fs) with
                    {
                        DeletedMayBeStale = handles != InodeFileHandles.Never,
                        RememberedCount = useHostIno ? null : () => fs.Inodes.RememberedCount,
                    };
                    return FileSystemSpec.Check(fs, options, steps)
                        ?? (fs.Inodes.Count == 1 && fs.Handles.Count == 0
                            ? null : $"{fs.Inodes.Count} inodes and {fs.Handles.Count} handles are left");
                }),
            ofUsual);

    [Theory]
    [InlineData(InodeFileHandles.Never, false, true)]
    [InlineData(InodeFileHandles.Never, true, false)]
    [InlineData(InodeFileHandles.Prefer, false, false)]
    [InlineData(InodeFileHandles.Adaptive, false, false)]
    public void Requests_are_answered_as_the_model_answers_them_whoever_goes_on_meanwhile(
        InodeFileHandles handles, bool useHostIno, bool inMemory) =>
        Cases.Holds(
            FileSystemSpec.Sequences,
            steps => WithFileSystem(
                inMemory,
                config =>
                {
                    config.Keep(handles);
                    config.UseHostIno = useHostIno;
                },
                fs =>
                {
                    PassthroughFileSystem current = fs;
                    try
                    {
                        FileSystemSpecOptions options = Options(fs) with
                        {
                            DeletedMayBeStale = handles != InodeFileHandles.Never,
                            LookupCount = node => current.Inodes.LookupCount(node),
                            RememberedCount = useHostIno ? null : () => current.Inodes.RememberedCount,
                            HandOver = _ => current = HandOver.Succeed(current),
                        };
                        return FileSystemSpec.Check(fs, options, steps)
                            ?? (current.Inodes.Count == 1 && current.Handles.Count == 0
                                ? null : $"{current.Inodes.Count} inodes and {current.Handles.Count} handles are left");
                    }
                    finally
                    {
                        current.Dispose();
                    }
                }),
            1000);

    [Theory]
    [InlineData(InodeFileHandles.Never, false, true)]
    [InlineData(InodeFileHandles.Never, true, false)]
    [InlineData(InodeFileHandles.Prefer, false, false)]
    [InlineData(InodeFileHandles.Adaptive, false, false)]
    [InlineData(InodeFileHandles.Adaptive, true, true)]
    public void Requests_by_forgotten_numbers_are_answered_as_the_model_answers_them(
        InodeFileHandles handles, bool useHostIno, bool inMemory)
    {
        Privileges.RequireRoot();
        Cases.Holds(
            FileSystemSpec.Sequences,
            steps => WithFileSystem(
                inMemory,
                config =>
                {
                    config.Keep(handles);
                    (config.UseHostIno, config.ExportSupport) = (useHostIno, true);
                },
                fs => FileSystemSpec.Check(
                    fs,
                    Options(fs) with
                    {
                        DeletedMayBeStale = handles != InodeFileHandles.Never,
                        FindsForgotten = true,
                    },
                    steps)),
            1000);
    }

    // On a disk: tmpfs itself repeats an entry when the one behind it was removed.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_listing_in_pieces_has_everything_once(bool plus) =>
        Cases.Holds(
            DirectoryListingSpec.Sequences,
            steps => WithFileSystem(false, null, fs =>
            {
                Assert.Equal(Errno.OK, fs.OpenDir(default, NodeId.Root, 0, out OpenReply open));
                return DirectoryListingSpec.Check(fs, Options(fs), Read, steps);

                Errno Read(ulong offset, int room, out IReadOnlyList<DirectoryList.Item> items)
                {
                    var list = new DirectoryList(room);
                    items = list.Items;
                    return plus ? fs.ReadDirPlus(default, NodeId.Root, open.Handle, offset, list)
                        : fs.ReadDir(default, NodeId.Root, open.Handle, offset, list);
                }
            }),
            500);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_listing_in_replies_of_any_size_has_everything_once(bool plus, bool noOpendir) =>
        Cases.Holds(
            DirectoryListingSpec.Sequences,
            steps => WithFileSystem(false, config => config.NoOpendir = noOpendir, fs =>
            {
                Rig rig = Rig.Started(fs: fs);
                ulong handle = noOpendir ? 0 : OpenDir(rig);
                return DirectoryListingSpec.Check(
                    fs, Options(fs),
                    (ulong offset, int room, out IReadOnlyList<DirectoryList.Item> items) =>
                        ReadReply(rig, plus, handle, offset, 20 * room, out items),
                    steps);
            }),
            500);

    protected override void Cleanup()
    {
        _disk.Dispose();
        Directory.Delete(_memory, true);
    }

    private static FileSystemSpecOptions Options(PassthroughFileSystem fs) => new()
    {
        Context = new RequestContext { Uid = UidOfProcess, Gid = GidOfProcess },
        LookupCount = fs.Inodes.LookupCount,
    };

    private static uint UidOfProcess { get; } = IdOfProcess("Uid:");

    private static uint GidOfProcess { get; } = IdOfProcess("Gid:");

    private static uint IdOfProcess(string name) => uint.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal))
            .Split('\t')[2],
        System.Globalization.CultureInfo.InvariantCulture);

    private static ulong OpenDir(Rig rig)
    {
        byte[]? reply = rig.Send(AtRoot(FuseOpcode.FUSE_OPENDIR, new Bytes().Zeros(8)));
        Assert.Equal(Errno.OK, Rig.ErrorOf(reply));
        return BinaryPrimitives.ReadUInt64LittleEndian(reply.AsSpan(16));
    }

    private static byte[] AtRoot(FuseOpcode opcode, Bytes body)
    {
        byte[] message = FuseCase.Message(opcode, body);
        BinaryPrimitives.WriteUInt64LittleEndian(message.AsSpan(16), NodeId.Root.Value);
        return message;
    }

    /// <summary>Asks for a piece by message, and reads the reply byte by byte as a client does.</summary>
    private static Errno ReadReply(
        Rig rig, bool plus, ulong handle, ulong offset, int size, out IReadOnlyList<DirectoryList.Item> items)
    {
        Bytes body = new Bytes().U64(handle).U64(offset).U32((uint)size).U32(0).U64(0).U64(0);
        byte[]? reply = rig.Send(
            AtRoot(plus ? FuseOpcode.FUSE_READDIRPLUS : FuseOpcode.FUSE_READDIR, body), 16 + size);
        var list = new List<DirectoryList.Item>();
        items = list;
        Errno errno = Rig.ErrorOf(reply);
        if (errno != Errno.OK)
        {
            return errno;
        }

        ReadOnlySpan<byte> left = reply.AsSpan(16);
        while (!left.IsEmpty)
        {
            int start = plus ? EntrySize : 0;
            Entry entry = default;
            entry.Node = new NodeId(plus ? BinaryPrimitives.ReadUInt64LittleEndian(left) : 0);
            ReadOnlySpan<byte> record = left[start..];
            int length = BinaryPrimitives.ReadInt32LittleEndian(record[16..]);
            list.Add(new DirectoryList.Item(
                record.Slice(DirentSize, length).ToArray(), BinaryPrimitives.ReadUInt64LittleEndian(record),
                BinaryPrimitives.ReadUInt64LittleEndian(record[8..]),
                BinaryPrimitives.ReadUInt32LittleEndian(record[20..]), entry));
            left = left[((start + DirentSize + length + 7) & ~7)..];
        }

        return Errno.OK;
    }

    /// <summary>A file system on an empty directory; both are gone afterwards.</summary>
    private string? WithFileSystem(
        bool inMemory, Action<PassthroughConfig>? configure, Func<PassthroughFileSystem, string?> check)
    {
        string path = Path.Combine(inMemory ? _memory : _disk.Path, $"{_directories++}");
        Directory.CreateDirectory(path);
        try
        {
            var config = new PassthroughConfig { RootDir = path };
            configure?.Invoke(config);
            using var fs = new PassthroughFileSystem(config);
            Assert.Equal(Errno.OK, fs.Init(default, (InitFlags)ulong.MaxValue, out _));
            return check(fs);
        }
        finally
        {
            Directory.Delete(path, true);
        }
    }
}
