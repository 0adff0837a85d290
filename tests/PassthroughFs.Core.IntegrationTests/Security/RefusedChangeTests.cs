using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Security;

/// <summary>Read-only and sealed file systems refuse by themselves, whatever the client's kernel thinks.</summary>
public sealed class RefusedChangeTests
{
    private const uint Create = S_IFREG | 0x1A4;

    private delegate Errno Mutator(FuseClient client, ulong file, ulong handle);

    private static readonly Dictionary<string, Mutator> Mutators = new()
    {
        ["open for writing"] = (c, f, h) => c.Open(f, O_WRONLY, out _),
        ["open for both"] = (c, f, h) => c.Open(f, O_RDWR, out _),
        ["open with O_TRUNC"] = (c, f, h) => c.Open(f, O_RDONLY | O_TRUNC, out _),
        ["create"] = (c, _, _) => c.Create(1, "new"u8, O_RDWR, Create, 0, out _, out _),
        ["create of what exists, for writing"] = (c, _, _) => c.Create(1, "f"u8, O_RDWR, Create, 0, out _, out _),
        ["tmpfile"] = (c, _, _) => c.TmpFile(1, O_RDWR, Create, 0, out _, out _),
        ["mknod"] = (c, _, _) => c.Mknod(1, "new"u8, Create, 0, 0, out _),
        ["mkdir"] = (c, _, _) => c.Mkdir(1, "new"u8, O(755), 0, out _),
        ["symlink"] = (c, _, _) => c.Symlink(1, "new"u8, "t"u8, out _),
        ["link"] = (c, f, h) => c.Link(f, 1, "new"u8, out _),
        ["unlink"] = (c, _, _) => c.Unlink(1, "f"u8),
        ["rmdir"] = (c, _, _) => c.Rmdir(1, "d"u8),
        ["rename"] = (c, _, _) => c.Rename(1, "f"u8, 1, "new"u8, 0),
        ["rename2"] = (c, _, _) => c.Rename(1, "f"u8, 1, "d"u8, RENAME_EXCHANGE),
        ["chmod"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_MODE, mode: O(777)),
        ["chown"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_UID, uid: 1),
        ["truncate"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_SIZE),
        ["ftruncate"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_FH, h),
        ["utimens"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_MTIME, modification: new PosixTime(1, 1)),
        ["setxattr"] = (c, f, h) => c.SetXattr(f, "user.a"u8, "v"u8, 0),
        ["removexattr"] = (c, f, h) => c.RemoveXattr(f, "user.there"u8),
        ["write"] = (c, f, h) => c.Write(f, h, 0, "x"u8, out _),
        ["fallocate"] = (c, f, h) => c.FAllocate(f, h, 0, 0, 100),
        ["copy_file_range"] = (c, f, h) => c.CopyFileRange(f, h, 0, f, h, 2, 2, out _),
        ["copy_file_range, narrow"] = (c, f, h) => c.CopyFileRange(f, h, 0, f, h, 2, 2, out _, wide: false),
        ["access for writing"] = (c, f, h) => c.Access(f, W_OK),
    };

    public static TheoryData<string> MutatorNames => [.. Mutators.Keys];

    [Theory, MemberData(nameof(MutatorNames))]
    public void Read_only_refuses_every_change_with_EROFS(string mutator)
    {
        using Server server = Prepared(readOnly: true);
        ulong file = server.Find("f").Id;
        FileStat before = server.Host.Stat("f");
        server.Client.Open(file, O_RDONLY, out ulong handle).IsOk();
        Mutators[mutator](server.Client, file, handle).Is(Errno.EROFS);
        server.Client.Release(file, handle).IsOk();
        Assert.Equal(["d", "f"], server.Host.Names(""));
        Assert.Equal(before with { Atime = default }, server.Host.Stat("f") with { Atime = default });
        Assert.Equal("0123456789"u8.ToArray(), server.Host.ReadFile("f"));
        Assert.Equal("x"u8.ToArray(), server.Host.Xattr("f", "user.there"));
    }

    [Fact]
    public void Read_only_still_reads_everything()
    {
        using Server server = Prepared(readOnly: true);
        ulong file = server.Find("f").Id;
        server.Client.Open(file, O_RDONLY, out ulong handle).IsOk();
        byte[] buffer = new byte[20];
        server.Client.Read(file, handle, 0, buffer, out int count).IsOk();
        Assert.Equal("0123456789"u8.ToArray(), buffer[..count]);
        server.Client.Release(file, handle).IsOk();
        server.Client.GetXattr(file, "user.there"u8, buffer, out count).IsOk();
        server.Client.Access(file, R_OK).IsOk();
        server.Client.OpenDir(1, O_RDONLY, out handle).IsOk();
        server.Client.ReadDir(1, handle, 0, 4096, out List<DirEntry> entries).IsOk();
        Assert.Equal(4, entries.Count);
        server.Client.Release(1, handle, directory: true).IsOk();
    }

