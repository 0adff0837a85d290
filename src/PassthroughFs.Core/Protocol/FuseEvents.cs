using System;
using System.Threading;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Core.Protocol;

/// <summary>What a session logs, at a limited rate: a hostile client decides how often these happen.</summary>
/// <remarks>
/// Nothing is thrown. A guarded logger throws nothing, but a line has to be made before it gets there, and that may fail
/// for want of memory, which may be the very thing to tell of.
/// </remarks>
internal sealed partial class FuseEvents(ILogger logger, int perSecond)
{
    // Two budgets, so that a flood of bad requests does not hide a failure.
    private readonly Budget _requests = new(perSecond);
    private readonly Budget _failures = new(perSecond);

    /// <summary>A request that breaks the protocol's rules.</summary>
    public void BadRequest(FuseOpcode opcode, ulong unique, string reason)
    {
        if (_requests.TryTake(out int dropped))
        {
            try
            {
                LogBadRequest(logger, opcode, unique, reason, dropped);
            }
#pragma warning disable CA1031 // There is nobody left to tell.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
    }

    /// <summary>The file system did what its contract rules out.</summary>
    public void BadAnswer(FuseOpcode opcode, ulong unique, string reason)
    {
        if (_failures.TryTake(out int dropped))
        {
            try
            {
                LogBadAnswer(logger, opcode, unique, reason, dropped);
            }
#pragma warning disable CA1031 // There is nobody left to tell.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
    }

    /// <summary>The file system threw.</summary>
    public void Failure(FuseOpcode opcode, ulong unique, Exception exception)
    {
        if (_failures.TryTake(out int dropped))
        {
            try
            {
                LogFailure(logger, exception, opcode, unique, dropped);
            }
#pragma warning disable CA1031 // There is nobody left to tell.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Bad request {Opcode} {Unique}: {Reason} ({Dropped} events not logged before)")]
    private static partial void LogBadRequest(
        ILogger logger, FuseOpcode opcode, ulong unique, string reason, int dropped);

    [LoggerMessage(2, LogLevel.Error,
        "The file system's answer to {Opcode} {Unique} is invalid: {Reason} ({Dropped} events not logged before)")]
    private static partial void LogBadAnswer(
        ILogger logger, FuseOpcode opcode, ulong unique, string reason, int dropped);

    [LoggerMessage(3, LogLevel.Error,
        "The file system failed at {Opcode} {Unique} ({Dropped} events not logged before)")]
    private static partial void LogFailure(
        ILogger logger, Exception exception, FuseOpcode opcode, ulong unique, int dropped);

    /// <summary>So many a second. Threads that meet here may take a few more or less, which does not matter.</summary>
    private sealed class Budget(int perSecond)
    {
        private const int Milliseconds = 1000;

        private long _start = Environment.TickCount64;
        private int _taken;
        private int _dropped;

        public bool TryTake(out int dropped)
        {
            long now = Environment.TickCount64;
            if (now - Volatile.Read(ref _start) >= Milliseconds)
            {
                Volatile.Write(ref _start, now);
                Volatile.Write(ref _taken, 0);
            }

            // Compared before it is raised, so that no flood can make the count overflow.
            if (Volatile.Read(ref _taken) >= perSecond)
            {
                Interlocked.Increment(ref _dropped);
                dropped = 0;
                return false;
            }

            Interlocked.Increment(ref _taken);
            dropped = Interlocked.Exchange(ref _dropped, 0);
            return true;
        }
    }
}
