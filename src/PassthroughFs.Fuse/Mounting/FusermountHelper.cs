using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>
/// A mount made by fusermount3, which is set-uid root: an ordinary user's way. It opens the device, mounts, and sends
/// the descriptor over a socket.
/// </summary>
internal sealed unsafe class FusermountHelper : ActiveMount
{
    private const string Helper = "fusermount3";
    private const nuint RootOnly = MountFlags.NoSuid | MountFlags.NoDev;

    // What it knows in each version; others it refuses, or leaves out and says so.
    private static readonly string[] s_known = ["ro", "nosuid", "nodev", "noexec", "sync", "dirsync", "noatime"];

    // What says only how mount(2) is called, and of access times, which are the source's.
    private static readonly string[] s_withoutEffect = ["nodiratime", "relatime", "strictatime", "silent"];

    // Stays open while we live: with auto_unmount the helper waits for its end.
    private readonly SafeFileHandle? _socket;
    private readonly ChildProcess? _waiting;

    private FusermountHelper(int deviceFd, string mountPoint, SafeFileHandle socket, ChildProcess? waiting)
        : base(deviceFd, mountPoint)
    {
        _socket = socket;
        _waiting = waiting;
        HelperSocket = waiting is null ? null : socket.DangerousGetHandle().ToInt32();
    }

    /// <summary>A mount that another process has made.</summary>
    /// <param name="deviceFd">The device.</param>
    /// <param name="mountPoint">Where it is.</param>
    /// <param name="connection">The connection's number.</param>
    /// <param name="socket">On whose end the helper waits, if it does.</param>
    public FusermountHelper(int deviceFd, string mountPoint, uint? connection, SafeFileHandle? socket)
        : base(deviceFd, mountPoint, connection)
    {
        _socket = socket;
        HelperSocket = socket?.DangerousGetHandle().ToInt32();
    }

    /// <inheritdoc/>
    public override int? HelperSocket { get; }

    public static FusermountHelper Create(FuseMountOptions options, string mountPoint)
    {
        if (((nuint)options.Flags & RootOnly) != RootOnly && Libc.geteuid() != 0)
        {
            throw new FuseMountException("-o suid and -o dev are for root alone: leave them out", FuseMountFault.Usage);
        }

        if (MountFlags.Words((nuint)options.Flags).Except(s_known).Except(s_withoutEffect).FirstOrDefault() is { } word)
        {
            throw new FuseMountException(
                $"{Helper} does not know -o {word}: leave it out, or mount as root without AutoUnmount",
                FuseMountFault.Usage);
        }

        (SafeFileHandle ours, SafeFileHandle theirs) = SocketPair();
        (SafeFileHandle output, SafeFileHandle input) = ChildProcess.Pipe();
        ChildProcess? child;
        Errno error;
        using (theirs)
        using (input)
        {
            child = ChildProcess.Start(
                Helper, [Helper, "-o", OptionText(options), "--", mountPoint],
                theirs.DangerousGetHandle().ToInt32(), input.DangerousGetHandle().ToInt32(),
                ("_FUSE_COMMFD", ChildProcess.PassedFd.ToString(CultureInfo.InvariantCulture)), ownSession: false,
                out error);
        }

        using (output)
        {
            if (child is null)
            {
                throw new FuseMountException(error == Errno.ENOENT
                    ? $"an ordinary user mounts through {Helper}, which is not installed: install fuse3, or run as root"
                    : $"{Helper} cannot be started: {Libc.Describe(error)}", FuseMountFault.System);
            }

            int fd = ReceiveFd(ours.DangerousGetHandle().ToInt32());
            if (fd < 0)
            {
                string said = ChildProcess.ReadToEnd(output);
                _ = child.WaitForExit();
                throw Refused(said, mountPoint);
            }

            if (!options.AutoUnmount)
            {
                _ = child.WaitForExit();
                child = null;
            }

            return new FusermountHelper(fd, mountPoint, ours, child);
        }
    }

