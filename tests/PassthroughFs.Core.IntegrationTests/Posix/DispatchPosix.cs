using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Wire;

namespace PassthroughFs.Core.IntegrationTests.Posix;

/// <summary>
/// What a kernel does between a program and a FUSE server, as far as the suite needs it: walks paths by LOOKUP, keeps
/// descriptors, and gives every lookup back. Caches nothing and checks no permissions, so that whatever errno comes out
/// is the server's, save for what only a client can know (O_NOFOLLOW, O_DIRECTORY, a bad descriptor, too many links).
/// </summary>
internal sealed partial class DispatchPosix(IFuseChannel channel, string root = "") : IPosix
{
    private readonly Dictionary<int, OpenNode> _open = [];
    private int _nextFd = 1000;

    private sealed class OpenNode
    {
        public required ulong Node { get; init; }
        public required ulong Handle { get; init; }
        public required uint Flags { get; init; }
        public required bool IsDirectory { get; init; }
        public required Walk Walk { get; init; }
        public long Position { get; set; }
    }

    /// <summary>The nodes one path led through; each was looked up once and has to be forgotten once.</summary>
    private sealed class Walk(FuseClient client) : IDisposable
    {
        private readonly List<ulong> _held = [];

        public ulong Parent { get; set; } = FuseClient.Root;
        public byte[] Last { get; set; } = [];
        public ulong Node { get; set; }
        public FileStat? Stat { get; set; }

        /// <summary>Whether the walk got as far as the last component.</summary>
        public bool AtLast { get; set; }

        public void Hold(ulong node) => _held.Add(node);

        public void Dispose()
        {
            foreach (ulong node in _held)
            {
                client.Forget(node);
            }

            _held.Clear();
        }
    }

    public FuseClient Client { get; } = new(channel);

    public Caller Caller { get => Client.Caller; set => Client.Caller = value; }

    public uint Umask { get; set; } = 0x12;

    public void Dispose()
    {
        foreach (int fd in _open.Keys.ToArray())
        {
            Close(fd);
        }

        Client.Dispose();
    }

    private static IEnumerable<byte[]> Components(byte[] path)
    {
        int start = 0;
        for (int i = 0; i <= path.Length; i++)
        {
            if (i == path.Length || path[i] == (byte)'/')
            {
                if (i > start)
                {
                    yield return path[start..i];
                }

                start = i + 1;
            }
        }
    }

    /// <summary>Walks to a path; with <paramref name="parentOnly"/> the last component is left alone.</summary>
    private Errno Find(PosixPath path, bool follow, bool parentOnly, out Walk walk)
    {
        walk = new Walk(Client);
        var todo = new LinkedList<byte[]>(Components([.. Encoding.UTF8.GetBytes(root + "/"), .. path.Bytes]));
        ulong at = FuseClient.Root;
        if (todo.Count == 0)
        {
            walk.Node = FuseClient.Root;
            Errno root = Client.GetAttr(FuseClient.Root, null, out FileStat stat);
            walk.Stat = stat;
            return root;
        }

        for (int links = 0; todo.First is { } first;)
        {
            todo.RemoveFirst();
            bool last = todo.Count == 0;
            walk.Parent = at;
            walk.Last = first.Value;
            walk.AtLast = last;
            if (last && parentOnly)
            {
                return Errno.OK;
            }

            Errno errno = Client.Lookup(at, first.Value, out WireNode node);
            if (errno != Errno.OK)
            {
                return errno;
            }

            walk.Hold(node.Id);
            walk.Stat = node.Stat;
            walk.Node = node.Id;
            if (Linux.S_ISLNK(node.Stat.Mode) && (follow || !last))
            {
                if (++links > 40)
                {
                    return Errno.ELOOP;
                }

                errno = Client.ReadLink(node.Id, out byte[] target);
                if (errno != Errno.OK)
                {
                    return errno;
                }

                at = target is [(byte)'/', ..] ? FuseClient.Root : at;
                foreach (byte[] component in Components(target).Reverse())
                {
                    todo.AddFirst(component);
                }

                continue;
            }

            at = node.Id;
        }

        return Errno.OK;
    }

    /// <summary>Does something with the node a path leads to.</summary>
    private Errno With(PosixPath path, bool follow, Func<Walk, Errno> action)
    {
        Errno errno = Find(path, follow, parentOnly: false, out Walk walk);
        using (walk)
        {
            return errno != Errno.OK ? errno : action(walk);
        }
    }

    /// <summary>Does something with a name in the directory a path leads to.</summary>
    private Errno InParent(PosixPath path, Func<Walk, Errno> action)
    {
        Errno errno = Find(path, follow: false, parentOnly: true, out Walk walk);
        using (walk)
        {
            return errno != Errno.OK ? errno : action(walk);
        }
    }

    /// <summary>Makes something; the lookup that comes with it is given back at once.</summary>
    private Errno Making(PosixPath path, Func<Walk, (Errno Errno, ulong Node)> make) => InParent(path, walk =>
    {
        (Errno errno, ulong node) = make(walk);
        if (errno == Errno.OK)
        {
            Client.Forget(node);
        }

        return errno;
    });
}
