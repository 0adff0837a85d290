using System;
using System.Linq;
using System.Reflection;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Tests.Protocol;
using PassthroughFs.Core.Vfs;
using Xunit;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Other ids for the client than for the host.</summary>
public sealed class IdMapTests
{
    private static readonly IdMap s_users = new([new IdRange(0, 100_000, 2000), new IdRange(5000, 0, 10)]);
    private static readonly IdMap s_groups = new([new IdRange(0, 200_000, 2000)]);

    [Theory]
    [InlineData(0u, true, 100_000u)]
    [InlineData(1999u, true, 101_999u)]
    [InlineData(2000u, false, 65534u)]
    [InlineData(5003u, true, 3u)]
    [InlineData(5010u, false, 65534u)]
    [InlineData(4999u, false, 65534u)]
    [InlineData(uint.MaxValue, false, 65534u)]
    public void Ids_are_mapped_within_their_ranges(uint client, bool isMapped, uint host)
    {
        Assert.Equal(isMapped, s_users.TryToHost(client, out uint found));
        Assert.Equal(host, found);
        if (isMapped)
        {
            Assert.True(s_users.TryToClient(host, out uint back));
            Assert.Equal(client, back);
        }
    }

    [Fact]
    public void The_identity_maps_every_id_but_the_one_that_is_none()
    {
        Assert.True(IdMap.Identity.TryToHost(uint.MaxValue - 1, out uint id));
        Assert.Equal(uint.MaxValue - 1, id);
        Assert.False(IdMap.Identity.TryToHost(uint.MaxValue, out _));
    }

    [Theory]
    [InlineData("0:100000:65536")]
    [InlineData("0:100000:65536,65536:0:1")]
    [InlineData("0:0:4294967295")]
    public void A_map_is_read_and_written(string text)
    {
        Assert.True(IdMap.TryParse(text, out IdMap? map, out string? fault), fault);
        Assert.Equal(text, map.ToString());
    }