    private static readonly Dictionary<string, Mutator> WaysToResize = new()
    {
        ["truncate down"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_SIZE, size: 1),
        ["truncate up"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_SIZE, size: 100),
        ["ftruncate up"] = (c, f, h) => c.SetAttr(f, SetAttrFields.FATTR_SIZE | SetAttrFields.FATTR_FH, h, 100),
        ["open with O_TRUNC"] = (c, f, h) => c.Open(f, O_RDWR | O_TRUNC, out _),
        ["create with O_TRUNC"] = (c, _, _) => c.Create(1, "f"u8, O_RDWR | O_TRUNC, Create, 0, out _, out _),
        ["write across the end"] = (c, f, h) => c.Write(f, h, 8, "xyz"u8, out _),
        ["write beyond the end"] = (c, f, h) => c.Write(f, h, 100, "x"u8, out _),
        ["append at the end"] = (c, f, h) => c.Write(f, h, 10, "x"u8, out _, O_RDWR | O_APPEND),
        ["fallocate"] = (c, f, h) => c.FAllocate(f, h, 0, 0, 100),
        ["zero range"] = (c, f, h) => c.FAllocate(f, h, FALLOC_FL_ZERO_RANGE, 5, 100),
        ["collapse"] = (c, f, h) => c.FAllocate(f, h, FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
        ["insert"] = (c, f, h) => c.FAllocate(f, h, FALLOC_FL_INSERT_RANGE, 0, 4096),
        ["copy_file_range"] = (c, f, h) => c.CopyFileRange(f, h, 0, f, h, 10, 5, out _),
        ["copy_file_range, narrow"] = (c, f, h) => c.CopyFileRange(f, h, 0, f, h, 10, 5, out _, wide: false),
    };

    public static TheoryData<string> ResizeNames => [.. WaysToResize.Keys];

    [Theory, MemberData(nameof(ResizeNames))]
    public void A_sealed_size_refuses_every_way_to_change_it_with_EPERM(string resize)
    {
        using Server server = Prepared(readOnly: false);
        ulong file = server.Find("f").Id;
        server.Client.Open(file, O_RDWR, out ulong handle).IsOk();
        WaysToResize[resize](server.Client, file, handle).Is(Errno.EPERM);
        server.Client.Release(file, handle).IsOk();
        Assert.Equal("0123456789"u8.ToArray(), server.Host.ReadFile("f"));
    }

    [Theory]
    [InlineData(ulong.MaxValue, 2ul)]
    [InlineData(2ul, ulong.MaxValue)]
    public void With_a_sealed_size_a_range_that_overflows_is_EINVAL(ulong offset, ulong length)
    {
        using Server server = Prepared(readOnly: false);
        ulong file = server.Find("f").Id;
        server.Client.Open(file, O_RDWR, out ulong handle).IsOk();
        server.Client.FAllocate(file, handle, 0, offset, length).Is(Errno.EINVAL);
        if (length == 2)
        {
            server.Client.Write(file, handle, offset, "xy"u8, out _).Is(Errno.EINVAL);
        }

        server.Client.Release(file, handle).IsOk();
    }

    [Fact]
    public void A_sealed_size_allows_changes_within()
    {
        using Server server = Prepared(readOnly: false);
        ulong file = server.Find("f").Id;
        server.Client.Open(file, O_RDWR, out ulong handle).IsOk();
        server.Client.Write(file, handle, 8, "xy"u8, out int count).IsOk();
        Assert.Equal(2, count);
        server.Client.FAllocate(file, handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2).IsOk();
        server.Client.CopyFileRange(file, handle, 8, file, handle, 2, 2, out ulong copied).IsOk();
        Assert.Equal(2ul, copied);
        server.Client.Release(file, handle).IsOk();
        Assert.Equal("\0\0xy4567xy"u8.ToArray(), server.Host.ReadFile("f"));
    }

    private static Server Prepared(bool readOnly)
    {
        var server = new Server(c =>
        {
            c.ReadOnly = readOnly;
            c.SealSize = !readOnly;
        });
        server.Host.WriteFile("f", "0123456789"u8);
        server.Host.SetXattr("f", "user.there", "x"u8, 0).IsOk();
        server.Host.Mkdir("d", O(755)).IsOk();
        return server;
    }
}
