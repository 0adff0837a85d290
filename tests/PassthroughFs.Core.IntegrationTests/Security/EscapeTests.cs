using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using PassthroughFs.Core.Passthrough;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Security;

/// <summary>No request leads out of the served directory, whatever the host does to it meanwhile.</summary>
public sealed class EscapeTests
{
    public static TheoryData<InodeFileHandles> Handles => [InodeFileHandles.Never, InodeFileHandles.Prefer];

    [Theory, MemberData(nameof(Handles))]
    public void Dotdot_at_the_root_is_the_root(InodeFileHandles handles)
    {
        using var server = new Server(c => c.InodeFileHandles = handles);
        server.Host.Mkdir("d", O(755)).IsOk();
        server.Client.Lookup(1, ".."u8, out WireNode up).IsOk();
        Assert.Equal(FuseClient.Root, up.Id);
        server.Client.Lookup(1, "."u8, out WireNode same).IsOk();
        Assert.Equal(FuseClient.Root, same.Id);
        WireNode directory = server.Find("d");
        server.Client.Lookup(directory.Id, ".."u8, out up).IsOk();
        Assert.Equal(FuseClient.Root, up.Id);
        server.Client.Lookup(directory.Id, "."u8, out same).IsOk();
        Assert.Equal(directory.Id, same.Id);
    }

    [Theory, MemberData(nameof(Handles))]
    public void Dotdot_of_a_directory_that_the_host_moved_outside_is_no_way_out(InodeFileHandles handles)
    {
        using var server = new Server(c => c.InodeFileHandles = handles);
        server.Host.Mkdir("d", O(755)).IsOk();
        WireNode directory = server.Find("d");
        string moved = Path.Combine(server.Outside, "d");
        Directory.Move(Path.Combine(server.Root, "d"), moved);
        try
        {
            Errno errno = server.Client.Lookup(directory.Id, ".."u8, out WireNode up);
            if (errno == Errno.OK)
            {
                Assert.Equal(FuseClient.Root, up.Id);
            }

            // Nothing of the directory beside the root may show, by listing either.
            server.Client.OpenDir(directory.Id, O_RDONLY, out ulong handle).IsOk();
            server.Client.ReadDirPlus(directory.Id, handle, 0, 4096, out var entries).IsOk();
            Assert.All(entries, entry => Assert.Equal(0ul, entry.Node.Id));
            server.Client.Release(directory.Id, handle, directory: true).IsOk();
        }
        finally
        {
            Directory.Delete(moved);
        }
    }

    [Fact]
    public async Task A_directory_that_flips_to_a_symlink_never_leads_a_creation_outside()
    {
        using var server = new Server();
        string path = Path.Combine(server.Root, "flip");
        string parked = Path.Combine(server.Root, "parked");
        Directory.CreateDirectory(path);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        Task flipper = Task.Run(
            () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    Directory.Move(path, parked);
                    File.CreateSymbolicLink(path, server.Outside);
                    File.Delete(path);
                    Directory.Move(parked, path);
                }
            },
            TestContext.Current.CancellationToken);
        int made = 0;
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            if (server.Client.Lookup(1, "flip"u8, out WireNode found) != Errno.OK)
            {
                continue;
            }

            byte[] name = System.Text.Encoding.ASCII.GetBytes($"f{i}");
            if (server.Client.Create(found.Id, name, O_RDWR, S_IFREG | O(644), 0, out WireNode file, out ulong handle)
                == Errno.OK)
            {
                made++;
                server.Client.Release(file.Id, handle);
                server.Client.Unlink(found.Id, name).IsOk();
                server.Client.Forget(file.Id);
            }

            server.Client.Mkdir(found.Id, "d"u8, O(755), 0, out WireNode directory);
            server.Client.Rmdir(found.Id, "d"u8);
            server.Client.Forget(directory.Id);
            server.Client.Forget(found.Id);
        }

        await flipper;
        Assert.True(made > 10, $"only {made} files were made: the race did not run");
    }

    [Theory, MemberData(nameof(Handles))]
    public async Task Only_regular_files_are_opened_and_nothing_hangs(InodeFileHandles handles)
    {
        using var server = new Server(c => c.InodeFileHandles = handles);
        server.Client.Mknod(1, "fifo"u8, S_IFIFO | O(644), 0, 0, out WireNode fifo).IsOk();
        server.Client.Mknod(1, "sock"u8, S_IFSOCK | O(644), 0, 0, out WireNode socket).IsOk();
        server.Client.Mknod(1, "null"u8, S_IFCHR | O(666), (1 << 8) | 3, 0, out WireNode device).IsOk();
        server.Client.Symlink(1, "link"u8, "fifo"u8, out WireNode link).IsOk();
        await Task.Run(
            () =>
            {
                foreach (WireNode node in new[] { fifo, socket, device, link })
                {
                    foreach (uint flags in new[] { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_TRUNC, O_PATH })
                    {
                        server.Client.Open(node.Id, flags, out _).Is(Errno.EBADF);
                    }

                    Assert.NotEqual(Errno.OK, server.Client.OpenDir(node.Id, O_RDONLY, out _));
                    Assert.NotEqual(Errno.OK, server.Client.Read(node.Id, 0, 0, new byte[9], out _));
                }

                foreach (byte[] name in new[] { "fifo"u8.ToArray(), "sock"u8.ToArray(), "null"u8.ToArray() })
                {
                    Errno errno = server.Client.Create(1, name, O_RDWR | O_CREAT, S_IFREG | O(644), 0, out _, out _);
                    Assert.NotEqual(Errno.OK, errno);
                    server.Client.Create(1, name, O_RDWR | O_CREAT | O_EXCL, S_IFREG | O(644), 0, out _, out _)
                        .Is(Errno.EEXIST);
                }
            },
            TestContext.Current.CancellationToken).WaitAsync(
                TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
    }
}
