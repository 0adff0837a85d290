using System;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Wire;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost;

/// <summary>A daemon with little memory under a guest that gives nothing back.</summary>
public sealed class HeapLimitTests : IDisposable
{
    private const long Heap = 64 << 20;
    private const int Tries = 100_000;
    private const int PerDirectory = 5_000;
    private const uint Fifo = 0x1000 | 0x1A4;

    private readonly TempDirectory _shared = new(Backing.Tmpfs);

    public HeapLimitTests() => Require.Root();

    public void Dispose() => _shared.Dispose();

    [Theory]
    [InlineData("nodes", Errno.ENOMEM)]
    [InlineData("opens", Errno.EMFILE)]
    [InlineData("listings", Errno.EMFILE)]
    public void A_guest_that_forgets_nothing_meets_errors_and_no_end(string what, Errno expected)
    {
        using DaemonProcess daemon = DaemonProcess.WithHeap(Heap, _shared.Path, "--num-request-queues", "2");
        daemon.ExpectFaults = true; // it says once what there is too much of
        var channel = new VhostChannel(daemon.SocketPath);
        using var client = new FuseClient(channel);
        Assert.Equal(Errno.OK, client.Create(FuseClient.Root, "file"u8, 2, 0x1A4, 0, out WireNode file, out _));
        ulong directory = FuseClient.Root;
        Errno result = Errno.OK;
        int done = 0;
        for (; done < Tries && result == Errno.OK; done++)
        {
            if (what == "nodes" && done % PerDirectory == 0)
            {
                result = client.Mkdir(FuseClient.Root, Name('d', done), 0x1ED, 0, out WireNode made);
                directory = made.Id;
            }
            else
            {
                result = what switch
                {
                    "nodes" => client.Mknod(directory, Name('f', done), Fifo, 0, 0, out _),
                    "opens" => client.Open(file.Id, 0, out _),
                    _ => client.OpenDir(FuseClient.Root, 0, out _),
                };
            }
        }

        Assert.Equal(expected, result);
        Assert.InRange(done, 1_000, Tries - 1);

        // What it has goes on, and what it gives back it can use again.
        Assert.Equal(Errno.OK, client.GetAttr(file.Id, null, out _));
        Assert.Equal(Errno.OK, client.Lookup(FuseClient.Root, "file"u8, out _));
        if (what == "nodes")
        {
            Assert.Equal(Errno.ENOMEM, client.Mkdir(FuseClient.Root, "new"u8, 0x1ED, 0, out _));
            Assert.False(System.IO.Directory.Exists(_shared["new"]), "it was made, and the guest was not told of it");
            client.Forget(directory);
            Assert.Equal(Errno.OK, client.Mkdir(FuseClient.Root, "new"u8, 0x1ED, 0, out _));
        }

        daemon.AwaitOutput("Said once.");
    }

    private static byte[] Name(char kind, int number) => Encoding.ASCII.GetBytes($"{kind}{number}");
}
