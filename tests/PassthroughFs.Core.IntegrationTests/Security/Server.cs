using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Wire;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Security;

/// <summary>
/// A served directory and a client that says whatever it wants, with things beside the root that it must never reach.
/// </summary>
internal sealed class Server : IDisposable
{
    private static readonly byte[] Sentinel = "must stay as it is"u8.ToArray();

    private readonly TempDirectory _top;
    private readonly PassthroughFileSystem _fs;

    public Server(Action<PassthroughConfig>? configure = null, Backing backing = Backing.Disk)
    {
        Require.Root();
        _top = new TempDirectory(backing);
        Outside = _top["outside"];
        Root = _top["root"];
        Directory.CreateDirectory(Outside);
        Directory.CreateDirectory(Root);
        File.WriteAllBytes(Path.Combine(Outside, "sentinel"), Sentinel);
        Host = new HostPosix(Root);
        var config = new PassthroughConfig { RootDir = Root, Xattr = true };
        configure?.Invoke(config);
        _fs = new PassthroughFileSystem(config);
        Client = new FuseClient(new DispatchChannel(_fs));
    }

    public FuseClient Client { get; }

    /// <summary>The served directory as the host has it.</summary>
    public IPosix Host { get; }

    public string Root { get; }

    /// <summary>A directory beside the served one.</summary>
    public string Outside { get; }

    public WireNode Find(string path)
    {
        var node = new WireNode(FuseClient.Root, 0, new FileStat(0, 0, 0, 0, 0, 0, 0, 0, default, default, default));
        foreach (string name in path.Split('/'))
        {
            Client.Lookup(node.Id, System.Text.Encoding.UTF8.GetBytes(name), out node).IsOk();
        }

        return node;
    }

    public void Dispose()
    {
        Client.Dispose();
        _fs.Dispose();
        Host.Dispose();
        try
        {
            Assert.Equal(Sentinel, File.ReadAllBytes(Path.Combine(Outside, "sentinel")));
            Assert.Equal(["sentinel"], new HostPosix(Outside).Names(""));
            Assert.Equal(["outside", "root"], new HostPosix(_top.Path).Names(""));
            Assert.Empty(OpenFiles.Below(_top.Path));
        }
        finally
        {
            _top.Dispose();
        }
    }
}
