using System;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Suite;

public sealed class XattrTests(WayPool ways)
{
    [Theory, EveryWay]
    public void Attributes_are_set_read_listed_and_removed(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.Mkdir("d", O(755)).IsOk();
        foreach (string name in new[] { "f", "d" })
        {
            s.P.SetXattr(name, "user.one", "1"u8, 0).IsOk();
            s.P.SetXattr(name, "user.empty", [], 0).IsOk();
            s.P.SetXattr(name, "trusted.two", new byte[] { 0, 255, 0 }, 0).IsOk();
            Assert.Equal("1"u8.ToArray(), s.P.Xattr(name, "user.one"));
            Assert.Equal([], s.P.Xattr(name, "user.empty")!);
            Assert.Equal([0, 255, 0], s.Host.Xattr(name, "trusted.two")!);
            Assert.Equal(["trusted.two", "user.empty", "user.one"], List(s, name));
            s.P.RemoveXattr(name, "user.one").IsOk();
            Assert.Null(s.P.Xattr(name, "user.one"));
            s.P.RemoveXattr(name, "user.one").Is(Errno.ENODATA);
            Assert.Equal(["trusted.two", "user.empty"], List(s, name));
        }
    }

    [Theory, EveryWay]
    public void Trusted_attributes_work_on_links_and_fifos_too(string way)
    {
        using Scene s = ways.Open(way);
        s.P.Symlink("nowhere", "l").IsOk();
        s.P.Mknod("p", S_IFIFO | O(644), 0).IsOk();
        foreach (string name in new[] { "l", "p" })
        {
            s.P.SetXattr(name, "trusted.t", "v"u8, 0).IsOk();
            Assert.Equal("v"u8.ToArray(), s.P.Xattr(name, "trusted.t"));
            Assert.Equal(["trusted.t"], List(s, name));
            s.P.SetXattr(name, "user.u", "v"u8, 0).Is(Errno.EPERM);
            s.P.RemoveXattr(name, "trusted.t").IsOk();
            Assert.Empty(List(s, name));
        }
    }

    [Theory, EveryWay]
    public void XATTR_CREATE_and_XATTR_REPLACE_keep_to_their_conditions(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.SetXattr("f", "user.a", "1"u8, XATTR_REPLACE).Is(Errno.ENODATA);
        s.P.SetXattr("f", "user.a", "1"u8, XATTR_CREATE).IsOk();
        s.P.SetXattr("f", "user.a", "2"u8, XATTR_CREATE).Is(Errno.EEXIST);
        s.P.SetXattr("f", "user.a", "3"u8, XATTR_REPLACE).IsOk();
        Assert.Equal("3"u8.ToArray(), s.P.Xattr("f", "user.a"));
    }

    [Theory, EveryWay]
    public void Sizes_are_told_and_too_small_buffers_are_ERANGE(string way)
    {
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8);
        s.P.SetXattr("f", "user.a", Bytes.Pattern(1000), 0).IsOk();
        s.P.GetXattr("f", "user.a", [], out int size).IsOk();
        Assert.Equal(1000, size);
        s.P.GetXattr("f", "user.a", new byte[999], out _).Is(Errno.ERANGE);
        byte[] exact = new byte[1000];
        s.P.GetXattr("f", "user.a", exact, out size).IsOk();
        Assert.Equal(Bytes.Pattern(1000), exact);
        s.P.ListXattr("f", [], out size).IsOk();
        Assert.Equal(7, size);
        s.P.ListXattr("f", new byte[6], out _).Is(Errno.ERANGE);
        s.P.GetXattr("f", "user.missing", new byte[10], out _).Is(Errno.ENODATA);
        s.P.GetXattr("f", "user.missing", [], out _).Is(Errno.ENODATA);
    }

    [Theory, EveryWay]
    public void Unknown_namespaces_and_long_names_are_refused_as_on_the_host(string way)
    {
        using Scene s = ways.Open(way);
        using Scene bare = ways.OpenBareLike(way);
        s.P.WriteFile("f", "x"u8);
        bare.P.WriteFile("f", "x"u8);
        string[] names = ["nonsense", "bogus.a", "user.", "user." + new string('n', 250), "system.bogus"];
        foreach (string name in names)
        {
            Assert.Equal(
                (name, bare.P.SetXattr("f", name, "v"u8, 0)), (name, s.P.SetXattr("f", name, "v"u8, 0)));
            Assert.Equal(
                (name, bare.P.GetXattr("f", name, new byte[9], out _)),
                (name, s.P.GetXattr("f", name, new byte[9], out _)));
        }
    }

    [Theory, EveryWay(KernelOnly = true)]
    public void Access_lists_set_by_setfacl_are_the_hosts(string way)
    {
        Require.Program("setfacl", "getfacl");
        using Scene s = ways.Open(way);
        s.P.WriteFile("f", "x"u8, 640);
        s.P.Mkdir("d", O(755)).IsOk();
        ShellResult set = Shell.Script(
            "setfacl -m u:65533:rw f && setfacl -d -m g:65532:rx d && mkdir d/sub && getfacl -cpn f d d/sub", s.Path);
        Assert.True(set.ExitCode == 0, set.All);
        ShellResult host = Shell.Script("getfacl -cpn f d d/sub", s.HostDirectory);
        Assert.Equal(host.Out, set.Out);
        Assert.Contains("user:65533:rw-", set.Out, StringComparison.Ordinal);
        Assert.Contains("default:group:65532:r-x", set.Out, StringComparison.Ordinal);
        Assert.Equal(2, set.Out.Split("default:group:65532:r-x").Length - 1);
    }

    private static string[] List(Scene s, string path)
    {
        byte[] buffer = new byte[4096];
        s.P.ListXattr(path, buffer, out int size).IsOk();
        return
        [
            .. Encoding.UTF8.GetString(buffer, 0, size).Split('\0', StringSplitOptions.RemoveEmptyEntries)
                .Order(StringComparer.Ordinal),
        ];
    }
}
