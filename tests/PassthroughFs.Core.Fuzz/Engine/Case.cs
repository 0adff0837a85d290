using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Fuzz.Targets;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>One session from its start to its end: made up from a seed, or replayed from a tape.</summary>
internal sealed class Case(Setup setup, int setupNumber, Stage stage, SessionMemory memory, Coverage coverage)
{
    private const int ProbeEvery = 64;
    private const int OutsideEvery = 2048;

    private static readonly HashSet<string> s_warm = [];

    private readonly RequestMaker _maker = new(new Limits(
        Native.Self.Uid, Native.Self.Gid, (uint)Environment.ProcessId, stage.MayFill));

    private readonly Pool _pool = new();
    private readonly List<int> _places = [];
    private Tape? _script;
    private int _scriptAt;
    private readonly SessionMemory _memory = memory;
    private uint _before;
    private ulong _uniqueBase;
    private int _sentByOther;

    // Then nothing is learned: what is reached depends on the moment.
    private bool _isTogether;

    public Tape Tape => _memory.Tape;

    /// <summary>How many requests were sent, probes included.</summary>
    public int Sent { get; private set; }

    /// <summary>The last request begun, for whoever watches.</summary>
    public static string Current { get; private set; } = "";

    /// <summary>Makes up and sends so many requests.</summary>
    /// <returns>The finding; null for none.</returns>
    public FindingException? Run(ulong seed, int requests, Poison poison)
    {
        Current = $"{setup.Name} {seed}";
        return Guarded(poison, true, (session, served, _) => Steps(session, served, seed, requests));
    }

    /// <summary>The same by two threads at once, which share the session and all that is in it.</summary>
    /// <param name="seed">What requests there are, of both.</param>
    /// <param name="requests">How many each of them sends.</param>
    /// <param name="other">Whose requests the second thread sends.</param>
    public FindingException? RunTogether(ulong seed, int requests, Case other)
    {
        Current = $"{setup.Name} {seed} by two";
        return Guarded(Poison.First, false, (session, served, logger) =>
        {
            var second = new Session(served, logger, stage.OutsideInos, other._memory, Poison.First, isAlone: false);
            FindingException? theirs = null;
            var thread = new Thread(() =>
            {
                try
                {
                    other.Steps(second, served, ~seed, requests);
                }
                catch (FindingException finding)
                {
                    theirs = finding;
                }
            });
            other._uniqueBase = 1UL << 40;
            _isTogether = other._isTogether = true;
            thread.Start();
            try
            {
                Steps(session, served, seed, requests);
            }
            finally
            {
                thread.Join();
                _isTogether = other._isTogether = false;
                _sentByOther = second.Count;
            }

            if (theirs is not null)
            {
                throw theirs;
            }
        });
    }

    /// <summary>Makes up and sends so many requests of a session that somebody has started.</summary>
    public void Steps(Session session, Served served, ulong seed, int requests)
    {
        Tape.Clear();
        _pool.Clear();
        _script = null;
        var rng = new Rng(seed);
        if (!served.Session.IsInitialized && !rng.OneIn(8))
        {
            InitFlags offer = rng.OneIn(4) ? (InitFlags)rng.Next() | InitFlags.FUSE_INIT_EXT : served.Offer;
            SendInit(session, offer);
        }

        for (int i = 0; i < requests; i++)
        {
            Step(session, served, ref rng);
            if (i % ProbeEvery == ProbeEvery - 1)
            {
                Probe(session, served, ref rng);
            }

            if (i % OutsideEvery == OutsideEvery - 1)
            {
                stage.CheckOutside();
            }
        }
    }

