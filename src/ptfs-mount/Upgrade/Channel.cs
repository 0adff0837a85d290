using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.IO;
using System.Net.Sockets;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount.Upgrade;

/// <summary>
/// What two processes say to each other over the control socket when one takes the place of the other.
/// </summary>
/// <remarks>
/// <para>
/// The successor: "upgrade 1". The predecessor: "ok", and 4 bytes of length with what it is (<see cref="Handover"/>). Now
/// the successor prepares itself; nothing is disturbed yet. "stop": the predecessor answers what is under way, takes no
/// more requests, and says "state N" with N descriptors behind it, at most 253 beside a byte. The successor goes on from
/// the state: "ready". "go": from here on it serves, and the predecessor ends.
/// </para>
/// <para>
/// Each may say "error" and why instead, or be gone: then the predecessor serves on, and the successor ends.
/// </para>
/// </remarks>
internal sealed class Channel(Socket socket)
{
    public const string Upgrade = "upgrade ";
    public const string Ok = "ok";
    public const string Stop = "stop";
    public const string State = "state ";
    public const string Ready = "ready";
    public const string Go = "go";
    public const string Error = "error ";

    /// <summary>The version of all this.</summary>
    public const int Version = 1;

    private const int MaxLine = 4096;
    private const int MaxText = 1 << 24;
    private const int SO_PEERCRED = 17;

    private int Fd => socket.Handle.ToInt32();

    /// <summary>Who is on the other side: as it was when it connected, or began to listen.</summary>
    public (int Pid, uint Uid) Peer
    {
        get
        {
            const int ucredSize = 12; // pid, uid, gid
            Span<byte> credentials = stackalloc byte[ucredSize];
            _ = socket.GetRawSocketOption(Libc.SOL_SOCKET, SO_PEERCRED, credentials);
            return (BinaryPrimitives.ReadInt32LittleEndian(credentials),
                BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]));
        }
    }

    /// <summary>How long the other side may take for its next word.</summary>
    public void SetPatience(TimeSpan limit)
    {
        socket.ReceiveTimeout = (int)limit.TotalMilliseconds;
        socket.SendTimeout = (int)limit.TotalMilliseconds;
    }

    /// <exception cref="IOException">The other side is gone, or does not take it.</exception>
    public void Say(string line) => Send(Encoding.UTF8.GetBytes(line.ReplaceLineEndings(" ") + "\n"), []);

    /// <exception cref="IOException">The other side is gone, or does not take it.</exception>
    public void SayText(byte[] text)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
        Send(length, []);
        Send(text, []);
    }

    /// <exception cref="IOException">The other side is gone, or does not take them.</exception>
    public void SendFds(ReadOnlySpan<int> fds)
    {
        while (!fds.IsEmpty)
        {
            ReadOnlySpan<int> some = fds[..Math.Min(fds.Length, FdSocket.MaxFds)];
            Send([0], some);
            fds = fds[some.Length..];
        }
    }

    /// <summary>The next line. An error is thrown as the other side's words.</summary>
    /// <exception cref="IOException">The other side is gone, or says nothing.</exception>
    /// <exception cref="FuseMountException">It says what is wrong.</exception>
    public string Hear()
    {
        byte[] line = new byte[MaxLine];
        for (int length = 0; length < line.Length; length++)
        {
            Receive(line.AsSpan(length, 1));
            if (line[length] == '\n')
            {
                string text = Encoding.UTF8.GetString(line, 0, length);
                return text.StartsWith(Error, StringComparison.Ordinal)
                    ? throw new FuseMountException(text[Error.Length..])
                    : text;
            }
        }

        throw Senseless();
    }

    /// <summary>The next line, which can only be this one.</summary>
    /// <inheritdoc cref="Hear"/>
    public void Expect(string line)
    {
        if (Hear() != line)
        {
            throw Senseless();
        }
    }

    /// <inheritdoc cref="Hear"/>
    public byte[] HearText()
    {
        byte[] length = new byte[sizeof(int)];
        Receive(length);
        int count = BinaryPrimitives.ReadInt32LittleEndian(length);
        byte[] text = count is >= 0 and <= MaxText ? new byte[count] : throw Senseless();
        Receive(text);
        return text;
    }

    /// <summary>So many descriptors, which are the caller's.</summary>
    /// <inheritdoc cref="Hear"/>
    public List<int> ReceiveFds(int count)
    {
        var fds = new List<int>();
        Span<int> some = stackalloc int[FdSocket.MaxFds];
        Span<byte> data = stackalloc byte[1];
        while (fds.Count < count)
        {
            Errno error = FdSocket.Receive(Fd, data, some, out int length, out int received);
            fds.AddRange(some[..received]);
            if (error != Errno.OK || length == 0 || received == 0)
            {
                fds.ForEach(fd => _ = Libc.close(fd));
                throw error switch
                {
                    Errno.EMFILE => new FuseMountException(
                        $"{count} descriptors come from the running program, more than this one may have: raise " +
                        "`ulimit -n` to what it was there"),
                    Errno.OK => Gone(),
                    _ => Silent(error),
                };
            }
        }

        return fds;
    }

    [DoesNotReturn]
    private static Exception Senseless() =>
        throw new FuseMountException("the other side of the control socket is no ptfs-mount that can be upgraded");

    private static IOException Gone() => new("it has ended");

    private static IOException Silent(Errno error) =>
        new(error == Errno.EAGAIN ? "it does not answer" : Libc.Describe(error));

    private void Receive(Span<byte> data)
    {
        while (!data.IsEmpty)
        {
            Errno error = FdSocket.Receive(Fd, data, [], out int length, out _);
            if (error != Errno.OK || length == 0)
            {
                throw error == Errno.OK ? Gone() : Silent(error);
            }

            data = data[length..];
        }
    }

    private void Send(ReadOnlySpan<byte> data, ReadOnlySpan<int> fds)
    {
        Errno error = FdSocket.Send(Fd, data, fds);
        if (error != Errno.OK)
        {
            throw error is Errno.EPIPE or Libc.ECONNRESET ? Gone() : Silent(error);
        }
    }
}
