using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;

namespace PassthroughFs.Core.VhostBench;

/// <summary>A daemon and a guest of its own, with a file looked up and opened.</summary>
internal sealed class Server : IDisposable
{
    public const string FileName = "file";

    private readonly Process _process;
    private readonly string _socket;

    public Server(string title, string program, IEnumerable<string> arguments, string socket)
    {
        Title = title;
        _socket = socket;
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        try
        {
            Guest = Connect();
            _ = Guest.Ask(Request.Init(Offer));
            ReadOnlySpan<byte> entry = Guest.Ask(
                Request.Lookup("lookup", Encoding.ASCII.GetBytes(FileName + '\0'), true));
            Node = BinaryPrimitives.ReadUInt64LittleEndian(entry);
            Pid = ServerPid(_process.Id);
            Handle = BinaryPrimitives.ReadUInt64LittleEndian(Guest.Ask(Request.Open(Node)));
        }
        catch
        {
            End();
            throw;
        }
    }

    public string Title { get; }

    public Guest Guest { get; }

    public ulong Node { get; }

    public ulong Handle { get; }

    /// <summary>The process that serves.</summary>
    public int Pid { get; }

    // What a present-day guest offers and both daemons know: ASYNC_READ, ATOMIC_O_TRUNC, EXPORT_SUPPORT, BIG_WRITES,
    // DONT_MASK, DO_READDIRPLUS, READDIRPLUS_AUTO, PARALLEL_DIROPS, MAX_PAGES, HANDLE_KILLPRIV_V2.
    private static ulong Offer =>
        1 | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 13) | (1 << 14) | (1 << 18) | (1 << 22) | (1 << 28);

    /// <summary>The operations of the table.</summary>
    public Request[] Requests() =>
    [
        Request.GetAttr(Node),
        Request.Lookup("lookup", Encoding.ASCII.GetBytes(FileName + '\0'), true),
        Request.Lookup("lookup, no such name", "missing\0"u8.ToArray(), false),
        Request.Read("read 4 KiB", Node, Handle, 4 << 10),
        Request.Write("write 4 KiB", Node, Handle, 4 << 10),
        Request.Read("read 128 KiB", Node, Handle, 128 << 10),
        Request.Write("write 128 KiB", Node, Handle, 128 << 10),
    ];

    public void Dispose()
    {
        End();
        Guest.Dispose();
    }

    // A sandbox may put a process between: the one that serves is the last of the line.
    private static int ServerPid(int pid)
    {
        int[] children =
        [
            .. Directory.GetDirectories($"/proc/{pid}/task")
                .SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' '))
                .Where(child => child.Length > 0)
                .Select(child => int.Parse(child, null)),
        ];
        return children.Length == 0 ? pid : ServerPid(children[0]);
    }

    private Guest Connect()
    {
        for (int i = 0; ; i++)
        {
            try
            {
                return new Guest(_socket);
            }
            catch (System.Net.Sockets.SocketException) when (i < 500 && !_process.HasExited)
            {
                Thread.Sleep(20);
            }
        }
    }

    private void End()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
