using System;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>Keeps what was logged.</summary>
internal sealed class CountingLogger : ILogger
{
    public List<(LogLevel Level, string Text, Exception? Exception)> Events { get; } = [];

    public bool Throws { get; set; }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (Throws)
        {
            throw new InvalidOperationException("a logger that throws on purpose");
        }

        Events.Add((logLevel, formatter(state, exception), exception));
    }
}
