using System;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;

namespace PassthroughFs.Core.Tests;

/// <summary>Keeps what is logged.</summary>
internal sealed class LoggedLines(List<string> lines) : ILoggerProvider, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter) => lines.Add($"{logLevel}: {formatter(state, exception)}");

    public void Dispose()
    {
    }
}
