using System;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>Notes what the barrier in Dispatch has caught: each is a finding.</summary>
internal sealed class FuzzLogger : ILogger<PassthroughFileSystem>
{
    private string? _failure;

    /// <summary>What was caught first since this was asked last; null for nothing.</summary>
    public string? TakeFailure()
    {
        string? failure = _failure;
        _failure = null;
        return failure;
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    // Bad requests are what this is all about; nobody wants to read of each.
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        // A refusal that is logged once (too many nodes) is none; what was thrown, or an answer that cannot be, is.
        if (exception is not null || eventId.Name == "LogBadAnswer")
        {
            _failure ??= $"{formatter(state, exception)} {exception}";
        }
    }
}
