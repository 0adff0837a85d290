using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Extensions.Logging;
using PassthroughFs.Shared;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP: the first ends the program in order. One that comes when that hangs ends it at once.
/// SIGUSR1 has what is under way logged.
/// </summary>
internal sealed class Signals : IDisposable
{
    /// <summary>Has what is under way logged.</summary>
    public const int SIGUSR1 = 10;

    // A service manager may send two at once, and a hand may press twice: that is still the first.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger;
    private readonly Action _cleanUp;
    private readonly PosixSignalRegistration[] _registrations;
    private VhostUserServer? _server;
    private long _first;

    /// <param name="cleanUp">What must not be left behind even if the program ends at once.</param>
    /// <param name="logger">Where it is noted.</param>
    public Signals(Action cleanUp, ILogger logger)
    {
        _cleanUp = cleanUp;
        _logger = logger;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle),
            PosixSignalRegistration.Create((PosixSignal)SIGUSR1, Report),
        ];
    }

    /// <summary>From here on there is something to end, and SIGUSR1 has something to say.</summary>
    public void Attach(VhostUserServer server)
    {
        _ = Interlocked.Exchange(ref _server, server);
        if (Interlocked.Read(ref _first) != 0)
        {
            server.Stop();
        }
    }

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
        if (Volatile.Read(ref _server) is { } server)
        {
            string[] requests = server.DescribeRequests().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Log.UnderWay(_logger, requests.Length, string.Join("; ", requests));
        }
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        long first = Interlocked.CompareExchange(ref _first, Stopwatch.GetTimestamp(), 0);
        if (first == 0)
        {
            Log.Stopping(_logger, context.Signal);
            Volatile.Read(ref _server)?.Stop();
        }
        else if (Stopwatch.GetElapsedTime(first) > s_patience)
        {
            Log.Aborting(_logger, context.Signal);
            _cleanUp();
            Libc._exit(DaemonException.Failure);
        }
    }
}
