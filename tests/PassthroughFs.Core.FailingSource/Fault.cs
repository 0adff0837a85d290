using System;
using System.Globalization;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.FailingSource;

/// <summary>What happens to some calls of one operation on files of one name.</summary>
internal sealed class Fault
{
    private readonly string _operation;
    private readonly string _name;
    private int _seen;

    private Fault(string operation, string name)
    {
        _operation = operation;
        _name = name;
    }

    /// <summary>The error; OK for none.</summary>
    public Errno Errno { get; private set; }

    /// <summary>In bytes: what lies before is not concerned, and a call that goes beyond it ends there.</summary>
    public long From { get; private set; }

    /// <summary>Whether a call that goes beyond <see cref="From"/> fails as a whole instead.</summary>
    public bool Whole { get; private set; }

    /// <summary>How many bytes a call moves at most.</summary>
    public long Most { get; private set; } = long.MaxValue;

    public TimeSpan Delay { get; private set; }

    /// <summary>Whether calls wait until they are released.</summary>
    public bool Hangs { get; private set; }

    /// <summary>Whether such a call ends with EINTR when its caller gets a signal, as network file systems may.</summary>
    public bool IsInterruptible { get; private set; }

    /// <summary>Whether calls may go on.</summary>
    public bool IsReleased { get; set; }

    /// <summary>How many calls are let through first.</summary>
    public int Skip { get; private set; }

    /// <summary>How many calls are concerned then.</summary>
    public int Times { get; private set; } = int.MaxValue;

    /// <summary>How many of a hundred calls are concerned.</summary>
    public int Percent { get; private set; } = 100;

    /// <summary>
    /// OPERATION NAME [errno=N] [from=BYTE] [whole] [most=BYTES] [delay=MS] [hang] [interruptible] [skip=N] [times=N]
    /// [percent=N]; * is any name.
    /// </summary>
    public static Fault Parse(ReadOnlySpan<string> words)
    {
        var fault = new Fault(words[0], words[1]);
        foreach (string word in words[2..])
        {
            string[] pair = word.Split('=');
            int Number() => int.Parse(pair[1], CultureInfo.InvariantCulture);
            switch (pair[0])
            {
                case "errno": fault.Errno = (Errno)Number(); break;
                case "from": fault.From = Number(); break;
                case "whole": fault.Whole = true; break;
                case "most": fault.Most = Number(); break;
                case "delay": fault.Delay = TimeSpan.FromMilliseconds(Number()); break;
                case "hang": fault.Hangs = true; break;
                case "interruptible": fault.IsInterruptible = true; break;
                case "skip": fault.Skip = Number(); break;
                case "times": fault.Times = Number(); break;
                case "percent": fault.Percent = Number(); break;
                default: throw new FormatException($"{word} is no condition");
            }
        }

        return fault;
    }

    /// <summary>Whether this is about calls of one operation on files of one name.</summary>
    public bool IsOf(string operation, string name) => operation == _operation && name == _name;

    /// <summary>Whether a call is concerned. Counts it.</summary>
    public bool Meets(string operation, string name, long offset, long length)
    {
        if (operation != _operation || (_name != "*" && name != _name) ||
            (From > 0 && offset + length <= From && Most == long.MaxValue))
        {
            return false;
        }

        int seen = Interlocked.Increment(ref _seen);
        return seen > Skip && seen <= (long)Skip + Times && (Percent == 100 || Random.Shared.Next(100) < Percent);
    }
}
