using System;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.PtfsMount.Upgrade;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>Takes orders while the mount is served, one connection after the other. For its own user alone.</summary>
internal sealed class ControlSocket : IDisposable
{
    public const int MaxLineBytes = 16 * 1024;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly Socket _socket;
    private readonly string _path;
    private readonly ControlOrders _orders;
    private Predecessor? _predecessor;
    private int _isDisposed;

    private ControlSocket(Socket socket, string path, ControlOrders orders)
    {
        _socket = socket;
        _path = path;
        _orders = orders;
        new Thread(Serve) { Name = "ptfs-control", IsBackground = true }.Start();
    }

    /// <summary>Where it is.</summary>
    public string Place => _path;

    /// <summary>The descriptor. Borrowed.</summary>
    public int Fd => _socket.Handle.ToInt32();

    /// <summary>Goes on with the socket of a predecessor.</summary>
    public static ControlSocket Adopt(Socket socket, string path, ControlOrders orders) => new(socket, path, orders);

    /// <summary>Starts to take orders.</summary>
    /// <param name="path">Where the user wants the socket; null for the mount point's own place.</param>
    /// <param name="mountPoint">The mount point, without symbolic links.</param>
    /// <param name="orders">Carries them out.</param>
    /// <param name="needsOrders">Whether there is more to order than an upgrade, which a mount can do without.</param>
    /// <param name="logger">Hears of it if there is no place for the socket.</param>
    /// <returns>Null if the user has named no place and there is none.</returns>
    public static ControlSocket? Open(
        string? path, string mountPoint, ControlOrders orders, bool needsOrders, ILogger logger)
    {
        if (path is null && ControlPath.PrepareDefault(mountPoint, out path) is { } fault)
        {
            if (needsOrders)
            {
                Log.NoControl(logger, fault);
            }
            else
            {
                Log.NoUpgrade(logger, fault);
            }

            return null;
        }

        try
        {
            return Open(path, orders);
        }
        catch (FuseMountException e) when (!needsOrders)
        {
            Log.NoUpgrade(logger, e.Message);
            return null;
        }
    }

    private static ControlSocket Open(string path, ControlOrders orders)
    {
        ControlPath.RefuseTooLong(path);
        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        if (!Directory.Exists(directory))
        {
            throw new FuseMountException(
                $"the control socket {path} cannot be made, as there is no directory {directory}: create it " +
                $"(`mkdir -p {directory}`), or name another place with --control");
        }

        RemoveStale(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Before it has a name: nobody else gets in between.
            using (var handle = new SafeFileHandle(socket.Handle, ownsHandle: false))
            {
                File.SetUnixFileMode(handle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen();
            return new ControlSocket(socket, path, orders);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new FuseMountException(
                $"the control socket {path} cannot be made ({e.Message.TrimEnd('.')}): name a place that can be written " +
                "with --control");
        }
    }

    /// <summary>From here on the mount can be handed over.</summary>
    public void Attach(Predecessor predecessor) => Volatile.Write(ref _predecessor, predecessor);

    /// <summary>Takes no more orders. The socket is a successor's.</summary>
    public void Leave() => Volatile.Write(ref _isDisposed, 1);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            try
            {
                File.Delete(_path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It stays behind; the next one removes it.
            }

            _socket.Dispose();
        }
    }

    // What a program left that was killed; not what one listens on that lives.
    private static void RemoveStale(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // A socket that nobody listens on. Of another kind of file the same is said, and that stays.
            if (Libc.FileMode(path, out uint mode) == Errno.OK && (mode & Libc.S_IFMT) == Libc.S_IFSOCK)
            {
                File.Delete(path);
            }

            return;
        }
        catch (SocketException)
        {
            return;
        }

        throw new FuseMountException($"the control socket {path} is in use: name another with --control");
    }

    private void Serve()
    {
        while (Volatile.Read(ref _isDisposed) == 0)
        {
            try
            {
                using Socket client = _socket.Accept();
                client.ReceiveTimeout = (int)s_patience.TotalMilliseconds;
                client.SendTimeout = (int)s_patience.TotalMilliseconds;
                Answer(client);
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                // One who went away, or who waits for nothing; or the end.
            }
        }
    }

    private void Answer(Socket client)
    {
        byte[] buffer = new byte[MaxLineBytes];
        int length = 0;
        while (length < buffer.Length)
        {
            int received = client.Receive(buffer.AsSpan(length));
            length += received;
            int end = buffer.AsSpan(0, length).IndexOf((byte)'\n');
            if (end >= 0 || received == 0)
            {
                string line = Encoding.UTF8.GetString(buffer, 0, end >= 0 ? end : length);
                if (line.StartsWith(Channel.Upgrade, StringComparison.Ordinal) &&
                    Volatile.Read(ref _predecessor) is { } predecessor)
                {
                    predecessor.HandOver(new Channel(client), line[Channel.Upgrade.Length..]);
                    return;
                }

                client.Send(Encoding.UTF8.GetBytes(_orders.Answer(line)));
                return;
            }
        }

        client.Send(Encoding.UTF8.GetBytes($"{ControlOrders.Error}the line is longer than {MaxLineBytes} bytes\n"));
    }
}
