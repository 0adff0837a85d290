using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Mounts come and go under requests: what a client holds is never another file.</summary>
public sealed class VfsRaceTests
{
    private static RequestContext Context => default;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Hundreds_of_mounts_and_unmounts_while_nodes_are_held_never_give_a_wrong_file(int seed)
    {
        Random random = new(seed);
        var vfs = new Vfs.Vfs();
        Dictionary<string, int> live = [];
        Dictionary<ulong, (int Stamp, ulong Count)> held = [];
        HashSet<int> revoked = [];
        int mounts = 0;
        int full = 0;
        while (mounts < 1000)
        {
            string path = $"/{random.Next(3)}/{random.Next(8)}";
            switch (random.Next(10))
            {
                case 0 or 1:
                    try
                    {
                        // Over a mount it replaces it, and that one is detached.
                        vfs.Mount(path, new StampedBackend(++mounts));
                        live[path] = mounts;
                    }
                    catch (VfsException e) when (e.Error == Errno.ENOSPC)
                    {
                        full++;
                        GiveBack(vfs, held, held.Keys.ToArray());
                    }

                    break;
                case 2 when live.Remove(path, out int gone):
                    bool isRevoked = random.Next(2) == 0;
                    VfsMount mount = vfs.Unmount(path, isRevoked ? UnmountMode.Revoke : UnmountMode.Detach);
                    if (isRevoked)
                    {
                        revoked.Add(gone);
                        Ended.Wait(mount);
                        Assert.False(((StampedBackend)mount.FileSystem).CalledTooLate);
                        ((StampedBackend)mount.FileSystem).Disposed = true;
                    }

                    break;
                case 3 when held.Count > 0:
                    ulong[] some = [.. held.Keys.Where(_ => random.Next(3) == 0)];
                    GiveBack(vfs, held, some);
                    break;
                default:
                    Errno found = vfs.LookupPath(Context, path, out Entry root);
                    Assert.Equal(live.ContainsKey(path) ? Errno.OK : Errno.ENOENT, found);
                    if (found == Errno.OK)
                    {
                        Note(held, root, live[path]);
                        vfs.Lookup(Context, root.Node, $"{random.Next(2, 6)}", out Entry child);
                        Note(held, child, live[path]);
                    }

                    break;
            }

            foreach ((ulong node, (int stamp, _)) in held)
            {
                Errno result = vfs.GetAttr(Context, new NodeId(node), Handle.None, out AttrReply reply);
                Assert.Equal(revoked.Contains(stamp) ? Errno.ESTALE : Errno.OK, result);
                Assert.True(result != Errno.OK || reply.Attributes.Size == (ulong)stamp, "a wrong file");
            }
        }

        Assert.True(full > 0 || held.Count > 0);
    }

    [Fact]
    public void Under_threads_no_request_meets_a_file_system_that_was_released()
    {
        var vfs = new Vfs.Vfs();
        var backends = new ConcurrentBag<StampedBackend>();
        var wrong = new ConcurrentQueue<string>();
        long end = Stopwatch.GetTimestamp() + (long)(Threads.StressTime.TotalSeconds * Stopwatch.Frequency);
        int mounts = 0;
        Threads.Run(6, thread =>
        {
            Random random = new(thread);
            List<Entry> held = [];
            while (Stopwatch.GetTimestamp() < end || System.Threading.Volatile.Read(ref mounts) < 300)
            {
                string path = $"/m/{random.Next(4)}";
                if (thread == 0)
                {
                    StampedBackend backend = new(++mounts);
                    backends.Add(backend);
                    try
                    {
                        VfsMount mount = vfs.Mount(path, backend);
                        UnmountMode mode = random.Next(2) == 0 ? UnmountMode.Detach : UnmountMode.Revoke;
                        mount = random.Next(4) == 0 ? mount : vfs.Unmount(path, mode);
                        _ = mount.Released.ContinueWith(
                            _ => backend.Disposed = true, System.Threading.Tasks.TaskScheduler.Default);
                    }
                    catch (VfsException e) when (e.Error is Errno.ENOSPC or Errno.ENOENT)
                    {
                        System.Threading.Thread.Yield();
                    }

                    continue;
                }

                if (vfs.LookupPath(Context, $"{path}/{random.Next(2, 9)}", out Entry entry) == Errno.OK)
                {
                    held.Add(entry);
                }

                vfs.ReadDirPlus(Context, NodeId.Root, default, 0, new DirectoryList());
                foreach (Entry item in held)
                {
                    Errno result = vfs.GetAttr(Context, item.Node, Handle.None, out AttrReply reply);
                    if (result is not (Errno.OK or Errno.ESTALE)
                        || (result == Errno.OK && reply.Attributes.Size != item.Attributes.Size))
                    {
                        wrong.Enqueue($"{item.Node}: {result}, {reply.Attributes.Size} for {item.Attributes.Size}");
                    }
                }

                if (held.Count > 20)
                {
                    vfs.BatchForget(Context, [.. held.Select(item => new ForgetItem(item.Node, 1))]);
                    held.Clear();
                }
            }
        });
        Assert.Empty(wrong);
        Assert.All(backends, backend => Assert.False(backend.CalledTooLate));
    }

    private static void Note(Dictionary<ulong, (int Stamp, ulong Count)> held, Entry entry, int stamp)
    {
        ulong count = held.TryGetValue(entry.Node.Value, out var known) ? known.Count : 0;
        Assert.True(count == 0 || known.Stamp == stamp, "one number for two files");
        held[entry.Node.Value] = (stamp, count + 1);
    }

    private static void GiveBack(
        Vfs.Vfs vfs, Dictionary<ulong, (int Stamp, ulong Count)> held, ulong[] nodes)
    {
        vfs.BatchForget(Context, [.. nodes.Select(node => new ForgetItem(new NodeId(node), held[node].Count))]);
        foreach (ulong node in nodes)
        {
            held.Remove(node);
        }
    }
}
