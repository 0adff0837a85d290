using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;
using PassthroughFs.Paths.Tree;
using Xunit;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>While a path is used it is not renamed or removed, and nobody waits for ever.</summary>
public sealed class PathRaceTests
{
    private const int Threads = 6;
    private const int Rounds = 3000;

    private static readonly string[] s_names = ["a", "b", "c"];

    [Fact]
    public void No_path_changes_while_it_or_one_below_is_used()
    {
        using var fs = new WatchedFileSystem();
        IFileSystem api = fs;
        var faults = new List<string>();
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(seed => new Thread(() => Run(api, seed, faults)))];
        foreach (Thread thread in threads)
        {
            thread.Start();
        }

        foreach (Thread thread in threads)
        {
            Assert.True(thread.Join(TimeSpan.FromMinutes(5)), "threads wait for each other");
        }

        Assert.Empty(faults);
        Assert.Null(fs.Fault);
        Assert.InRange(fs.Changes, 100, int.MaxValue);
        Assert.Equal((1, 0), (fs.NodeCount, fs.OpenCount));
    }

    [Fact]
    public void Whoever_gives_up_waiting_holds_up_nobody()
    {
        var tree = new PathTree(10);
        Assert.Equal(Errno.OK, tree.PinName(NodeId.Root, "d", false, out PathPin pin));
        Assert.Equal(Errno.OK, tree.CountLookup(pin, "d", Linux.S_IFDIR, out NodeId directory));
        pin.Dispose();
        Assert.Equal(Errno.OK, tree.PinName(directory, "x", false, out pin));
        Assert.Equal(Errno.OK, tree.CountLookup(pin, "x", Linux.S_IFREG, out NodeId file));
        pin.Dispose();

        // The file is used; somebody waits to remove it, and a second user waits behind that one.
        Assert.Equal(Errno.OK, tree.Pin(file, out PathPin used));
        Errno removal = Errno.OK;
        Thread remover = Start(() => removal = tree.PinName(directory, "x", true, out _));
        Thread user = Start(() =>
        {
            Assert.Equal(Errno.OK, tree.Pin(file, out PathPin second));
            second.Dispose();
        });
        tree.Forget(directory, 1);
        used.Dispose();
        bool haveEnded = remover.Join(TimeSpan.FromMinutes(1)) && user.Join(TimeSpan.FromMinutes(1));
        Assert.True(haveEnded, "somebody still waits");
        Assert.Equal(Errno.EBADF, removal);

        static Thread Start(ThreadStart what)
        {
            var thread = new Thread(what) { IsBackground = true };
            thread.Start();
            Assert.True(SpinWait.SpinUntil(
                () => thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin), TimeSpan.FromMinutes(1)));
            return thread;
        }
    }

    private static void Run(IFileSystem fs, int seed, List<string> faults)
    {
        var random = new Random(seed);
        var held = new List<NodeId>();
        var context = new RequestContext();
        try
        {
            for (int i = 0; i < Rounds; i++)
            {
                NodeId at = held.Count == 0 || random.Next(4) == 0 ? NodeId.Root : held[random.Next(held.Count)];
                NodeId to = held.Count == 0 || random.Next(4) == 0 ? NodeId.Root : held[random.Next(held.Count)];
                string name = s_names[random.Next(s_names.Length)];
                string other = s_names[random.Next(s_names.Length)];
                Entry entry = default;
                switch (random.Next(9))
                {
                    case 0 or 1:
                        _ = fs.Mkdir(context, at, name, 0x1ED, 0, out entry);
                        break;
                    case 2:
                        _ = fs.Rename(context, at, name, to, other, random.Next(3) == 0 ? Linux.RENAME_EXCHANGE : 0);
                        break;
                    case 3:
                        _ = fs.Rmdir(context, at, name);
                        break;
                    case 4:
                        _ = fs.GetAttr(context, at, Handle.None, out _);
                        break;
                    case 5:
                        List(fs, context, at, held);
                        break;
                    case 6 when held.Count > 0:
                        fs.Forget(context, held[^1], 1);
                        held.RemoveAt(held.Count - 1);
                        break;
                    default:
                        _ = fs.Lookup(context, at, name, out entry);
                        break;
                }

                if (entry.Node != NodeId.None)
                {
                    held.Add(entry.Node);
                }
            }

            held.ForEach(node => fs.Forget(context, node, 1));
        }
#pragma warning disable CA1031 // The test's own thread says what it was.
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (faults)
            {
                faults.Add(e.ToString());
            }
        }
    }

    private static void List(IFileSystem fs, in RequestContext context, NodeId node, List<NodeId> held)
    {
        if (fs.OpenDir(context, node, 0, out OpenReply reply) == Errno.OK)
        {
            var list = new DirectoryList();
            _ = fs.ReadDirPlus(context, node, reply.Handle, 0, list);
            Assert.Equal(Errno.OK, fs.ReleaseDir(context, node, reply.Handle, 0));
            held.AddRange(list.Items.Select(item => item.Entry.Node).Where(id => id != NodeId.None));
        }
    }

    private sealed class WatchedFileSystem : TreeFileSystem
    {
        private readonly List<string> _used = [];

        public string? Fault { get; private set; }

        public int Changes { get; private set; }

        protected override Errno GetAttributes(string path, out NodeAttributes attributes)
        {
            Begin(path);
            Errno error = base.GetAttributes(path, out attributes);
            End(path);
            return error;
        }

        protected override Errno List(string path, PathListing listing)
        {
            Begin(path);
            Errno error = base.List(path, listing);
            End(path);
            return error;
        }

        protected override Errno MakeDirectory(in RequestContext context, string path, uint mode)
        {
            Begin(path);
            Errno error = base.MakeDirectory(context, path, mode);
            End(path);
            return error;
        }

        protected override Errno RemoveDirectory(string path)
        {
            Check(path);
            Errno error = base.RemoveDirectory(path);
            Check(path);
            return error;
        }

        protected override Errno Rename(string path, string newPath, uint flags)
        {
            Check(path);
            Errno error = base.Rename(path, newPath, flags);
            Check(path);
            return error;
        }

        private void Begin(string path)
        {
            lock (_used)
            {
                _used.Add(path);
            }

            Thread.Yield();
        }

        private void End(string path)
        {
            lock (_used)
            {
                _used.Remove(path);
            }
        }

        // What is only looked up, and known to nobody, is not used by a node.
        private void Check(string path)
        {
            lock (_used)
            {
                Changes++;
                Fault ??= _used.Find(used => used.StartsWith(path + "/", StringComparison.Ordinal)) is { } below
                    ? $"{path} changes while {below} is used" : null;
            }
        }
    }
}
