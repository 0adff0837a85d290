using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Security;

/// <summary>Every name of every operation is one component, or the request is refused.</summary>
public sealed class BadNameTests
{
    private delegate Errno Call(FuseClient client, byte[] name);

    private static readonly Dictionary<string, Call> Calls = new()
    {
        ["lookup"] = (c, n) => c.Lookup(1, n, out _),
        ["create"] = (c, n) => c.Create(1, n, O_RDWR | O_CREAT, S_IFREG | O(644), 0, out _, out _),
        ["mknod"] = (c, n) => c.Mknod(1, n, S_IFREG | O(644), 0, 0, out _),
        ["mkdir"] = (c, n) => c.Mkdir(1, n, O(755), 0, out _),
        ["symlink"] = (c, n) => c.Symlink(1, n, "t"u8, out _),
        ["link"] = (c, n) => c.Link(File(c), 1, n, out _),
        ["unlink"] = (c, n) => c.Unlink(1, n),
        ["rmdir"] = (c, n) => c.Rmdir(1, n),
        ["rename from"] = (c, n) => c.Rename(1, n, 1, "new"u8, 0),
        ["rename to"] = (c, n) => c.Rename(1, "file"u8, 1, n, 0),
        ["rename2 from"] = (c, n) => c.Rename(1, n, 1, "new"u8, RENAME_NOREPLACE),
        ["rename2 to"] = (c, n) => c.Rename(1, "file"u8, 1, n, RENAME_NOREPLACE),
        ["exchange"] = (c, n) => c.Rename(1, "file"u8, 1, n, RENAME_EXCHANGE),
    };

    public static TheoryData<string, string> Matrix
    {
        get
        {
            var data = new TheoryData<string, string>();
            string[] names =
            [
                "", "/", "a/b", "/etc", "dir/inside", "../outside/sentinel", ".", "..", "file/", "/abs",
                new string('n', 256), new string('n', 3000),
            ];
            foreach (string call in Calls.Keys)
            {
                foreach (string name in names.Where(n => call != "lookup" || n is not ("." or "..")))
                {
                    data.Add(call, name);
                }
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Matrix))]
    public void A_name_that_is_no_single_component_is_refused(string call, string name)
    {
        using Server server = Prepared();
        Errno expected = name.Length > 255 && !name.Contains('/', StringComparison.Ordinal)
            ? Errno.ENAMETOOLONG
            : Errno.EINVAL;
        Calls[call](server.Client, Encoding.UTF8.GetBytes(name)).Is(expected);
        Assert.Equal(["dir", "file"], server.Host.Names(""));
        Assert.Equal(["inside"], server.Host.Names("dir"));
        Assert.Equal("content"u8.ToArray(), server.Host.ReadFile("file"));
    }

    [Theory]
    [InlineData("lookup")]
    [InlineData("create")]
    [InlineData("mknod")]
    [InlineData("mkdir")]
    [InlineData("symlink")]
    [InlineData("link")]
    [InlineData("unlink")]
    [InlineData("rmdir")]
    [InlineData("rename to")]
    public void A_NUL_in_a_name_does_not_make_another_name_of_it(string call)
    {
        using Server server = Prepared();

        // To the wire this is a name with something behind it: refused, or at most the name up to the NUL.
        Errno errno = Calls[call](server.Client, "file\0/../../outside/sentinel"u8.ToArray());
        Assert.Contains(errno, new[] { Errno.EINVAL, Errno.OK, Errno.EEXIST, Errno.ENOTDIR });
        Assert.DoesNotContain("sentinel", server.Host.Names(""));
        Assert.All(server.Host.Names(""), name => Assert.Contains(name, new[] { "dir", "file" }));
    }

    [Fact]
    public void An_absolute_symlink_is_stored_and_never_followed_by_the_server()
    {
        using Server server = Prepared();
        string target = Path.Combine(server.Outside, "sentinel");
        server.Client.Symlink(1, "evil"u8, Encoding.UTF8.GetBytes(target), out WireNode link).IsOk();
        server.Client.Open(link.Id, O_RDWR, out _).Is(Errno.EBADF);
        server.Client.Create(1, "evil"u8, O_RDWR | O_CREAT | O_TRUNC, S_IFREG | O(644), 0, out _, out _)
            .Is(Errno.ELOOP);
        server.Client.SetAttr(link.Id, SetAttrFields.FATTR_SIZE, size: 0);
        server.Client.SetAttr(link.Id, SetAttrFields.FATTR_UID, uid: 77).IsOk();
        server.Client.SetAttr(link.Id, SetAttrFields.FATTR_MTIME, modification: new PosixTime(1, 1)).IsOk();
        server.Client.SetXattr(link.Id, "trusted.x"u8, "y"u8, 0).IsOk();
        server.Client.Mkdir(link.Id, "d"u8, O(755), 0, out _).Is(Errno.ENOTDIR);
        server.Client.Lookup(link.Id, "d"u8, out _).Is(Errno.ENOTDIR);
        var outside = new HostPosix(server.Outside);
        Assert.Equal(0u, outside.Stat("sentinel").Uid);
        Assert.Null(outside.Xattr("sentinel", "trusted.x"));
        Assert.Equal(77u, server.Host.Stat("evil").Uid);
    }

    [Fact]
    public void Type_bits_in_a_mode_do_not_change_what_is_made()
    {
        using Server server = Prepared();
        server.Client.Mkdir(1, "d"u8, S_IFREG | O(755), 0, out WireNode directory).IsOk();
        Assert.Equal(S_IFDIR, directory.Stat.Kind);
        server.Client.Create(1, "f"u8, O_RDWR, S_IFCHR | O(644), 0, out WireNode file, out ulong handle).IsOk();
        Assert.Equal(S_IFREG, file.Stat.Kind);
        server.Client.Release(file.Id, handle).IsOk();
        server.Client.SetAttr(file.Id, SetAttrFields.FATTR_MODE, mode: S_IFCHR | O(600)).IsOk();
        Assert.Equal(S_IFREG | O(600), server.Host.Stat("f").Mode);
    }

    private static ulong File(FuseClient client)
    {
        client.Lookup(1, "file"u8, out WireNode node).IsOk();
        return node.Id;
    }

    private static Server Prepared()
    {
        var server = new Server();
        server.Host.WriteFile("file", "content"u8);
        server.Host.Mkdir("dir", O(755)).IsOk();
        server.Host.WriteFile("dir/inside", "x"u8);
        return server;
    }
}