    [Theory]
    [InlineData("", "no range")]
    [InlineData("0:1", "no range")]
    [InlineData("0:1:2:3", "no range")]
    [InlineData("0:1:-2", "no range")]
    [InlineData("0:1:x", "no range")]
    [InlineData("0:1:2,", "no range")]
    [InlineData("0: 1:2", "no range")]
    [InlineData("0:4294967296:1", "no range")]
    [InlineData("0:1:0", "empty")]
    [InlineData("0:4294967295:1", "beyond")]
    [InlineData("4294967295:0:1", "beyond")]
    [InlineData("1:0:4294967295", "beyond")]
    [InlineData("0:100:10,9:300:10", "overlap")]
    [InlineData("0:100:10,20:109:10", "overlap")]
    [InlineData("0:100:10,20:95:10", "overlap")]
    public void What_is_no_map_is_refused_with_the_reason(string text, string reason)
    {
        Assert.False(IdMap.TryParse(text, out _, out string? fault));
        Assert.Contains(reason, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void There_are_340_ranges_and_then_none()
    {
        IdRange[] ranges = [.. Enumerable.Range(0, 341).Select(i => new IdRange((uint)i, (uint)i, 1))];
        Assert.Equal(340, new IdMap(ranges[1..]).Ranges.Count);
        Assert.Contains("341", Assert.Throws<ArgumentException>(() => new IdMap(ranges)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new IdMap([]));
    }

    [Fact]
    public void Each_operation_with_a_caller_is_translated()
    {
        string[] without = [nameof(IFileSystem.Attach), nameof(IFileSystem.Init), nameof(IFileSystem.Destroy), nameof(IFileSystem.Forget),
            nameof(IFileSystem.BatchForget)];
        InterfaceMapping map = typeof(IdMappedFileSystem).GetInterfaceMap(typeof(IFileSystem));
        Assert.All(
            map.TargetMethods.Where(method => !without.Contains(method.Name)),
            method => Assert.True(method.DeclaringType == typeof(IdMappedFileSystem), method.Name));
        foreach (FuseCase item in FuseCases.All.Where(item => item.Call.Length > 0
            && item.Opcode is not (FUSE_FORGET or FUSE_BATCH_FORGET or FUSE_SETATTR or FUSE_DESTROY)))
        {
            RecordingFileSystem fs = new();
            Rig rig = Rig.Started(fs: new IdMappedFileSystem(fs, s_users, s_groups));
            rig.Send(item.Request());
            Assert.Equal(item.Call.Split('\n'), fs.Calls.Where(call => !call.StartsWith("Init", StringComparison.Ordinal)));
            Assert.Equal((FuseCase.Uid + 100_000, FuseCase.Gid + 200_000), (fs.Context.Uid, fs.Context.Gid));
            Assert.Equal(FuseCase.Pid, fs.Context.Pid);
        }
    }

    [Fact]
    public void Attributes_show_the_clients_ids_in_every_reply()
    {
        // What the file system answers as 111 and 112, 6 and 7 for statx.
        IdMap users = new([new IdRange(11, 111, 1), new IdRange(60, 6, 1)]);
        IdMap groups = new([new IdRange(12, 112, 1), new IdRange(70, 7, 1)]);
        IdMappedFileSystem fs = new(new RecordingFileSystem(), users, groups, UnmappedIds.Squash);
        RequestContext context = new() { Uid = 11, Gid = 12 };
        NodeId node = new(2);
        fs.Lookup(context, node, "f"u8, out Entry lookup);
        fs.Link(context, node, node, "f"u8, out Entry link);
        fs.Symlink(context, node, "f"u8, "t"u8, out Entry symlink);
        fs.Mknod(context, node, "f"u8, 0, 0, 0, out Entry mknod);
        fs.Mkdir(context, node, "f"u8, 0, 0, out Entry mkdir);
        fs.Create(context, node, "f"u8, default, out Entry create, out _);
        fs.TmpFile(context, node, default, out Entry tmpFile, out _);
        fs.Mount(out Entry root, out _);
        fs.GetAttr(context, node, default, out AttrReply getAttr);
        fs.SetAttr(context, node, default, out AttrReply setAttr);
        fs.Statx(context, node, default, 0, 0, out StatxReply statx);
        DirectoryList list = new();
        fs.ReadDirPlus(context, node, default, 0, list);
        NodeAttributes[] all =
        [
            lookup.Attributes, link.Attributes, symlink.Attributes, mknod.Attributes, mkdir.Attributes,
            create.Attributes, tmpFile.Attributes, root.Attributes, getAttr.Attributes, setAttr.Attributes,
            .. list.Items.Where(item => item.Entry.Node != NodeId.None).Select(item => item.Entry.Attributes),
        ];
        Assert.Equal(12, all.Length);
        Assert.All(all, attributes => Assert.Equal((11u, 12u), (attributes.Uid, attributes.Gid)));
        Assert.Equal((60u, 70u), (statx.Uid, statx.Gid));

        new IdMappedFileSystem(new RecordingFileSystem(), s_users, s_groups).GetAttr(context, node, default, out getAttr);
        Assert.Equal((IdMap.OverflowId, IdMap.OverflowId), (getAttr.Attributes.Uid, getAttr.Attributes.Gid));
    }

    [Theory]
    [InlineData(UnmappedIds.Refuse)]
    [InlineData(UnmappedIds.Squash)]
    public void Whoever_is_not_mapped_stores_nothing_or_nobodys(UnmappedIds policy)
    {
        RecordingFileSystem inner = new();
        IdMappedFileSystem fs = new(inner, s_users, s_groups, policy);
        NodeId node = new(2);
        foreach (RequestContext context in new RequestContext[] { new() { Uid = 3000 }, new() { Gid = 3000 } })
        {
            inner.Calls.Clear();
            Errno[] answers =
            [
                fs.Symlink(context, node, "f"u8, "t"u8, out _), fs.Mknod(context, node, "f"u8, 0, 0, 0, out _),
                fs.Mkdir(context, node, "f"u8, 0, 0, out _), fs.Create(context, node, "f"u8, default, out _, out _),
                fs.TmpFile(context, node, default, out _, out _),
            ];
            bool refuse = policy == UnmappedIds.Refuse;
            Assert.All(answers, answer => Assert.Equal(refuse ? Errno.EOVERFLOW : Errno.OK, answer));
            Assert.Equal(refuse ? 0 : 5, inner.Calls.Count);

            // Where nothing is stored it acts as nobody.
            Assert.Equal(Errno.OK, fs.Access(context, node, 0));
            Assert.Equal(context.Uid == 3000 ? IdMap.OverflowId : 100_000, inner.Context.Uid);
            Assert.Equal(context.Gid == 3000 ? IdMap.OverflowId : 200_000, inner.Context.Gid);
        }
    }

    [Fact]
    public void Setattr_stores_the_hosts_ids()
    {
        RecordingFileSystem inner = new();
        IdMappedFileSystem fs = new(inner, s_users, s_groups);
        SetAttrRequest request = new()
        {
            Valid = SetAttrFields.FATTR_UID | SetAttrFields.FATTR_GID,
            Uid = 5001,
            Gid = 1,
        };
        Assert.Equal(Errno.OK, fs.SetAttr(default, new NodeId(2), request, out _));
        Assert.EndsWith(" 1 200001", inner.Calls[^1], StringComparison.Ordinal);
        request.Gid = 2000;
        Assert.Equal(Errno.EOVERFLOW, fs.SetAttr(default, new NodeId(2), request, out _));
        request.Valid = SetAttrFields.FATTR_UID;
        Assert.Equal(Errno.OK, fs.SetAttr(default, new NodeId(2), request, out _));
        request.Uid = 2000;
        Assert.Equal(Errno.EOVERFLOW, fs.SetAttr(default, new NodeId(2), request, out _));
        fs = new IdMappedFileSystem(inner, s_users, s_groups, UnmappedIds.Squash);
        Assert.Equal(Errno.OK, fs.SetAttr(default, new NodeId(2), request, out _));
        Assert.EndsWith(" 65534 2000", inner.Calls[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Supplementary_groups_are_translated_through_two_maps_and_unmapped_ones_left_out()
    {
        RecordingFileSystem inner = new();
        IdMap down = new([new IdRange(200_000, 7000, 100)]);
        IdMappedFileSystem fs = new(
            new IdMappedFileSystem(inner, IdMap.Identity, down), s_users, s_groups, UnmappedIds.Squash);
        RequestContext context = new() { SupplementaryGroups = new uint[] { 1, 9999, 2, 1500, 3 } };
        fs.Mkdir(context, new NodeId(2), "d"u8, 0, 0, out _);
        Assert.Equal([7001u, 7002u, 7003u], inner.Groups);
        Assert.Equal([1u, 9999u, 2u, 1500u, 3u], context.SupplementaryGroups.ToArray());
    }

    [Fact]
    public void Acls_name_the_hosts_ids_below_and_the_clients_above()
    {
        AclKeeper inner = new();
        IdMappedFileSystem fs = new(inner, s_users, s_groups);
        byte[] acl = Acl((1, 9), (2, 5), (4, 9), (8, 6), (16, 9), (32, 9));
        foreach (string name in new[] { "system.posix_acl_access", "system.posix_acl_default" })
        {
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(name);
            Assert.Equal(Errno.OK, fs.SetXattr(default, new NodeId(2), bytes, acl, 0, false));
            Assert.Equal(Acl((1, 9), (2, 100_005), (4, 9), (8, 200_006), (16, 9), (32, 9)), inner.Value);
            byte[] back = new byte[100];
            Assert.Equal(Errno.OK, fs.GetXattr(default, new NodeId(2), bytes, default, out int size));
            Assert.Equal(acl.Length, size);
            Assert.Equal(Errno.OK, fs.GetXattr(default, new NodeId(2), bytes, back, out size));
            Assert.Equal(acl, back[..size]);
        }

        inner.Value = Acl((2, 50), (8, 60));
        byte[] shown = new byte[100];
        fs.GetXattr(default, new NodeId(2), "system.posix_acl_access"u8, shown, out int length);
        Assert.Equal(Acl((2, 65534), (8, 65534)), shown[..length]);
        foreach (byte[] bad in new byte[][] { [2, 0, 0], [3, 0, 0, 0], Acl((2, 5))[..^1] })
        {
            Assert.Equal(Errno.EINVAL, fs.SetXattr(default, new NodeId(2), "system.posix_acl_access"u8, bad, 0, false));
        }

        Assert.Equal(
            Errno.EOVERFLOW,
            fs.SetXattr(default, new NodeId(2), "system.posix_acl_access"u8, Acl((8, 9999)), 0, false));
        Assert.Equal(Errno.OK, fs.SetXattr(default, new NodeId(2), "user.a"u8, Acl((2, 5)), 0, false));
        Assert.Equal(Acl((2, 5)), inner.Value);
    }

    private static byte[] Acl(params (ushort Tag, uint Id)[] entries)
    {
        Bytes bytes = new Bytes().U32(2);
        foreach ((ushort tag, uint id) in entries)
        {
            bytes.U16(tag).U16(7).U32(id);
        }

        return bytes.ToArray();
    }

    private sealed class AclKeeper : IFileSystem
    {
        public byte[] Value { get; set; } = [];

        public Errno SetXattr(
            in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
            bool killSgid)
        {
            Value = value.ToArray();
            return Errno.OK;
        }

        public Errno GetXattr(
            in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
        {
            size = Value.Length;
            if (!value.IsEmpty)
            {
                Value.CopyTo(value);
            }

            return Errno.OK;
        }
    }
}
