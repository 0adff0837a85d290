using System;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Other names of extended attributes for the client than on the host.</summary>
public sealed class XattrMapTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    private static RequestContext Context => default;

    [Theory]
    [InlineData(":map::user.guest.:", "trusted.a", Errno.OK, "user.guest.trusted.a")]
    [InlineData(":map::user.guest.:", "user.b", Errno.OK, "user.guest.user.b")]
    [InlineData("/map/trusted./user.guest./", "trusted.a", Errno.OK, "user.guest.trusted.a")]
    [InlineData("/map/trusted./user.guest./", "user.b", Errno.OK, "user.b")]
    [InlineData("/map/trusted./user.guest./", "user.guest.trusted.a", Errno.EPERM, "")]
    [InlineData(":bad:all:security.:security.: :ok:all:::", "security.x", Errno.EPERM, "")]
    [InlineData(":unsupported:client:trusted.:::ok:all:::", "trusted.x", Errno.EOPNOTSUPP, "")]
    [InlineData(":ok:all:user.:user.::bad:all:::", "user.x", Errno.OK, "user.x")]
    [InlineData(":ok:all:user.:user.::bad:all:::", "trusted.x", Errno.EPERM, "")]
    [InlineData(":ok:server::: :bad:client:::", "user.x", Errno.EPERM, "")]
    public void The_first_rule_for_a_name_of_the_client_counts(string text, string client, Errno error, string host)
    {
        byte[] buffer = new byte[Linux.NAME_MAX];
        Assert.Equal(error, Parse(text).ToHost(Encoding.UTF8.GetBytes(client), buffer, out int length));
        Assert.Equal(host, error == Errno.OK ? Encoding.UTF8.GetString(buffer, 0, length) : "");
    }

    [Theory]
    [InlineData(":map::user.guest.:", "user.guest.trusted.a", "trusted.a")]
    [InlineData(":map::user.guest.:", "user.guest.", null)]
    [InlineData(":map::user.guest.:", "user.b", null)]
    [InlineData("/map/trusted./user.guest./", "user.guest.trusted.a", "trusted.a")]
    [InlineData("/map/trusted./user.guest./", "user.guest.b", "user.guest.b")]
    [InlineData("/map/trusted./user.guest./", "trusted.a", null)]
    [InlineData("/map/trusted./user.guest./", "user.b", "user.b")]
    [InlineData(":unsupported:server::trusted.: :ok:all:::", "trusted.x", null)]
    [InlineData(":ok:client::: :bad:server:::", "user.x", null)]
    public void The_first_rule_for_a_name_of_the_host_counts(string text, string host, string? client)
    {
        bool isSeen = Parse(text).TryToClient(Encoding.UTF8.GetBytes(host), out ReadOnlySpan<byte> name);
        Assert.Equal(client, isSeen ? Encoding.UTF8.GetString(name) : null);
    }

    [Theory]
    [InlineData("", "end with one for all")]
    [InlineData(":ok:all:user.:user.:", "end with one for all")]
    [InlineData(":ok:client:::", "end with one for all")]
    [InlineData(":ok:all::", "begins with no rule")]
    [InlineData("ok", "begins with no rule")]
    [InlineData(":fine:all:::", "begins with no rule")]
    [InlineData(":ok:everywhere:::", "begins with no rule")]
    [InlineData(":0:all:::", "begins with no rule")]
    [InlineData(":map:::", "begins with no rule")]
    [InlineData(":map::user.x.: :ok:all:::", "comes after a map rule")]
    [InlineData(":ok:all::: and more", "\"and more\" begins with no rule")]
    public void What_is_no_map_is_refused_with_a_reason(string text, string fault)
    {
        Assert.False(XattrMap.TryParse(text, out _, out string? said));
        Assert.Contains(fault, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(":ok:all:user.:user.::bad:all:::")]
    [InlineData("/prefix/client/a:b/c:d//ok/all///")]
    public void A_map_is_written_as_it_is_read(string text) => Assert.Equal(text, Parse(text).ToString());

    [Fact]
    public void Rules_that_are_none_are_refused()
    {
        XattrRule all = new(XattrRuleKind.Ok, XattrScope.All, "", "");
        Assert.Throws<ArgumentException>(() => new XattrMap([]));
        Assert.Throws<ArgumentException>(() => new XattrMap([all with { Kind = (XattrRuleKind)9 }]));
        Assert.Throws<ArgumentException>(() => new XattrMap([all with { Scope = 0 }, all]));
        Assert.Throws<ArgumentException>(() => new XattrMap([all with { Prepend = new string('x', 256) }, all]));
        Assert.Equal([all], new XattrMap([all]).Rules);
    }

    [Fact]
    public void Attributes_of_the_client_are_under_other_names_on_the_host()
    {
        using Client client = new(_directory, ":map::user.guest.:");
        NodeId node = client.File("f");
        Assert.Equal(Errno.OK, client.Set(node, "trusted.a", "1"));
        Assert.Equal(Errno.OK, client.Set(node, "user.b", "2"));
        Assert.Equal(Errno.OK, client.SetOnHost(node, "user.hidden", "3"));
        Assert.Equal(["trusted.a", "user.b"], client.List(node).Order());
        Assert.Equal(
            ["user.guest.trusted.a", "user.guest.user.b", "user.hidden"], client.ListOnHost(node).Order());
        Assert.Equal("1", client.Get(node, "trusted.a"));
        Assert.Equal(Errno.OK, client.Mapped.RemoveXattr(Context, node, "trusted.a"u8));
        Assert.Equal(["user.b"], client.List(node));
        Assert.Equal(Errno.ENODATA, client.Mapped.GetXattr(Context, node, "trusted.a"u8, default, out _));
    }

    [Fact]
    public void A_list_is_as_long_as_it_says_and_no_longer_than_there_is_room()
    {
        using Client client = new(_directory, ":map::user.guest.:");
        NodeId node = client.File("f");
        client.Set(node, "user.b", "2");
        client.SetOnHost(node, "user.hidden", "3");
        Assert.Equal(Errno.OK, client.Mapped.ListXattr(Context, node, default, out int size));
        Assert.Equal("user.b".Length + 1, size);
        byte[] list = new byte[size];
        Assert.Equal(Errno.OK, client.Mapped.ListXattr(Context, node, list, out size));
        Assert.Equal("user.b\0"u8, list);
        Assert.Equal(Errno.ERANGE, client.Mapped.ListXattr(Context, node, list.AsSpan(1), out _));
    }

    [Fact]
    public void A_name_that_becomes_too_long_is_out_of_range()
    {
        using Client client = new(_directory, ":map::user.guest.:");
        NodeId node = client.File("f");
        Assert.Equal(Errno.ERANGE, client.Set(node, "user." + new string('x', 240), "1"));
        Assert.Equal(Errno.OK, client.Set(node, "user." + new string('x', 239), "1"));
    }

    [Theory]
    [InlineData(":ok:all:::", InitFlags.None)]
    [InlineData(":map::user.guest.:", Acls | Privileges)]
    [InlineData(":map:trusted.:user.guest.:", InitFlags.None)]
    [InlineData(":map:security.:user.guest.:", Privileges)]
    [InlineData(":bad:client:system.::: :ok:all:::", Acls)]
    [InlineData(":bad:server::system.:: :ok:all:::", Acls)]
    public void What_the_host_cannot_know_under_other_names_is_not_agreed_on(string text, InitFlags missing)
    {
        using var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = _directory.Path,
            Xattr = true,
            PosixAcl = true,
            KillprivV2 = true,
        });
        XattrMappedFileSystem mapped = new(fs, Parse(text.Replace(":: :", ": :", StringComparison.Ordinal)));
        Assert.Equal(Errno.OK, mapped.Init(Context, Acls | Privileges, out InitFlags accepted));
        Assert.Equal((Acls | Privileges) & ~missing, accepted);
    }

    protected override void Cleanup() => _directory.Dispose();

    private const InitFlags Acls = InitFlags.FUSE_POSIX_ACL;
    private const InitFlags Privileges = InitFlags.FUSE_HANDLE_KILLPRIV_V2;

    private static XattrMap Parse(string text)
    {
        Assert.True(XattrMap.TryParse(text, out XattrMap? map, out string? fault), fault);
        return map;
    }

    private sealed class Client : IDisposable
    {
        private readonly HostDirectory _directory;
        private readonly PassthroughFileSystem _fs;

        public Client(HostDirectory directory, string map)
        {
            _directory = directory;
            _fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = directory.Path, Xattr = true });
            Mapped = new XattrMappedFileSystem(_fs, Parse(map));
            Assert.Equal(Errno.OK, Mapped.Init(Context, InitFlags.None, out _));
        }

        public XattrMappedFileSystem Mapped { get; }

        public NodeId File(string name)
        {
            _directory.File(name);
            Assert.Equal(Errno.OK, Mapped.Lookup(Context, NodeId.Root, name, out Entry entry));
            return entry.Node;
        }

        public Errno Set(NodeId node, string name, string value) => Set(Mapped, node, name, value);

        public Errno SetOnHost(NodeId node, string name, string value) => Set(_fs, node, name, value);

        public string[] List(NodeId node) => List(Mapped, node);

        public string[] ListOnHost(NodeId node) => List(_fs, node);

        public string Get(NodeId node, string name)
        {
            byte[] value = new byte[100];
            Assert.Equal(
                Errno.OK, Mapped.GetXattr(Context, node, Encoding.UTF8.GetBytes(name), value, out int size));
            return Encoding.UTF8.GetString(value, 0, size);
        }

        public void Dispose() => _fs.Dispose();

        private static Errno Set(IFileSystem fs, NodeId node, string name, string value) => fs.SetXattr(
            Context, node, Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(value), 0, false);

        private static string[] List(IFileSystem fs, NodeId node)
        {
            byte[] list = new byte[1000];
            Assert.Equal(Errno.OK, fs.ListXattr(Context, node, list, out int size));
            return [.. Encoding.UTF8.GetString(list, 0, size).Split('\0', StringSplitOptions.RemoveEmptyEntries)];
        }
    }
}