    /// <summary>Sends what a tape says.</summary>
    public FindingException? Replay(Tape tape, Poison poison) => Guarded(poison, true, (session, served, _) =>
    {
        byte[] buffer = new byte[RequestMaker.Largest + 4096];
        var rng = new Rng(1);
        for (int i = 0; i < tape.Count; i++)
        {
            Span<byte> request = buffer.AsSpan(0, tape.Bytes(i).Length);
            tape.Bytes(i).CopyTo(request);
            foreach (Fixup fixup in tape.Fixups(i))
            {
                if (session.Result(fixup.Source, fixup.Nth) is { } value)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(request[fixup.At..], value);
                }
            }

            session.Send(request, tape[i].Room, tape[i].Cuts);
        }

        // What a probe found in the run, probes find here.
        for (int i = 0; i < session.Model.Known * 2; i++)
        {
            Probe(session, served, ref rng);
        }
    });

    private FindingException? Guarded(Poison poison, bool isAlone, Action<Session, Served, FuzzLogger> body)
    {
        Sent = 0;
        _sentByOther = 0;
        try
        {
            stage.Reset();
            var before = new TreeBefore(setup, stage);
            int descriptors = Descriptors.Count();
            var logger = new FuzzLogger();
            using (Served served = setup.Start(stage.Root, logger))
            {
                var session = new Session(served, logger, stage.OutsideInos, _memory, poison, isAlone);
                try
                {
                    body(session, served, logger);
                    EndWell(session, served);
                }
                finally
                {
                    Sent = session.Count + _sentByOther;
                }

                before.Check(served.Promise);
            }

            stage.CheckOutside();

            // What the process takes once, it has taken by the second time.
            if (!s_warm.Add(setup.Target))
            {
                Descriptors.CheckBack(descriptors);
            }

            return null;
        }
        catch (FindingException finding)
        {
            return finding;
        }
    }

    private void SendInit(Session session, InitFlags offer)
    {
        Span<byte> request = stackalloc byte[104];
        request.Clear();
        request[0] = 104;
        request[4] = 26;
        request[40] = 7;
        request[44] = 45;
        request[50] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(request[52..], (uint)offer);
        BinaryPrimitives.WriteUInt32LittleEndian(request[56..], (uint)((ulong)offer >> 32));
        Tape.Add(request, default, ReplyCheck.Header + 64, 0);
        session.Send(request, ReplyCheck.Header + 64, 0);
        _pool.Clear();
    }

    private void Step(Session session, Served served, ref Rng rng)
    {
        _maker.Unique = _uniqueBase + (((ulong)session.Count + 1) * 2);
        bool isWild = rng.OneIn(4);
        if (!served.Session.IsInitialized && !rng.OneIn(6))
        {
            SendInit(session, served.Offer);
            return;
        }

        if (_script is null && coverage.Tapes.Count > 0 && rng.OneIn(40))
        {
            _script = coverage.Tapes[rng.Below(coverage.Tapes.Count)];
            _scriptAt = 0;
            _places.Clear();
        }

        if (_script is not null && !rng.OneIn(8))
        {
            TakeFromScript(session);
            isWild = rng.OneIn(5);
        }
        else
        {
            _maker.Make(ref rng, _pool);
        }

        if (isWild)
        {
            _maker.Mutate(ref rng);
        }

        uint cuts = rng.OneIn(3) ? rng.Next32() : rng.Next32() & ~0x387u;
        int place = Tape.Count;
        Tape.Add(_maker.Request, _maker.Fixups, _maker.Room, cuts);
        session.Send(_maker.Request, _maker.Room, cuts);
        Take(session, place);
    }

    private void TakeFromScript(Session session)
    {
        Tape script = _script!;
        _maker.Take(script.Bytes(_scriptAt), script[_scriptAt].Room);
        foreach (Fixup fixup in script.Fixups(_scriptAt))
        {
            int source = (uint)fixup.Source < (uint)_places.Count ? _places[fixup.Source] : -1;
            if (session.Result(source, fixup.Nth) is { } value)
            {
                _maker.Fix(fixup with { Source = source }, value);
            }
        }

        _places.Add(Tape.Count);
        if (++_scriptAt == script.Count)
        {
            _script = null;
        }
    }

    /// <summary>Learns what a reply gave.</summary>
    private void Take(Session session, int place)
    {
        ReadOnlySpan<byte> request = Tape.Bytes(place);
        uint opcode = request.Length >= 8 ? BinaryPrimitives.ReadUInt32LittleEndian(request[4..]) : 0;
        int nth = 0;
        foreach ((ulong node, bool isDirectory) in session.LastNodes)
        {
            _pool.AddNode(new Given(node, place, nth++, 0, -1, 0, isDirectory));
        }

        (ulong handle, bool ofDirectory) = session.LastHandle;
        if (handle != 0)
        {
            AddHandle(session, request, place, handle, ofDirectory, created: nth > 0);
        }

        if (!_isTogether)
        {
            coverage.Note(setupNumber, opcode, _before, session.LastErrno, session.LastLength, Tape);
        }

        _before = opcode;
    }

    private void AddHandle(
        Session session, ReadOnlySpan<byte> request, int place, ulong handle, bool ofDirectory, bool created)
    {
        // Of CREATE the node is in the reply, of OPEN in the request.
        (ulong node, int source, int nth) = created
            ? (session.LastNodes[0].Node, place, 0)
            : (BinaryPrimitives.ReadUInt64LittleEndian(request[16..]), -1, 0);
        if (!created)
        {
            foreach (Fixup fixup in Tape.Fixups(place))
            {
                if (fixup.At == 16)
                {
                    (source, nth) = (fixup.Source, fixup.Nth);
                }
            }
        }

        _pool.AddHandle(new Given(handle, place, -1, node, source, nth, ofDirectory));
    }

    /// <summary>What the client holds is there, and what it gave back is not.</summary>
    private static void Probe(Session session, Served served, ref Rng rng)
    {
        Model model = session.Model;
        if (model.Known == 0 || model.IsUncertain || !served.Session.IsInitialized)
        {
            return;
        }

        (ulong node, bool isLive) = model.Any(ref rng);
        var errno = (Errno)session.GetAttr(node);
        if (isLive && errno is not (Errno.OK or Errno.ESTALE or Errno.EMFILE or Errno.ENFILE))
        {
            throw new FindingException("node lost", $"GETATTR of node {node}, which the client holds, is {errno}");
        }

        if (!isLive && errno == Errno.OK && !served.FindsForgotten)
        {
            throw new FindingException("node not forgotten", $"GETATTR of node {node}, which was given back, succeeds");
        }
    }

    /// <summary>Whatever was sent before, a plain client is served.</summary>
    private static void EndWell(Session session, Served served)
    {
        Must(session.Init(served.Offer), "INIT");
        Must(session.GetAttr(1), "GETATTR of the root");
        int found = session.Ask(PassthroughFs.Core.Protocol.FuseOpcode.FUSE_LOOKUP, 1, "d\0"u8, 128);
        if (found != (int)Errno.ENOENT)
        {
            Must(found, "LOOKUP");
        }

        Must(session.Ask(PassthroughFs.Core.Protocol.FuseOpcode.FUSE_DESTROY, 0, default, 16), "DESTROY");

        static void Must(int errno, string what)
        {
            if (errno != 0)
            {
                throw new FindingException("session does not answer", $"{what} is {(Errno)errno}");
            }
        }
    }
}
