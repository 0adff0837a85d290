using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>What the client has open, by Handle. Numbers are never given again.</summary>
internal sealed class OpenTable(int most)
{
    private readonly ConcurrentDictionary<ulong, IOpened> _opened = new();
    private long _last;
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Adds what was opened.</summary>
    /// <returns>ENFILE if there are as many as there may be.</returns>
    public Errno Add(IOpened opened, out Handle handle)
    {
        if (Interlocked.Increment(ref _count) > most)
        {
            Interlocked.Decrement(ref _count);
            handle = Handle.None;
            return Errno.ENFILE;
        }

        handle = new Handle((ulong)Interlocked.Increment(ref _last));
        _opened[handle.Value] = opened;
        return Errno.OK;
    }

    /// <summary>What a Handle of a node stands for; null if it is none.</summary>
    public T? Find<T>(NodeId node, Handle handle)
        where T : class, IOpened =>
        _opened.TryGetValue(handle.Value, out IOpened? found) && found.Node.Id == node.Value ? found as T : null;

    /// <summary>A file of a node, whichever; null if none is open. Looks at all that is open.</summary>
    public FileUse UseAny(NodeId node)
    {
        foreach (KeyValuePair<ulong, IOpened> item in _opened)
        {
            if (item.Value.Node.Id == node.Value && item.Value is OpenedFile opened && opened.TryUse())
            {
                return new FileUse(opened);
            }
        }

        return default;
    }

    /// <summary>The file of a Handle of a node, to be disposed of after the call; without one if it is none.</summary>
    public FileUse Use(NodeId node, Handle handle) =>
        Find<OpenedFile>(node, handle) is { } opened && opened.TryUse() ? new FileUse(opened) : default;

    /// <summary>Takes a Handle of a node away.</summary>
    public T? Remove<T>(NodeId node, Handle handle)
        where T : class, IOpened
    {
        if (Find<T>(node, handle) is { } found && _opened.TryRemove(handle.Value, out _))
        {
            Interlocked.Decrement(ref _count);
            return found;
        }

        return null;
    }

    /// <summary>Takes everything away and disposes of it.</summary>
    /// <param name="tree">Where it counts as open.</param>
    public void Clear(PathTree tree)
    {
        Exception? fault = null;
        foreach (KeyValuePair<ulong, IOpened> item in _opened)
        {
            if (_opened.TryRemove(item.Key, out IOpened? opened))
            {
                Interlocked.Decrement(ref _count);
                tree.CountOpen(opened.Node, -1);
                try
                {
                    opened.Dispose();
                }
#pragma warning disable CA1031 // The rest is closed all the same.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    fault ??= e;
                }
            }
        }

        if (fault is not null)
        {
            ExceptionDispatchInfo.Throw(fault);
        }
    }
}
