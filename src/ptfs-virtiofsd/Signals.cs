using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP: the first ends the program in order. One that comes when that hangs ends it at once.
/// </summary>
internal sealed class Signals : IDisposable
{
    /// <summary>Has what is under way logged.</summary>
    public const int SIGUSR1 = 10;

    private const int SIGXFSZ = 25;

    // A service manager may send two at once, and a hand may press twice: that is still the first.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly SafeFileHandle _stop;
    private readonly ILogger _logger;
    private readonly Action _cleanUp;
    private readonly PosixSignalRegistration[] _registrations;
    private Action? _report;
    private long _first;

    /// <param name="stop">An eventfd that is signalled by the first.</param>
    /// <param name="cleanUp">What must not be left behind even if the program ends at once.</param>
    /// <param name="logger">Where it is noted.</param>
    public Signals(SafeFileHandle stop, Action cleanUp, ILogger logger)
    {
        _stop = stop;
        _cleanUp = cleanUp;
        _logger = logger;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle),

            // A write beyond RLIMIT_FSIZE is the client's error, EFBIG, and not the end of the server.
            PosixSignalRegistration.Create((PosixSignal)SIGUSR1, Report),
            PosixSignalRegistration.Create((PosixSignal)SIGXFSZ, context => context.Cancel = true),
        ];
    }

    /// <summary>From here on SIGUSR1 has something to say.</summary>
    public void Attach(Action report) => Volatile.Write(ref _report, report);

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private void Report(PosixSignalContext context)
    {
        context.Cancel = true;
        Volatile.Read(ref _report)?.Invoke();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        long first = Interlocked.CompareExchange(ref _first, Stopwatch.GetTimestamp(), 0);
        if (first == 0)
        {
            Log.Stopping(_logger, context.Signal);
            _ = Libc.Signal(Libc.Number(_stop));
        }
        else if (Stopwatch.GetElapsedTime(first) > s_patience)
        {
            Log.Aborting(_logger, context.Signal);
            _cleanUp();
            Libc._exit(DaemonException.Failure);
        }
    }
}
