using System;
using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Races;

/// <summary>
/// Lets another thread do something at the moment at which this thread comes to a named point for the first time.
/// </summary>
internal sealed class AtPoint : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly Thread _owner = Thread.CurrentThread;
    private readonly Dictionary<string, Action> _actions = [];
    private Exception? _fault;

    public AtPoint(string point, Action action)
    {
        _actions.Add(point, action);
        Interleaving.Set(Reached);
    }

    /// <summary>Whether this thread came to every point: a test that misses its moment shows nothing.</summary>
    public bool WasReached => _actions.Count == 0;

    public AtPoint And(string point, Action action)
    {
        _actions.Add(point, action);
        return this;
    }

    /// <summary>Runs something on a thread of its own to its end.</summary>
    public static void Elsewhere(Action action)
    {
        Exception? fault = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
#pragma warning disable CA1031 // Thrown again by the one who waits.
            catch (Exception e)
#pragma warning restore CA1031
            {
                fault = e;
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        Assert.True(thread.Join(s_patience), "The other thread waits for this one, which holds something here.");
        if (fault is not null)
        {
            throw new InvalidOperationException(fault.Message, fault);
        }
    }

    public void Dispose()
    {
        Interleaving.Set(null);
        Assert.Null(_fault);
        Assert.True(WasReached, $"Not reached: {string.Join(", ", _actions.Keys)}");
    }

    private void Reached(string point)
    {
        if (Thread.CurrentThread == _owner && _actions.Remove(point, out Action? action))
        {
            try
            {
                Elsewhere(action);
            }
#pragma warning disable CA1031 // It must not run through the library; Dispose shows it.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _fault ??= e;
            }
        }
    }
}
