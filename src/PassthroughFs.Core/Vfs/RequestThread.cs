using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>
/// Where one thread is: the mounts whose requests it is in. So that somebody who takes a mount away can wait for those
/// who are in it, and a request pays two plain writes for that and no atomic one.
/// </summary>
/// <remarks>
/// A request writes down its slot and then looks whether the table still has it. Who removes a slot publishes the new
/// table, makes every processor of this process pass a barrier, and reads what is written down: either the request's
/// write came before the barrier and is seen, or its second look comes after and finds the new table.
/// </remarks>
internal sealed class RequestThread
{
    private const int InitialDepth = 4;

    private static readonly Lock s_lock = new();
    private static readonly List<WeakReference<RequestThread>> s_threads = [];

    [ThreadStatic]
    private static RequestThread? t_current;

    // More than one only where a file system in a Vfs has a Vfs inside, and for roots that are looked up in their parent.
    private MountSlot?[] _slots = new MountSlot?[InitialDepth];
    private int _depth;
    private VfsDirectorySink? _sink;

    public static RequestThread Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => t_current ?? Register();
    }

    /// <summary>Writes a slot down; <see cref="Leave"/> must follow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter(MountSlot slot)
    {
        if (_depth == _slots.Length)
        {
            Grow();
        }

        Volatile.Write(ref _slots[_depth], slot);
        _depth++;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Leave()
    {
        _depth--;
        Volatile.Write(ref _slots[_depth], null);
    }

    /// <summary>This thread's sink, to be given back: a listing inside a listing takes another.</summary>
    public VfsDirectorySink TakeSink()
    {
        VfsDirectorySink sink = _sink ?? new VfsDirectorySink();
        _sink = null;
        return sink;
    }

    public void GiveBack(VfsDirectorySink sink) => _sink = sink;

    /// <summary>
    /// Waits until no thread is in a file system that the published table does not have any more, by whichever slot it
    /// came: a session that ends gives a mount another one.
    /// </summary>
    public static async Task WaitUntilLeft(IFileSystem fileSystem)
    {
        const int mostMilliseconds = 20;
        Interlocked.MemoryBarrierProcessWide();
        for (int pause = 1; IsAnyoneIn(fileSystem); pause = Math.Min(pause * 2, mostMilliseconds))
        {
            await Task.Delay(pause).ConfigureAwait(false);
        }
    }

    private static bool IsAnyoneIn(IFileSystem fileSystem)
    {
        lock (s_lock)
        {
            foreach (WeakReference<RequestThread> reference in s_threads)
            {
                if (reference.TryGetTarget(out RequestThread? thread) && thread.IsIn(fileSystem))
                {
                    return true;
                }
            }

            return false;
        }
    }

    private bool IsIn(IFileSystem fileSystem)
    {
        foreach (ref MountSlot? slot in Volatile.Read(ref _slots).AsSpan())
        {
            if (Volatile.Read(ref slot)?.FileSystem == fileSystem)
            {
                return true;
            }
        }

        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static RequestThread Register()
    {
        var thread = new RequestThread();
        lock (s_lock)
        {
            // Those of threads that have ended are collected.
            s_threads.RemoveAll(static reference => !reference.TryGetTarget(out _));
            s_threads.Add(new WeakReference<RequestThread>(thread));
        }

        t_current = thread;
        return thread;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow()
    {
        // Whoever reads the old array meanwhile finds there what the new one has up to here.
        var slots = new MountSlot?[_slots.Length * 2];
        _slots.CopyTo(slots, 0);
        Volatile.Write(ref _slots, slots);
    }
}

/// <summary>A request in a slot. Dispose ends it.</summary>
internal readonly ref struct Request(RequestThread thread, MountSlot slot)
{
    public MountSlot Slot { get; } = slot;

    public RequestThread Thread { get; } = thread;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dispose() => Thread.Leave();
}
