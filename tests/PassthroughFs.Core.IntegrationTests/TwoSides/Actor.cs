using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>One way to the directory: the directory itself, or a mount of it.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Root">Where it is.</param>
/// <param name="Maps">Whether files can be mapped to be shared there.</param>
internal sealed record Side(string Name, string Root, bool Maps);

/// <summary>An actor saw what may not be.</summary>
internal sealed class ViolationException(string message) : Exception(message);

/// <summary>ESTALE from a source that cannot do better.</summary>
internal sealed class StaleException : Exception;

/// <summary>
/// One of those who work on the directory at once, from one side: a thread that makes random system calls and judges what
/// each answers. All changes of an actor follow from its number and the seed.
/// </summary>
internal sealed partial class Actor : IDisposable
{
    private const int MaxKept = 6;

    private readonly Round _round;
    private readonly Side _side;
    private readonly int _number;
    private readonly Random _random;
    private readonly (int Weight, string Name, Action<Area> Work)[] _kinds;
    private readonly int _weights;
    private readonly byte[] _buffer = new byte[256 << 10];
    private readonly List<(int Fd, long File)> _kept = [];
    private string _now = "";
    private int _temporaries;

    public Actor(Round round, Side side, int number, int seed)
    {
        (_round, _side, _number, _random) = (round, side, number, new Random(seed));
        _logFds = new int[round.Areas.Length, 2];
        _dataFds = new int[round.Areas.Length, 2];
        _lockFds = new int[round.Areas.Length, 3];
        _listFds = new int[round.Areas.Length];
        _written = new int[round.Areas.Length, 2];
        _tails = new LogReader?[round.Areas.Length, 2];
        _maps = new nint[round.Areas.Length];
        _kinds =
        [
            (10, "append", Append), (3, "read a log", ReadLog), (3, "read on in a log", ReadOn),
            (10, "write", WriteData), (12, "read", ReadData), (3, "shorten", Shorten),
            (6, "replace", Replace), (12, "open what is replaced", ReadVersion), (6, "read what is kept open", ReadKept),
            (2, "set a time", SetTime), (4, "stat", ReadTime),
            (8, "make alone", MakeAlone), (3, "look for what is made alone", LookForExclusive),
            (10, "change a name", ChangeName), (8, "open a name", ReadName), (4, "list", ListNames),
            (5, "count under a lock", CountLocked),
        ];
        foreach ((int weight, _, _) in _kinds)
        {
            _weights += weight;
        }
    }

    public string Name => $"actor {_number} at {_side.Name}";

    public void Run(int operations)
    {
        for (int i = 0; i < operations && !_round.IsOver; i++)
        {
            int at = _random.Next(_weights);
            foreach ((int weight, string name, Action<Area> work) in _kinds)
            {
                at -= weight;
                if (at < 0)
                {
                    _now = name;
                    try
                    {
                        work(_round.Areas[_random.Next(_round.Areas.Length)]);
                    }
                    catch (StaleException)
                    {
                    }

                    break;
                }
            }
        }
    }

    public void Dispose()
    {
        foreach (LogReader? tail in _tails)
        {
            tail?.Dispose();
        }

        _kept.ForEach(kept => Calls.Close(kept.Fd));
        foreach (int[,] fds in new[] { _logFds, _dataFds, _lockFds })
        {
            foreach (int fd in fds)
            {
                CloseKept(fd);
            }
        }

        Array.ForEach(_listFds, CloseKept);
        EndMappings();
    }

    private string At(string name) => $"{_side.Root}/{_round.Name}/{name}";

    private bool Chance(int ofHundred) => _random.Next(100) < ofHundred;

    /// <summary>A name of this actor's own, for what gets its place by rename or link.</summary>
    private string Temporary(Area area) => At($"{area.Name}/tmp {_number} {_temporaries++}");

    /// <summary>Begins a look. Where what is stale is allowed, everything counts as of before.</summary>
    private Look Begin(Register register)
    {
        Look look = register.Look();
        return _round.MayBeStale ? look with { Floor = 0, Open = 1 } : look;
    }

    private void Judge(string? wrong)
    {
        if (wrong is not null)
        {
            throw Violation(wrong);
        }
    }

    private int Ok(int result, string what) => result >= 0 ? result : throw Violation($"{what}: {(Errno)(-result)}");

    /// <summary>The same for what others may have removed or replaced meanwhile.</summary>
    private int OkOrGone(int result, string what) =>
        result == -(int)Errno.ESTALE && _round.MayBeGone ? throw new StaleException() : Ok(result, what);

    private ViolationException Violation(string what) => new($"{Name}: {_now}: {what}");

    // Descriptors that are kept are one more in their arrays, so that 0 is none.
    private static void CloseKept(int fd)
    {
        if (fd > 0)
        {
            Calls.Close(fd - 1);
        }
    }

    /// <summary>A descriptor that is kept from one operation to the next, and now and then opened anew.</summary>
    private int Kept(ref int place, string name, uint flags, int percentAnew)
    {
        if (place > 0 && Chance(percentAnew))
        {
            CloseKept(place);
            place = 0;
        }

        if (place == 0)
        {
            place = Ok(Calls.Open(At(name), flags), $"open {name}") + 1;
        }

        return place - 1;
    }

    private static int IndexOf<T>(T[] all, T one)
        where T : class => Array.IndexOf(all, one);
}
