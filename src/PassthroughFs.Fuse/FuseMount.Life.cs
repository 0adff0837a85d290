using System;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Tasks;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse.Ring;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <remarks>From the beginning to the end.</remarks>
public sealed partial class FuseMount
{
    private Exception? _beginFault;

    /// <summary>Mounts, and begins to serve.</summary>
    /// <param name="make">Makes the mount.</param>
    /// <param name="isNew">Whether the kernel will ask for a session; a predecessor's goes on.</param>
    private void Begin(Func<ActiveMount> make, bool isNew = true)
    {
        try
        {
            _ring = _options.IoUring ? RingServer.Prepare(_session, _status, _logger) : null;
            _transport.HasRing = _ring is not null;
            _mount = make();
        }
        catch
        {
            _ring?.Cancel();
            _signals.Dispose();
            throw;
        }

        _signals.Attach(_mount);
        LiveMounts.Add(this);
        _transport.Connect(_mount.Device);
        _server = new Server(
            _session, _mount.DeviceFd, _options.Threads, _options.StandbyThreads, _status, _logger);
        try
        {
            // Beside a ring one thread is enough for INIT and what owes no answer.
            _session.Resume();
            _server.Start(_ring is null ? int.MaxValue : 1);
            _watch.Start(_server.Replace);
            _beginFault = isNew ? WaitUntilServing() : null;
            if (_ring is not null && !RingServer.TryStart(_ring, _session, _mount.DeviceFd, _logger))
            {
                _server.Start();
            }
        }
#pragma warning disable CA1031 // Whatever it is: what was mounted goes first.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _beginFault = e;
        }

        if (_beginFault is not null)
        {
            _status.RequestEnd(_beginFault);
        }

        // Of its own: it is there when nothing else can be had any more.
        new Thread(End) { Name = "ptfs-life", IsBackground = true }.Start();
        if (_beginFault is not null)
        {
            ((IAsyncResult)Completion).AsyncWaitHandle.WaitOne();
            ExceptionDispatchInfo.Throw(_beginFault);
        }
    }

    private FuseMountException? WaitUntilServing()
    {
        Task<Errno> first = _status.First;
        return !first.Wait(s_initLimit)
            ? new FuseMountException("the kernel did not start a session: look into its log with `dmesg`")
            : first.Result is not (Errno.OK or Errno.ENOTCONN) and var error
                ? new FuseMountException($"the session could not be started: {Libc.Describe(error)}")
                : null;
    }

    /// <summary>Waits for the end, and makes it one.</summary>
    private void End()
    {
        Exception? fault = _beginFault;
        try
        {
            FuseMountEnd end = Finish(ref fault);
            if (fault is null)
            {
                _completion.TrySetResult(end);
                return;
            }
        }
#pragma warning disable CA1031 // Whoever waits for the end hears of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault ??= e;
        }

        _completion.TrySetException(fault);
        _ = _completion.Task.Exception; // Seen here: who has no interest in it is not bothered by a finalizer.
    }

    private FuseMountEnd Finish(ref Exception? fault)
    {
        Exception? reason = _status.End.GetAwaiter().GetResult();
        fault ??= reason;
        if (_status.IsHandedOver)
        {
            // All there is goes on elsewhere. The threads stand still for good, and what they shared is closed.
            LiveMounts.Remove(this);
            _watch.Stop();
            _signals.Dispose();
            _mount.Close(endsHelper: false);
            return FuseMountEnd.HandedOver;
        }

        bool isOurs = _isEndOurs || _signals.Any;
        if (fault is null && !isOurs && _mount.IsMounted())
        {
            fault = new FuseMountException("the connection was aborted from outside: mount again to go on");
        }

        var end = new MountEnd(_mount, _watch, () => _signals.IsAborting, _options.EndTimeout, _logger);
        if (fault is null && isOurs && (NegotiatedFlags & InitFlags.FUSE_WRITEBACK_CACHE) != 0)
        {
            end.Flush();
        }

        end.Remove();
        LiveMounts.Remove(this);
        bool isQuiet = end.WaitForThreads(WaitForThreads);
        _watch.Stop();
        _signals.Dispose();
        if (isQuiet)
        {
            _mount.Close(endsHelper: true);
            return FuseMountEnd.Unmounted;
        }

        if (fault is null)
        {
            // Somebody has a file or directory of the detached mount open. The end of the process disconnects them.
            Log.StillInUse(_logger);
        }

        return FuseMountEnd.StillInUse;
    }

    private bool WaitForThreads(TimeSpan limit) =>
        _server.WaitForThreads(limit) && (_ring is null || _ring.WaitForThreads(limit));

    /// <summary>Who still uses the mount gets errors, and then nothing is under way.</summary>
    private void EndUsers()
    {
        _mount.Abort();
        if (WaitForThreads(_options.EndTimeout))
        {
            _mount.Close(endsHelper: true);
        }
        else
        {
            Log.StillHanging(_logger, MountPoint);
        }
    }

    /// <summary>The process ends: not without the mount.</summary>
    internal void RemoveNow()
    {
        if (!_status.IsHandedOver)
        {
            _mount.Remove();
        }
    }
}
