using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.Api;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>Actors on all sides of one directory at once, and then a look at what they have left.</summary>
internal sealed partial class Round : IDisposable
{
    private readonly Side[] _sides;
    private readonly int _seed;
    private readonly Dictionary<(string Root, Area), (object Gate, int Fd)> _owned = [];
    private readonly ConcurrentQueue<string> _wrong = new();
    private volatile bool _isOver;

    /// <param name="name">The directory that it makes for itself.</param>
    /// <param name="sides">The ways to it; the first is the bare one.</param>
    /// <param name="actors">How many on each side.</param>
    /// <param name="seed">What the actors do follows from it.</param>
    /// <param name="makeArea">Makes a directory for an area on the bare side; null for mkdir.</param>
    public Round(string name, Side[] sides, int actors, int seed, Action<string>? makeArea)
    {
        (Name, _sides, _seed, AreApart) = (name, sides, seed, makeArea is not null);
        Actors = actors * sides.Length;
        Areas = [new Area("a", Actors), new Area("b", Actors)];
        Make(makeArea ?? (path => Must(Calls.Mkdir(path))));
    }

    public string Name { get; }

    public Area[] Areas { get; }

    public int Actors { get; }

    /// <summary>Whether areas are file systems of their own, so that nothing moves from one to the other.</summary>
    public bool AreApart { get; }

    /// <summary>Whether a listing has each name that nobody changes exactly once.</summary>
    public bool ListsExactly { get; init; }

    /// <summary>Whether who opens or reads what others remove or replace may be told ESTALE.</summary>
    public bool MayBeGone { get; init; }

    /// <summary>Whether what is read and found may be from before; not what it is of.</summary>
    public bool MayBeStale { get; init; }

    public bool IsOver => _isOver;

    /// <summary>Lets them all work, and judges what they have left.</summary>
    /// <param name="operations">How many each does.</param>
    public void Run(int operations)
    {
        Actor[] actors =
        [
            .. Enumerable.Range(0, Actors)
                .Select(i => new Actor(this, _sides[i % _sides.Length], i, unchecked((_seed * 31) + i))),
        ];
        using var start = new Barrier(Actors);
        Thread[] threads = [.. actors.Select(actor => new Thread(() => Work(actor, start, operations)) { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Report();
        foreach (Side side in _sides)
        {
            JudgeRest(side);
        }

        CompareTrees();
        Report();
    }

    public object OwnedLock(Side side, Area area, out int fd)
    {
        (object gate, fd) = _owned[(side.Root, area)];
        return gate;
    }

    public void Dispose()
    {
        foreach ((_, int fd) in _owned.Values)
        {
            Calls.Close(fd);
        }
    }

    private static int Must(int result) =>
        result >= 0 ? result : throw new InvalidOperationException(((Errno)(-result)).ToString());

    private void Work(Actor actor, Barrier start, int operations)
    {
        using (actor)
        {
            try
            {
                start.SignalAndWait();
                actor.Run(operations);
            }
            catch (Exception e)
            {
                _wrong.Enqueue(e is ViolationException ? e.Message : $"{actor.Name}: {e}");
                _isOver = true;
            }
        }
    }

    private void Report() => Assert.True(
        _wrong.IsEmpty, $"PTFS_TWO_SIDES_SEED={_seed}: {string.Join('\n', _wrong)}");

    private void Make(Action<string> makeArea)
    {
        string root = $"{_sides[0].Root}/{Name}";
        Must(Calls.Mkdir(root));
        byte[] bytes = new byte[Content.BlockSize];
        foreach (Area area in Areas)
        {
            makeArea($"{root}/{area.Name}");
            Must(Calls.Mkdir($"{root}/{area.Name}/names"));
            foreach (Log log in area.Logs)
            {
                Put(log.Name, []);
            }

            foreach (DataFile file in area.Files)
            {
                Put(file.Name, file.IsMapped ? new byte[DataFile.Blocks * Content.BlockSize] : []);
            }

            foreach (LockFile file in area.Locks)
            {
                Put(file.Name, new byte[8]);
            }

            Put(area.Times.Name, []);
            Must(Calls.SetModified($"{root}/{area.Times.Name}", area.Times.Initial));
            foreach (Register version in area.Versions[..2])
            {
                _ = Actor.WholeFile(bytes, version.Initial, 1);
                Put(version.Name, bytes);
            }

            Must(Calls.Symlink(Actor.Target(area.Versions[2].Initial), $"{root}/{area.Versions[2].Name}"));
            foreach (string at in _sides.Select(side => side.Root).Distinct())
            {
                string path = $"{at}/{Name}/{area.Locks[2].Name}";
                _owned.Add((at, area), (new object(), Must(Calls.Open(path, Linux.O_RDWR))));
            }
        }

        void Put(string name, byte[] content)
        {
            int fd = Must(Calls.Open($"{root}/{name}", Linux.O_WRONLY | Linux.O_CREAT | Linux.O_EXCL));
            Must(Calls.Write(fd, content));
            Calls.Close(fd);
        }
    }
}
