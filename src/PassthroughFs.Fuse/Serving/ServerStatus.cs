using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Fuse;

/// <summary>Where the threads, the signals and the main thread meet.</summary>
internal sealed class ServerStatus
{
    private readonly TaskCompletionSource<Errno> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Exception?> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<Errno> _replyErrors = [];
    private readonly Lock _lock = new();
    private FuseSession? _session;
    private bool _isPaused;
    private (bool IsWanted, Exception? Fault)? _wanted;

    /// <summary>Done when INIT was answered: OK, or with what.</summary>
    public Task<Errno> First => _first.Task;

    /// <summary>Done when it is time to end, with the reason if it is a bad one.</summary>
    public Task<Exception?> End => _end.Task;

    public void Attach(FuseSession session) => _session = session;

    /// <summary>A thread has answered a request.</summary>
    /// <param name="error">The error in the reply.</param>
    /// <returns>True once the session is established: no need to tell any more.</returns>
    public bool FirstReply(int error)
    {
        bool initialized = _session!.IsInitialized;
        if (initialized || error != 0)
        {
            _first.TrySetResult(initialized ? Errno.OK : (Errno)error);
        }

        return initialized;
    }

    /// <summary>Whether another process serves: nothing may be taken down at the end.</summary>
    public bool IsHandedOver { get; private set; }

    /// <summary>Whether the end waits for <see cref="EndPause"/>.</summary>
    public bool IsEndWanted
    {
        get
        {
            lock (_lock)
            {
                return _wanted is not null;
            }
        }
    }

    /// <summary>The kernel has ended the session, a signal wants it to end, or <paramref name="fault"/> does.</summary>
    public void RequestEnd(Exception? fault = null)
    {
        lock (_lock)
        {
            if (_isPaused)
            {
                _wanted ??= (true, fault);
                return;
            }

            Finish(fault);
        }
    }

    /// <summary>Puts the end off while it is not known who serves.</summary>
    /// <returns>False if it has come already.</returns>
    public bool TryPause()
    {
        lock (_lock)
        {
            _isPaused = !_end.Task.IsCompleted;
            return _isPaused;
        }
    }

    /// <summary>Who serves is known; an end that was put off comes.</summary>
    public void EndPause(bool isHandedOver)
    {
        lock (_lock)
        {
            _isPaused = false;
            IsHandedOver = isHandedOver;
            if (isHandedOver)
            {
                Finish(null);
            }
            else if (_wanted is { } end)
            {
                Finish(end.Fault);
            }
        }
    }

    private void Finish(Exception? fault)
    {
        // Under the lock: whoever waits goes on in a thread of its own.
        _end.TrySetResult(fault);
        _first.TrySetResult(Errno.ENOTCONN);
    }

    /// <summary>Whether an error in sending a reply comes for the first time.</summary>
    public bool IsNewReplyError(Errno error)
    {
        lock (_lock)
        {
            return _replyErrors.Add(error);
        }
    }
}
