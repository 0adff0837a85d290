using System;
using System.Text;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

// What another thread may know of a worker that is at a request. The worker counts its turns: odd while it is at one.
// Whoever looks takes the turn, what it wants to know, and the turn again: if that is the same, nothing has changed.
public sealed partial class FuseWorker
{
    private FuseInHeader _at;
    private long _turn;

    /// <summary>Counts up when a request comes and when it is done.</summary>
    internal long Turn => Volatile.Read(ref _turn);

    /// <summary>Whether a turn is one of a request.</summary>
    internal static bool IsAtWork(long turn) => (turn & 1) != 0;

    /// <summary>Says what a worker is at, if it is still at the same turn. Called by any thread.</summary>
    internal bool TryDescribe(long turn, out RequestUnderWay request)
    {
        FuseInHeader header = _at;
        ref readonly FuseOpcodeInfo info = ref FuseOpcodes.Find(header.Opcode);
        string? name = null;
        if (info.Names > 0)
        {
            ReadOnlySpan<byte> names = _arguments.AsSpan(info.FixedIn, FuseProtocol.NameBytes);
            int length = names.IndexOf((byte)0);
            name = Encoding.UTF8.GetString(length < 0 ? names : names[..length]);
        }

        Volatile.ReadBarrier();
        request = new RequestUnderWay
        {
            Opcode = header.Opcode,
            Id = new RequestId(header.Unique),
            Node = new NodeId(header.NodeId),
            Name = name,
            Uid = header.Uid,
            Pid = header.Pid,
        };
        return _turn == turn;
    }

    private void BeginTurn(in FuseInHeader header)
    {
        _at = header;
        Volatile.Write(ref _turn, _turn + 1);
    }

    private void EndTurn()
    {
        Volatile.Write(ref _turn, _turn + 1);

        // Nobody sees the next request's header, nor its arguments, with the turn of this one.
        Volatile.WriteBarrier();
    }
}