    /// <summary>The helper's -o.</summary>
    public static string OptionText(FuseMountOptions options)
    {
        List<string> words = [.. MountFlags.Words((nuint)options.Flags).Intersect(s_known)];

        // It has nosuid and nodev of its own accord.
        words.AddRange(((nuint)options.Flags & MountFlags.NoSuid) == 0 ? ["suid"] : []);
        words.AddRange(((nuint)options.Flags & MountFlags.NoDev) == 0 ? ["dev"] : []);
        words.AddRange(options.Subtype is { } subtype ? ["subtype=" + subtype] : []);
        words.Add("fsname=" + OptionList.Escape(options.SourceName));
        words.AddRange(options.AllowOther ? ["allow_other"] : []);
        words.AddRange(options.DefaultPermissions ? ["default_permissions"] : []);
        words.AddRange(options.AutoUnmount ? ["auto_unmount"] : []);
        return string.Join(',', words);
    }

    /// <inheritdoc/>
    public override void Close(bool endsHelper)
    {
        base.Close(endsHelper);

        // Its end is what the helper waits for; somebody else has unmounted, or it has.
        _socket?.Dispose();
        if (endsHelper)
        {
            _ = _waiting?.WaitForExit();
        }
    }

    protected override void Detach()
    {
        ChildProcess? child = ChildProcess.Start(
            Helper, [Helper, "-u", "-q", "-z", "--", MountPoint], passedFd: -1, stderrFd: -1, variable: null,
            ownSession: false, out _);
        _ = child?.WaitForExit();
        _socket?.Dispose();
        _ = _waiting?.WaitForExit();
    }

    // The helper's own words, where we have none that say what to do.
    private static FuseMountException Refused(string said, string mountPoint)
    {
        if (said.Contains("user_allow_other", StringComparison.Ordinal))
        {
            return new FuseMountException(
                "AllowOther is not allowed to ordinary users here: leave it out, or have root add the line " +
                "user_allow_other to /etc/fuse.conf", FuseMountFault.Permission);
        }

        if (said.Contains("no write access", StringComparison.Ordinal) ||
            said.Contains("not owned by user", StringComparison.Ordinal))
        {
            return new FuseMountException(
                $"mount point {mountPoint} is not yours: choose a directory that you own and may write to",
                FuseMountFault.Permission);
        }

        if (said.Contains("/dev/fuse", StringComparison.Ordinal) ||
            said.Contains("fuse device", StringComparison.Ordinal))
        {
            return KernelMount.NoDevice(
                said.Contains("ermission denied", StringComparison.Ordinal) ? Errno.EACCES : Errno.ENODEV);
        }

        if (said.Contains("Operation not permitted", StringComparison.Ordinal))
        {
            return new FuseMountException(
                $"{Helper} has no privilege to mount: make it root's and set-uid (`chmod u+s`), or run as root",
                FuseMountFault.Permission);
        }

        string? first = said.Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return new FuseMountException($"mounting at {mountPoint} failed: {first ?? $"{Helper} gave no reason"}");
    }

    private static (SafeFileHandle Ours, SafeFileHandle Theirs) SocketPair()
    {
        int* pair = stackalloc int[2]; // Sound: socketpair writes two ints.
        return Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) != 0
            ? throw new FuseMountException($"cannot create a socket pair: {Libc.Describe(Libc.LastError)}", FuseMountFault.System)
            : (new SafeFileHandle(pair[0], ownsHandle: true), new SafeFileHandle(pair[1], ownsHandle: true));
    }

    // One byte with one descriptor beside it; -1 if the helper ended without.
    private static int ReceiveFd(int socket)
    {
        Span<byte> data = stackalloc byte[1];
        Span<int> fds = stackalloc int[1];
        Errno error = FdSocket.Receive(socket, data, fds, out int length, out int count);
        return error == Errno.OK && length == 1 && count == 1 ? fds[0] : -1;
    }
}
