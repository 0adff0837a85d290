using System;
using System.Collections.Generic;
using System.Threading;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>The order of what all actors do: each moment is later than those before.</summary>
internal static class Moment
{
    private static long s_last;

    public static long Next() => Interlocked.Increment(ref s_last);
}

/// <summary>A change of a register: it happens at one moment between its begin and its end.</summary>
internal sealed class Change(long value, long begin)
{
    public long Value { get; } = value;

    public long Begin { get; } = begin;

    /// <summary>When it has happened for certain; never for one that failed in a way that leaves this open.</summary>
    public long End { get; set; } = long.MaxValue;
}

/// <summary>What is known when a look at a register begins.</summary>
internal readonly record struct Look(long Floor, int Begun, int Open);

/// <summary>
/// One thing that many change and look at: a block of a file, what a name leads to, a file's time. Each value is given
/// once; 0 is "nothing" and may be given any number of times. A look may show a value only if no other change came for
/// certain after it and before the look, and if its change has begun.
/// </summary>
internal sealed class Register
{
    private readonly Dictionary<long, Change> _changes = [];
    private long _floor;
    private int _begun, _open, _openNothing, _openSomething;
    private long _lastNothing = -1, _lastSomething = -1;

    public Register(string name, long initial = 0)
    {
        (Name, Initial) = (name, initial);
        End(Begin(initial));
    }

    public string Name { get; }

    public long Initial { get; }

    public Change Begin(long value)
    {
        lock (_changes)
        {
            var change = new Change(value, Moment.Next());
            if (value == 0)
            {
                _openNothing++;
            }
            else
            {
                _changes.Add(value, change);
                _openSomething++;
            }

            _begun++;
            _open++;
            return change;
        }
    }

    public void End(Change change)
    {
        lock (_changes)
        {
            Complete(change);
            _open--;
        }
    }

    /// <summary>It has not happened, and will not.</summary>
    public void Withdraw(Change change)
    {
        lock (_changes)
        {
            if (change.End != long.MaxValue)
            {
                throw new InvalidOperationException($"{Name}: {change.Value} was refused, and somebody has seen it");
            }

            _changes.Remove(change.Value);
            _openNothing -= change.Value == 0 ? 1 : 0;
            _openSomething -= change.Value == 0 ? 0 : 1;
            _open--;
        }
    }

    public Look Look()
    {
        lock (_changes)
        {
            return new Look(_floor, _begun, _open);
        }
    }

    /// <summary>Whether nothing changed, or could have, since a look began.</summary>
    public bool IsQuiet(Look look)
    {
        lock (_changes)
        {
            return look.Open == 0 && look.Begun == _begun;
        }
    }

    /// <summary>Judges what a look that ends now has shown; null if that may be.</summary>
    /// <param name="look">Its begin.</param>
    /// <param name="value">What it has shown.</param>
    /// <param name="isCertain">Whether it was this value, and not perhaps another that looks the same.</param>
    public string? Judge(Look look, long value, bool isCertain = true)
    {
        lock (_changes)
        {
            if (value == 0)
            {
                return _openNothing > 0 || _lastNothing >= look.Floor ? null
                    : $"{Name}: nothing, where there was something all the time";
            }

            if (!_changes.TryGetValue(value, out Change? change))
            {
                return $"{Name}: {value:x}, which was never here";
            }

            if (change.End < look.Floor)
            {
                return $"{Name}: {value:x}, which was over ({change.Begin} to {change.End}) before what came next " +
                    $"({look.Floor}), and that before the look (now {Moment.Next()})";
            }

            // Whoever looks from now on sees this one or a later one.
            if (isCertain)
            {
                Complete(change);
            }

            return null;
        }
    }

    /// <summary>The same where it is only seen that there is something.</summary>
    public string? JudgeSomething(Look look)
    {
        lock (_changes)
        {
            return _openSomething > 0 || _lastSomething >= look.Floor ? null
                : $"{Name}: something, where there was nothing all the time";
        }
    }

    private void Complete(Change change)
    {
        if (change.End != long.MaxValue)
        {
            return;
        }

        change.End = Moment.Next();
        _floor = Math.Max(_floor, change.Begin);
        if (change.Value == 0)
        {
            _openNothing--;
            _lastNothing = change.End;
        }
        else
        {
            _openSomething--;
            _lastSomething = Math.Max(_lastSomething, change.End);
        }
    }
}
