using System;
using System.Numerics;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse.Ring;

/// <summary>
/// A thread that serves queues of the kernel's, each with a few entries: one system call gives an answer back and waits
/// for the next request.
/// </summary>
internal sealed class RingThread
{
    /// <summary>Requests of one queue that may be under way.</summary>
    private const int Depth = 4;

    private readonly int[] _queues;
    private readonly int _cpu;
    private readonly int _payloadSize;
    private readonly FuseSession _session;
    private readonly ServerStatus _status;
    private readonly TaskCompletionSource<Errno> _prepared = new();
    private readonly TaskCompletionSource<int> _start = new();
    private readonly TaskCompletionSource<Errno> _registered = new();
    private readonly Thread _thread;
    private int _device;
    private bool _isServing;

    /// <param name="queues">The queues' numbers.</param>
    /// <param name="cpu">Where to run; -1 for anywhere.</param>
    /// <param name="session">Whose requests they are.</param>
    /// <param name="status">Gets what goes wrong.</param>
    public RingThread(int[] queues, int cpu, FuseSession session, ServerStatus status)
    {
        _queues = queues;
        _cpu = cpu;
        _session = session;
        _status = status;
        _payloadSize = session.ReplyBufferSize;
        _thread = new Thread(Run) { Name = $"ptfs-ring-{queues[0]}", IsBackground = true };
    }

    /// <summary>Takes memory and makes the ring, which can be refused.</summary>
    public Errno Prepare()
    {
        _thread.Start();
        return _prepared.Task.GetAwaiter().GetResult();
    }

    /// <summary>Hands the entries to the kernel and begins to serve; -1 ends the thread instead.</summary>
    public void Start(int device) => _start.TrySetResult(device);

    /// <summary>Waits until the kernel has them.</summary>
    public Errno AwaitRegistered() => _registered.Task.GetAwaiter().GetResult();

    public bool Join(TimeSpan limit) => _thread.Join(limit);

    private void Run()
    {
        try
        {
            Libc.Pin(_cpu);
            uint count = (uint)(_queues.Length * Depth);

            // Before the ring, so that it goes behind it: the ring's end is the end of what the kernel writes there.
            using var entries = new RingEntries((int)count, _payloadSize);
            using IoRing? ring = IoRing.Create(BitOperations.RoundUpToPowerOf2(count), out Errno error);
            if (ring is null)
            {
                _prepared.SetResult(error);
                return;
            }

            FuseWorker worker = _session.CreateWorker();
            _prepared.SetResult(Errno.OK);
            _device = _start.Task.GetAwaiter().GetResult();
            if (_device >= 0)
            {
                error = Register(ring, entries, count);
                _isServing = error == Errno.OK;
                _registered.SetResult(error);
                Serve(ring, entries, worker, count);
            }
        }
        catch (OutOfMemoryException)
        {
            _prepared.TrySetResult(Errno.ENOMEM);
        }
#pragma warning disable CA1031 // Whatever it is: the mount must go, and the user must hear of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _status.RequestEnd(e);
            _prepared.TrySetResult(Errno.EIO);
            _registered.TrySetResult(Errno.EIO);
        }
    }

    private unsafe Errno Register(IoRing ring, RingEntries entries, uint count)
    {
        for (uint entry = 0; entry < count; entry++)
        {
            ring.Push(_device, RingAbi.CommandRegister, entries.Iovecs(entry), entry, 0, QueueOf(entry));
        }

        // A refusal completes at once, and a success when there is a request: that one is left for later.
        int taken = ring.Enter(count, wait: false);
        return taken == count ? ring.PeekError() : taken < 0 ? (Errno)(-taken) : Errno.EIO;
    }

    private unsafe void Serve(IoRing ring, RingEntries entries, FuseWorker worker, uint live)
    {
        uint pushed = 0;
        while (live > 0)
        {
            while (ring.TryTake(out uint entry, out int result))
            {
                if (result < 0)
                {
                    live--;
                    NoteEnd((Errno)(-result));
                    continue;
                }

                ulong commitId = entries.Answer(entry, worker);
                ring.Push(_device, RingAbi.CommandCommitAndFetch, null, entry, commitId, QueueOf(entry));
                pushed++;
            }

            if (live == 0)
            {
                return;
            }

            int taken = ring.Enter(pushed, wait: true);
            if (taken >= 0)
            {
                pushed -= (uint)taken;
            }
            else if (taken is not (-(int)Errno.EINTR or -(int)Errno.EAGAIN or -(int)Errno.EBUSY))
            {
                throw new FuseMountException($"io_uring does not go on: {Libc.Describe((Errno)(-taken))}");
            }
        }
    }

    // With the connection all entries end; any other end leaves the kernel with requests that nobody will answer.
    private void NoteEnd(Errno error)
    {
        if (error is not (Errno.ENOTCONN or Libc.ECONNABORTED or Errno.ENODEV) && _isServing)
        {
            _status.RequestEnd(new FuseMountException(
                $"the kernel has given an entry of its ring back: {Libc.Describe(error)}"));
        }
    }

    private int QueueOf(uint entry) => _queues[entry / Depth];
}
