using System;
using System.IO;
using System.Net.Sockets;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>ptfs-mount ctl: gives an order to the program that serves a mount point.</summary>
internal static class ControlClient
{
    public const string Command = "ctl";

    private const string Usage = """
        Usage: ptfs-mount ctl [--control PATH] MOUNTPOINT ORDER

        Gives an order to the ptfs-mount that serves MOUNTPOINT: all but requests where it serves several directories
        (--mount).

        Orders:
          add /PATH=SOURCE         serve the directory SOURCE at MOUNTPOINT/PATH
          replace /PATH=SOURCE     the same in the place of what is there; files that are open stay the old ones
          remove [--force] /PATH   take it away; files that are open go on, or with --force answer "stale file handle"
          list                     show what is served
          requests                 show which requests are under way, and since when: what hangs in SOURCE

        --control PATH names the socket, if the server was given one.
        """;

    /// <summary>Sends what the arguments say and prints the answer.</summary>
    public static int Run(ReadOnlySpan<string> args)
    {
        if (args.ContainsAny("--help", "-h", "-?"))
        {
            Console.Out.WriteLine(Usage);
            return 0;
        }

        string? socket = null;
        if (args is ["--control", var named, ..])
        {
            socket = Path.GetFullPath(named);
            args = args[2..];
        }

        if (args.Length < 2)
        {
            throw WrongUsage("MOUNTPOINT and an order are needed");
        }

        Console.Out.Write(Order(socket ?? SocketOf(args[0]), args[0], Line(args[1..])));
        return 0;
    }

    /// <summary>Gives an order.</summary>
    /// <param name="socket">The server's socket.</param>
    /// <param name="mountPoint">What it serves, for messages.</param>
    /// <param name="line">The order.</param>
    /// <returns>What the server answers.</returns>
    /// <exception cref="FuseMountException">It was refused, or nobody was there.</exception>
    internal static string Order(string socket, string mountPoint, string line)
    {
        string answer = Send(socket, mountPoint, line);
        return answer.StartsWith(ControlOrders.Error, StringComparison.Ordinal)
            ? throw new FuseMountException(answer[ControlOrders.Error.Length..].TrimEnd('\n'))
            : answer[(answer.IndexOf('\n', StringComparison.Ordinal) + 1)..];
    }

    /// <summary>The line for an order; a relative directory is one of here.</summary>
    internal static string Line(ReadOnlySpan<string> order)
    {
        string line = order switch
        {
            ["add" or "replace", var text] => NamedSource.Parse(text) is { } source
                ? $"{order[0]} {source with { Source = Path.GetFullPath(source.Source) }}"
                : throw WrongUsage($"{order[0]} {text} is no directory to serve, which is /PATH=SOURCE"),
            ["remove", ['/', ..] path] => $"remove {path}",
            ["remove", "--force", ['/', ..] path] => $"remove {ControlOrders.Force}{path}",
            ["list"] => "list",
            [ControlOrders.Requests] => ControlOrders.Requests,
            _ => throw WrongUsage($"\"{string.Join(' ', order!)}\" is no order"),
        };
        return line.Contains('\n', StringComparison.Ordinal)
            ? throw new FuseMountException("a path with a line break in it cannot be ordered at run time")
            : line;
    }

    /// <summary>Where the socket of a mount point is, if the server was given no other place.</summary>
    internal static string SocketOf(string mountPoint)
    {
        Errno error = Libc.PathOf(mountPoint, out string real);
        return error != Errno.OK
            ? throw new FuseMountException($"mount point {mountPoint} cannot be used: {Libc.Describe(error)}")
            : ControlPath.Default(real) ?? throw new FuseMountException(
                "XDG_RUNTIME_DIR is not set: set it as for the server, or name the socket with --control");
    }

    /// <summary>Connects to the program that serves a mount point.</summary>
    internal static Socket Connect(string path, string mountPoint)
    {
        ControlPath.RefuseTooLong(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AccessDenied
                ? new FuseMountException($"no permission for {path}: be the user who mounted", FuseMountFault.Permission)
                : new FuseMountException(
                    $"{mountPoint} is no mount of ptfs-mount that takes orders (nobody listens at {path}): look at " +
                    "`mount -t fuse.ptfs`, or name the server's socket with --control");
        }
    }

    private static string Send(string path, string mountPoint, string line)
    {
        using Socket socket = Connect(path, mountPoint);
        try
        {
            socket.Send(Encoding.UTF8.GetBytes(line + "\n"));
            using var stream = new NetworkStream(socket);
            using var reader = new StreamReader(stream);
            string answer = reader.ReadToEnd();
            if (answer.Length > 0)
            {
                return answer;
            }
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // Said below.
        }

        throw new FuseMountException($"the server of {mountPoint} ended before it answered");
    }

    private static FuseMountException WrongUsage(string message) =>
        new($"{message}: see ptfs-mount {Command} --help", FuseMountFault.Usage);
}
