using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Numerics;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Fuzz.Engine;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>
/// Saved states that were changed: a session takes one or says what is wrong with it (InvalidDataException), and goes on
/// either way.
/// </summary>
internal sealed class StateTarget : IStepTarget
{
    private const int MagicAndVersion = 12;
    private const int TagAndLength = 12;
    private const long MostAllocated = 48L << 20;

    private static readonly string[] s_configurations =
        ["fd", "handles", "adaptive", "locks", "host-ino", "export", "vfs", "vfs-handles", "backing"];

    private readonly Stage _stage = new();
    private readonly SessionMemory _memory = new();
    private readonly Coverage _coverage = new();
    private readonly List<Setup> _setups = [];
    private long _taken;
    private long _refused;

    public StateTarget()
    {
        foreach (string name in s_configurations)
        {
            _setups.AddRange(Setups.Of(Setups.Sessions, name));
        }
    }

    public long Done { get; private set; }

    public string Outcome => $"{_taken} taken, {_refused} refused";

    public void Run(ulong seed, int steps)
    {
        var rng = new Rng(seed);
        _stage.Reset();
        Setup setup = _setups[rng.Below(_setups.Count)];
        var logger = new FuzzLogger();
        using Served served = setup.Start(_stage.Root, logger);
        var session = new Session(served, logger, [], _memory, Poison.First, isAlone: false);
        var requests = new Case(setup, 0, _stage, _memory, _coverage);
        _ = session.Init(served.Offer);
        requests.Steps(session, served, rng.Next(), 20 + rng.Below(400));
        if (!served.Session.IsInitialized)
        {
            _ = session.Init(served.Offer);
        }

        List<int> kept = [];
        using var stream = new MemoryStream();
        served.Session.SaveState(stream, kept);
        served.Session.Resume();
        byte[] state = stream.ToArray();
        int before = 0;
        for (int i = 0; i < Math.Min(steps, 200); i++, Done++)
        {
            byte[] changed = rng.OneIn(50) ? state : Change(state, ref rng);
            Try(setup, changed, kept, ref rng, isWhole: ReferenceEquals(changed, state));
            if (i == 1)
            {
                before = Descriptors.Count();
            }
        }

        if (before > 0)
        {
            Descriptors.CheckBack(before);
        }
    }

    public void Dispose()
    {
        _memory.Dispose();
        _stage.Dispose();
    }

    private void Try(Setup setup, byte[] state, List<int> kept, ref Rng rng, bool isWhole)
    {
        var logger = new FuzzLogger();
        using Served served = (setup.Succeed ?? setup.Start)(_stage.Root, logger);
        if (served.Transport is { } transport)
        {
            transport.IsSuccessor = true;
        }

        using KeptFds fds = Duplicate(kept, ref rng, isWhole);
        using var stream = new MemoryStream(state);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        bool isTaken = false;
        try
        {
            served.Session.RestoreState(stream, fds);
            isTaken = true;
        }
        catch (InvalidDataException e)
        {
            if (isWhole)
            {
                throw new FindingException("state refused", $"{setup.Name}: a state that nobody changed: {e}");
            }
        }
        catch (Exception e) when (e is not FindingException)
        {
            throw new FindingException("restore throws", $"{setup.Name}: {e}");
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        if (allocated > MostAllocated)
        {
            throw new FindingException("allocation", $"{setup.Name}: {allocated} bytes for a state of {state.Length}");
        }

        var session = new Session(served, logger, [], _memory, Poison.First, isAlone: false);
        if (isTaken)
        {
            _taken++;
            served.Session.Resume();
            new Case(setup, 0, _stage, _memory, _coverage).Steps(session, served, rng.Next(), 12);
        }
        else
        {
            _refused++;
        }

        // Whatever it was, the next client is served.
        int errno = session.Init(served.Offer);
        if (errno != 0 || (errno = session.GetAttr(1)) != 0)
        {
            throw new FindingException("session does not answer", $"{setup.Name}: {(Errno)errno}, taken: {isTaken}");
        }
    }

    private static KeptFds Duplicate(List<int> kept, ref Rng rng, bool isWhole)
    {
        List<int> result = [];
        foreach (int fd in kept)
        {
            int chance = isWhole ? 9 : rng.Below(60);
            if (chance != 0)
            {
                result.Add(chance == 1 ? Native.OpenNull()
                    : Native.Duplicate(chance == 2 ? kept[rng.Below(kept.Count)] : fd));
            }
        }

        return new KeptFds(result);
    }

    private static byte[] Change(byte[] state, ref Rng rng)
    {
        byte[] result = (byte[])state.Clone();
        for (int changes = rng.Below(3); changes >= 0; changes--)
        {
            int at = rng.Below(result.Length);
            switch (rng.Below(8))
            {
                case 0:
                    result[at] ^= (byte)(1 << rng.Below(8));
                    break;
                case 1:
                    result[at] = (byte)rng.Below(256);
                    break;
                case 2 or 3 when at + 8 <= result.Length:
                    BinaryPrimitives.WriteUInt64LittleEndian(result.AsSpan(at), Values.Hostile(ref rng));
                    break;
                case 4 or 5 when at + 4 <= result.Length:
                    BinaryPrimitives.WriteUInt32LittleEndian(result.AsSpan(at), (uint)Values.Hostile(ref rng));
                    break;
                case 6:
                    // A part of it once more in another place.
                    int length = rng.Below(Math.Min(64, result.Length - at));
                    result.AsSpan(at, length).CopyTo(result.AsSpan(rng.Below(result.Length - length)));
                    break;
                default:
                    if (rng.OneIn(8))
                    {
                        result = result[..at];
                        if (result.Length == 0)
                        {
                            return result;
                        }
                    }

                    break;
            }
        }

        if (!rng.OneIn(6))
        {
            FixSums(result);
        }

        return result;
    }

    /// <summary>Sums that are right, so that what was changed is looked at.</summary>
    private static void FixSums(Span<byte> state)
    {
        while (state.Length >= MagicAndVersion)
        {
            int at = MagicAndVersion;
            while (true)
            {
                if (state.Length - at < TagAndLength)
                {
                    return;
                }

                ulong length = BinaryPrimitives.ReadUInt64LittleEndian(state[(at + 4)..]);
                bool isEnd = state.Slice(at, 4).SequenceEqual("END "u8);
                at += TagAndLength;
                if (length > (ulong)(state.Length - at))
                {
                    return;
                }

                if (isEnd)
                {
                    if (length == sizeof(uint))
                    {
                        // In the order in which the writer has it: 8 bytes at a time, piece after piece.
                        BinaryPrimitives.WriteUInt32LittleEndian(state[at..], Sum(state[..at]));
                    }

                    at += (int)length;
                    break;
                }

                at += (int)length;
            }

            state = state[at..];
        }
    }

    private static uint Sum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        foreach (byte value in bytes)
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        return sum;
    }
}
