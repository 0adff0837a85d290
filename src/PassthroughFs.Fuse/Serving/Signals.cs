using System;
using System.Diagnostics;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Fuse;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP, unless they are left to others: the first ends the mount in order. One that comes when that hangs takes the connection
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

    /// <param name="status">Hears of the end.</param>
    /// <param name="logger">Gets what happens.</param>
    /// <param name="endMount">Whether those three end the mount.</param>
    public Signals(ServerStatus status, ILogger logger, bool endMount)
    {
        _status = status;
        _logger = logger;
        PosixSignal[] ends = endMount ? [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP] : [];
        _registrations =
        [
            .. ends.Select(signal => PosixSignalRegistration.Create(signal, Handle)),

            // A write beyond RLIMIT_FSIZE is the client's error, EFBIG, and not the end of the server, whoever handles
            // the others.
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
