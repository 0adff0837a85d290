using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount.Upgrade;

/// <summary>Takes a mount over from the program that serves it.</summary>
internal sealed class Successor : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly Socket _socket;
    private readonly Channel _channel;
    private readonly string _mountPoint;
    private long _stopped;

    private Successor(Socket socket, string mountPoint)
    {
        _socket = socket;
        _mountPoint = mountPoint;
        _channel = new Channel(socket);
        _channel.SetPatience(s_patience);
    }

    /// <summary>What it says of itself.</summary>
    public Handover Handover { get; private set; } = null!;

    /// <summary>How long nobody has served, up to now.</summary>
    public TimeSpan Outage => Stopwatch.GetElapsedTime(_stopped);

    /// <summary>Asks the program that serves a mount point. Nothing stops yet.</summary>
    public static Successor Connect(string socketPath, string mountPoint)
    {
        var successor = new Successor(ControlClient.Connect(socketPath, mountPoint), mountPoint);
        try
        {
            successor.Begin();
            return successor;
        }
        catch
        {
            successor.Dispose();
            throw;
        }
    }

    /// <summary>Has the other one stop, goes on from its state, and has it end.</summary>
    /// <param name="fileSystem">What is served.</param>
    /// <param name="options">How.</param>
    /// <param name="loggers">For what happens at run time.</param>
    /// <param name="control">The socket that takes orders, which goes on as well.</param>
    /// <exception cref="FuseMountException">It did not work, and the other one serves on.</exception>
    public FuseMount TakeOver(
        IFileSystem fileSystem, FuseMountOptions options, ILoggerFactory loggers, out Socket control) => InUsersWords(() =>
    {
        Socket? listener = null;
        FuseMount mount = FuseMount.TakeOver(fileSystem, options, taken => listener = Take(taken), loggers);
        return (mount, listener!);
    }, out control);

    private Socket Take(FuseTakeOver taken)
    {
        _stopped = Stopwatch.GetTimestamp();
        _channel.Say(Channel.Stop);
        string line = _channel.Hear();
        if (!line.StartsWith(Channel.State, StringComparison.Ordinal) || !int.TryParse(
            line.AsSpan(Channel.State.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int count))
        {
            throw new FuseMountException($"the running program says \"{line}\"");
        }

        using var fds = new KeptFds(_channel.ReceiveFds(count));
        using var memory = new FileStream(new SafeFileHandle(fds.Take(0), ownsHandle: true), FileAccess.Read);
        int device = fds.Take(1);
        var listener = new Socket(new SafeSocketHandle(fds.Take(2), ownsHandle: true));
        int? helper = Handover.HelperWaits ? fds.Take(3) : null;
        try
        {
            memory.Position = 0;
            taken.RestoreState(memory, fds);
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException or FuseMountException)
        {
            _channel.Say($"{Channel.Error}{e.Message}");
            throw new FuseMountException(
                $"what the running program hands over cannot be used: {CommandLine.AsOptionNames(e.Message)}");
        }

        taken.Connect(
            new FuseMountIdentity(
                Handover.MountPoint, Handover.Connection, Handover.ByHelper, Handover.HelperWaits),
            device, helper);
        _channel.Say(Channel.Ready);
        _channel.Expect(Channel.Go);
        return listener;
    }

    public void Dispose() => _socket.Dispose();

    private void Begin() => InUsersWords(() =>
    {
        if (_channel.Peer.Uid != Libc.geteuid())
        {
            throw new FuseMountException($"it is served by user {_channel.Peer.Uid}: run this as that user");
        }

        _channel.Say($"{Channel.Upgrade}{Channel.Version}");
        _channel.Expect(Channel.Ok);
        Handover = Handover.Parse(_channel.HearText());
        if (Handover.Connection is not { } connection ||
            !MountTable.At(Handover.MountPoint).Any(mount => mount.IsFuse && mount.Minor == connection))
        {
            throw new FuseMountException(
                $"the mount is not seen here at {Handover.MountPoint}: run this where the running program was started " +
                "(the same container or mount namespace)");
        }

        return (this, this);
    }, out _);

    private T InUsersWords<T, TOther>(Func<(T, TOther)> action, out TOther other)
    {
        string message;
        try
        {
            (T result, other) = action();
            return result;
        }
        catch (IOException e)
        {
            message = $"the running program has broken off: {e.Message}";
        }
        catch (Exception e) when (e is FuseMountException or InvalidDataException)
        {
            message = e.Message;
        }

        throw new FuseMountException($"{_mountPoint} is not upgraded, and served as before: {message}");
    }
}
