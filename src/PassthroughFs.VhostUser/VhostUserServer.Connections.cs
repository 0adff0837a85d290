using System;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <remarks>One front end after another.</remarks>
public sealed unsafe partial class VhostUserServer
{
    private void Run()
    {
        Exception? fault = null;
        try
        {
            if (_socket.IsListening)
            {
                ServeAll();
            }
            else
            {
                ServeFrontEnd(_socket.Handle);
            }
        }
#pragma warning disable CA1031 // Whoever waits for the end hears of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault = e;
        }

        EndWith(fault);
    }

    private void EndWith(Exception? fault)
    {
        lock (_lock)
        {
            _isStopped = true;
        }

        End(fault);
    }

    private void End(Exception? fault)
    {
        _watch.Stop();
        _socket.Dispose();
        if (fault is null)
        {
            _completion.TrySetResult(RequestsUnderWay == 0 ? VhostUserEnd.Quiet : VhostUserEnd.StillInUse);
            return;
        }

        _completion.TrySetException(fault);
        _ = _completion.Task.Exception; // Seen here: who has no interest in it is not bothered by a finalizer.
    }

    private void ServeAll()
    {
        while (Wait(_socket.Handle))
        {
            using SafeFileHandle connection = _socket.Accept();
            if (connection.IsInvalid)
            {
                Rest();
                continue;
            }

            ServeFrontEnd(connection);
            if (_options.Once)
            {
                return;
            }
        }
    }

    private void ServeFrontEnd(SafeFileHandle connection)
    {
        Log.Connected(_logger);
        var socket = new VhostSocket(connection, () => WaitForMessage(connection));
        try
        {
            var patience = new Patience(
                () => IsReady(_stop, Libc.POLLIN), () => IsReady(connection, Libc.POLLHUP), _options.GoneTimeout,
                _options.EndTimeout);
            using var frontEnd = new VhostConnection(socket, _device, _options, _standby, patience, _logger);
            frontEnd.Serve();
        }
        catch (ProtocolException e)
        {
            Log.ConnectionClosed(_logger, e.Message);
        }

        Log.Disconnected(_logger);
    }

    // Whoever wants to connect in the meantime is told that there is one already, by the end of the connection.
    private bool WaitForMessage(SafeFileHandle connection)
    {
        while (true)
        {
            bool go = Wait(connection, _socket.IsListening ? _socket.Handle : null, out bool another);
            if (!go || !another)
            {
                return go;
            }

            using SafeFileHandle second = _socket.Accept();
            if (!second.IsInvalid)
            {
                Log.SecondConnection(_logger);
            }
            else
            {
                Rest();
            }
        }
    }

    // Without a descriptor left nobody can be accepted, and who waits makes the socket readable again and again.
    private void Rest()
    {
        const int milliseconds = 50;
        var stop = new Libc.PollFd(Libc.Number(_stop), Libc.POLLIN);
        _ = Libc.poll(&stop, 1, milliseconds); // SAFETY: one entry, of this frame.
    }

    private bool Wait(SafeFileHandle handle) => Wait(handle, null, out _);

    private static bool IsReady(SafeFileHandle handle, short events)
    {
        var fd = new Libc.PollFd(Libc.Number(handle), events);
        return Libc.poll(&fd, 1, 0) > 0 && (fd.Returned & events) != 0; // SAFETY: one entry, of this frame.
    }

    // Until the first can be read, or only the second one; false if it is time to end.
    private bool Wait(SafeFileHandle first, SafeFileHandle? second, out bool onlySecond)
    {
        Libc.PollFd* fds = stackalloc Libc.PollFd[3];
        fds[0] = new Libc.PollFd(Libc.Number(_stop), Libc.POLLIN);
        fds[1] = new Libc.PollFd(Libc.Number(first), Libc.POLLIN);
        fds[2] = new Libc.PollFd(second is null ? -1 : Libc.Number(second), Libc.POLLIN);
        while (Libc.poll(fds, 3, -1) < 0)
        {
            // A signal, which says by the eventfd what is wanted. SAFETY: three entries, of this frame.
        }

        onlySecond = fds[1].Returned == 0 && fds[2].Returned != 0;
        return fds[0].Returned == 0;
    }
}
