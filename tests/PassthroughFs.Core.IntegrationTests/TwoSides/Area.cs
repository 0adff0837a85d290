using System.Collections.Generic;
using System.Threading;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>A log: many append, and what each has appended is there from then on.</summary>
internal sealed class Log(string name, long id, int actors)
{
    // By actor.
    private readonly int[] _acknowledged = new int[actors];
    private long _bytes;

    public string Name => name;

    public long Id => id;

    /// <summary>How many bytes were acknowledged.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Acknowledge(int actor, int length)
    {
        _ = Interlocked.Add(ref _bytes, length);
        _ = Interlocked.Increment(ref _acknowledged[actor]);
    }

    /// <summary>How many records of each actor must be there by now.</summary>
    public int[] Acknowledged()
    {
        int[] result = new int[actors];
        for (int i = 0; i < actors; i++)
        {
            result[i] = Volatile.Read(ref _acknowledged[i]);
        }

        return result;
    }
}

/// <summary>A file that is written in place, block by block.</summary>
internal sealed class DataFile
{
    public const int Blocks = 48;

    /// <param name="name">Its name.</param>
    /// <param name="id">What its blocks say.</param>
    /// <param name="isMapped">Whether it is mapped; such a file is never made shorter, as that would end a process.</param>
    public DataFile(string name, long id, bool isMapped)
    {
        (Name, Id, IsMapped) = (name, id, isMapped);
        Registers = new Register[Blocks];
        for (int i = 0; i < Blocks; i++)
        {
            Registers[i] = new Register($"{name} block {i}");
        }
    }

    public string Name { get; }

    public long Id { get; }

    public bool IsMapped { get; }

    public Register[] Registers { get; }

    /// <summary>Who writes into it, where it is mapped: a store to a mapping is no single act, and two at once mix.</summary>
    public Lock Writing { get; } = new();
}

/// <summary>A name that comes and goes; one actor at a time changes it.</summary>
internal sealed class Slot(string name)
{
    private readonly Dictionary<long, List<long>> _values = [];
    private int _claimed;

    public string Name => name;

    public Register Register { get; } = new(name);

    /// <summary>What it is, for who has claimed it: 'f' a file, 'd' a directory with a file in it, '-' nothing.</summary>
    public char Kind { get; set; } = '-';

    /// <summary>The file's identity, for who has claimed it.</summary>
    public long File { get; set; }

    /// <summary>Begins to let the name lead to a file.</summary>
    public Change Begin(long file)
    {
        long value = file == 0 ? 0 : Area.NewId();
        lock (_values)
        {
            if (!_values.TryGetValue(file, out List<long>? values))
            {
                _values.Add(file, values = []);
            }

            values.Add(value);
            return Register.Begin(value);
        }
    }

    /// <summary>Judges a look that has shown a file, which may have had the name several times.</summary>
    public string? Judge(Look look, long file)
    {
        string? wrong = $"{name}: file {file:x}, which was never here";
        lock (_values)
        {
            if (_values.TryGetValue(file, out List<long>? values))
            {
                foreach (long value in values)
                {
                    wrong = Register.Judge(look, value, isCertain: values.Count == 1);
                    if (wrong is null)
                    {
                        break;
                    }
                }
            }
        }

        return wrong;
    }

    public bool TryClaim() => Interlocked.CompareExchange(ref _claimed, 1, 0) == 0;

    public void GiveBack() => Volatile.Write(ref _claimed, 0);
}

/// <summary>A name that only one can make at a time, in one of the ways that are exclusive.</summary>
internal sealed class Exclusive(string name, int way)
{
    private int _holders;

    public string Name => name;

    /// <summary>0: O_EXCL, 1: mkdir, 2: link, 3: symlink, 4: RENAME_NOREPLACE.</summary>
    public int Way => way;

    public Register Register { get; } = new(name);

    public int Enter() => Interlocked.Increment(ref _holders);

    public void Leave() => Interlocked.Decrement(ref _holders);
}

/// <summary>Whose a lock is and how it is taken.</summary>
internal enum LockKind
{
    /// <summary>An open file's, by F_OFD_SETLK.</summary>
    OpenFile,

    /// <summary>An open file's, by flock.</summary>
    Flock,

    /// <summary>The process's, by F_SETLK. Its actors on one side take turns, as they are one to it.</summary>
    Process,
}

/// <summary>A file that is locked, with a counter in it. What counts in memory tells what has to be in the file.</summary>
internal sealed class LockFile(string name, LockKind kind)
{
    private int _holders;

    public string Name => name;

    public LockKind Kind => kind;

    public long Count { get; set; }

    public int Enter() => Interlocked.Increment(ref _holders);

    public void Leave() => Interlocked.Decrement(ref _holders);
}

/// <summary>A directory of its own with one of everything; on some sources it is a file system of its own.</summary>
internal sealed class Area
{
    public const int Slots = 16;

    private static long s_ids;

    public Area(string name, int actors)
    {
        Name = name;
        Logs = [new($"{name}/log0", NewId(), actors), new($"{name}/log1", NewId(), actors)];
        Files = [new($"{name}/data", NewId(), false), new($"{name}/mapped", NewId(), true)];
        Locks =
        [
            new($"{name}/locked", LockKind.OpenFile), new($"{name}/flocked", LockKind.Flock),
            new($"{name}/owned", LockKind.Process),
        ];
        Versions = [Version("current"), Version("other"), Version("symlink")];
        Times = Version("times");
        Exclusives = new Exclusive[5];
        for (int i = 0; i < Exclusives.Length; i++)
        {
            Exclusives[i] = new Exclusive($"{name}/exclusive{i}", i);
        }

        Names = new Slot[Slots];
        for (int i = 0; i < Slots; i++)
        {
            Names[i] = new Slot($"{name}/names/a name of some length {i}");
        }
    }

    public string Name { get; }

    public Log[] Logs { get; }

    public DataFile[] Files { get; }

    public LockFile[] Locks { get; }

    /// <summary>Names that are replaced by rename; the last is a symbolic link.</summary>
    public Register[] Versions { get; }

    /// <summary>A file whose time of modification is set.</summary>
    public Register Times { get; }

    public Exclusive[] Exclusives { get; }

    public Slot[] Names { get; }

    /// <summary>A number that nothing else has.</summary>
    public static long NewId() => Interlocked.Increment(ref s_ids);

    private Register Version(string name) => new($"{Name}/{name}", NewId());
}
