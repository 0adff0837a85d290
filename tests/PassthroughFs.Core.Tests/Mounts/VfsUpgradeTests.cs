using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>A successor goes on with a tree of mounts.</summary>
public sealed class VfsUpgradeTests : DescriptorCheck
{
    private const InitFlags Everything = (InitFlags)ulong.MaxValue;

    private readonly HostDirectory _directory = new();
    private readonly List<PassthroughFileSystem> _made = [];

    private static RequestContext Context => default;

    [Fact]
    public void Nodes_of_all_mounts_mean_what_they_meant()
    {
        Vfs.Vfs vfs = Tree("/x/a", "/b");
        Entry a = Find(vfs, "/x/a/f"), b = Find(vfs, "/b/f"), x = Find(vfs, "/x");
        Vfs.Vfs next = Succeed(vfs);
        Assert.Equal(["/b", "/x/a"], next.Mounts.Select(mount => mount.Path));
        Assert.Equal("/x/a", Read(next, a.Node));
        Assert.Equal("/b", Read(next, b.Node));
        Assert.Equal((a.Node, b.Node, x.Node), (Find(next, "/x/a/f").Node, Find(next, "/b/f").Node, Find(next, "/x").Node));
        next.Mount("/c", New("/c"));
        Assert.Equal("/c", Read(next, Find(next, "/c/f").Node));
    }

    [Fact]
    public async Task What_was_unmounted_and_is_in_use_serves_on_and_is_released_in_the_end()
    {
        Vfs.Vfs vfs = Tree("/a");
        Entry root = Find(vfs, "/a"), f = Find(vfs, "/a/f");
        vfs.Unmount("/a");
        List<VfsMount> restored = [];
        Vfs.Vfs next = Succeed(vfs, restored);
        Assert.Empty(next.Mounts);
        Assert.Equal("/a", Read(next, f.Node));
        VfsMount mount = Assert.Single(restored);
        Assert.False(mount.Released.IsCompleted);
        next.Forget(Context, f.Node, 1);
        next.Forget(Context, root.Node, 1);
        await mount.Released.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal(Errno.ESTALE, next.GetAttr(Context, f.Node, Handle.None, out _));
    }

    [Fact]
    public async Task An_index_that_rests_rests_on()
    {
        Vfs.Vfs vfs = Tree("/a");
        Entry f = Find(vfs, "/a/f");
        await vfs.Unmount("/a", UnmountMode.Revoke).Released.WaitAsync(TestContext.Current.CancellationToken);
        Vfs.Vfs next = Succeed(vfs);
        var indexes = new HashSet<int>();
        for (int i = 0; i < Vfs.Vfs.MaxMounts - 1; i++)
        {
            indexes.Add(next.Mount($"/m{i}", new StampedBackend(i)).Index);
        }

        Assert.DoesNotContain((int)(f.Node.Value >> 56), indexes);
        Assert.Equal(Errno.ESTALE, next.GetAttr(Context, f.Node, Handle.None, out _));
        Assert.Throws<VfsException>(() => next.Mount("/more", new StampedBackend(0)));
    }

    [Fact]
    public void A_state_that_is_cut_off_or_of_another_version_is_refused()
    {
        Vfs.Vfs vfs = Tree("/a", "/b");
        Find(vfs, "/a/f");
        int size = int.MaxValue;
        for (int length = 0; length < size; length += 3)
        {
            byte[] state = HandOver.Save(vfs, out KeptFds fds);
            using (fds)
            {
                size = state.Length;
                Vfs.Vfs next = Empty([]);
                Assert.Throws<InvalidDataException>(() => HandOver.Restore(next, state[..length], fds));
                Assert.Empty(next.Mounts);
            }
        }

        byte[] other = HandOver.Save(vfs, out KeptFds others);
        using (others)
        {
            other[8]++;
            var error = Assert.Throws<InvalidDataException>(() => HandOver.Restore(Empty([]), other, others));
            Assert.Equal("it is of version 2, and this program reads version 1", error.Message);
        }
    }

    [Fact]
    public void A_mount_without_a_state_is_named()
    {
        var vfs = new Vfs.Vfs();
        vfs.Mount("/a", new StampedBackend(1));
        vfs.Init(Context, Everything, out _);
        var error = Assert.Throws<NotSupportedException>(() => HandOver.Save(vfs, out _));
        Assert.Contains("\"/a\"", error.Message, StringComparison.Ordinal);
    }

    protected override void Cleanup()
    {
        _made.ForEach(fs => fs.Dispose());
        _directory.Dispose();
    }

    private static Entry Find(Vfs.Vfs vfs, string path)
    {
        Assert.Equal(Errno.OK, vfs.LookupPath(Context, path, out Entry entry));
        return entry;
    }

    private static string Read(Vfs.Vfs vfs, NodeId node)
    {
        byte[] buffer = new byte[100];
        Assert.Equal(Errno.OK, vfs.Open(Context, node, Linux.O_RDONLY, 0, out OpenReply open));
        Assert.Equal(Errno.OK, vfs.Read(Context, node, open.Handle, 0, buffer, out int read));
        Assert.Equal(Errno.OK, vfs.Release(Context, node, open.Handle, default));
        return System.Text.Encoding.UTF8.GetString(buffer, 0, read);
    }

    /// <summary>Directories with a file in each that says where it is mounted.</summary>
    private Vfs.Vfs Tree(params string[] paths)
    {
        Vfs.Vfs vfs = Empty([]);
        foreach (string path in paths)
        {
            vfs.Mount(path, New(path));
        }

        Assert.Equal(Errno.OK, vfs.Init(Context, Everything, out _));
        return vfs;
    }

    private Vfs.Vfs Empty(List<VfsMount> restored) => new(new VfsOptions
    {
        RestoreMount = mount =>
        {
            restored.Add(mount);
            return New(mount.Path);
        },
    });

    private Vfs.Vfs Succeed(Vfs.Vfs vfs, List<VfsMount>? restored = null)
    {
        byte[] state = HandOver.Save(vfs, out KeptFds fds);
        using (fds)
        {
            _made.ForEach(fs => fs.Dispose());
            Vfs.Vfs next = Empty(restored ?? []);
            HandOver.Restore(next, state, fds);
            return next;
        }
    }

    private PassthroughFileSystem New(string path)
    {
        string name = path.Replace('/', '-');
        string source = _directory.Folder(name);
        _directory.File($"{name}/f", path);
        var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = source, DoImport = false });
        _made.Add(fs);
        return fs;
    }
}
