using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Fuse;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP: the first ends the program in order. One that comes when that hangs takes the connection
/// down, so that whoever waits for an answer gets an error.
/// </summary>
internal sealed class Signals : IDisposable
{
    private const int SIGXFSZ = 25;

    // A service manager may send two at once, and a hand may press twice: that is still the first.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly ServerStatus _status;
    private readonly ILogger _logger;
    private readonly PosixSignalRegistration[] _registrations;
    private long _first;
    private bool _isAborting;
    private ActiveMount? _mount;

    public Signals(ServerStatus status, ILogger logger)
    {
        _status = status;
        _logger = logger;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle),

            // A write beyond RLIMIT_FSIZE is the client's error, EFBIG, and not the end of the server.
            PosixSignalRegistration.Create((PosixSignal)SIGXFSZ, context => context.Cancel = true),
        ];
    }

    /// <summary>Whether one has come.</summary>
    public bool Any => Interlocked.Read(ref _first) != 0;

    /// <summary>Whether another has come, for an end that takes too long.</summary>
    public bool IsAborting => Volatile.Read(ref _isAborting);

    /// <summary>From here on there is a connection to take down.</summary>
    public void Attach(ActiveMount mount) => Volatile.Write(ref _mount, mount);

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        long first = Interlocked.CompareExchange(ref _first, Stopwatch.GetTimestamp(), 0);
        ActiveMount? mount = Volatile.Read(ref _mount);
        if (first == 0)
        {
            Log.Stopping(_logger, context.Signal);
            _status.RequestEnd();
        }
        else if (Stopwatch.GetElapsedTime(first) > s_patience)
        {
            Log.Aborting(_logger, context.Signal);
            Volatile.Write(ref _isAborting, true);

            // What closes the device is the end of this process, if nothing else does.
            context.Cancel = mount?.Abort() == true;
        }
    }
}
