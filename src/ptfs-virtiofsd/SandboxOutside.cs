using System;
using System.Collections.Generic;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// The process that makes <c>--sandbox namespace</c>: it starts the daemon anew in a mount, pid and network namespace
/// of its own, shuts it in when that has opened what it needs, and waits for its end. It never sees the VMM.
/// </summary>
/// <remarks>
/// The runtime and libc open files by their paths at moments of their own, also long after the start. So the root that
/// the daemon ends up with is an empty, read-only file system: nothing that a guest makes can be at any path. The
/// shared directory is a copy of its mount that is attached nowhere (open_tree(2)) and is inherited as a descriptor;
/// ".." ends at its top. The runtime cannot open its own files any more once the root is empty. So the daemon inside
/// starts with the host's root, and the root is changed from here: pivot_root(2) takes along every process of the
/// namespace whose root is the old one. That way the daemon inside needs no CAP_SYS_ADMIN, at no time and on no thread.
/// One thread does all of this. It is in the mount namespace itself from then on, with the changed root at last, and so
/// are the threads that it starts: this process, too, has loaded all of its files before.
/// </remarks>
internal sealed unsafe class SandboxOutside : IDisposable
{
    private readonly VhostUserSocket _socket;
    private readonly string _shared;
    private readonly IReadOnlySet<int> _capabilities;
    private readonly PosixSignalRegistration[] _registrations;
    private readonly SandboxChannel _channel;
    private readonly SandboxChannel _passed;
    private SafeFileHandle? _tree;
    private ExceptionDispatchInfo? _fault;
    private int _exitCode;
    private int _pid;
    private bool _serves;

    private SandboxOutside(VhostUserSocket socket, string shared, IReadOnlySet<int> capabilities)
    {
        _socket = socket;
        _shared = shared;
        _capabilities = capabilities;
        (_channel, _passed) = SandboxChannel.Create();
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle),
            PosixSignalRegistration.Create((PosixSignal)Signals.SIGUSR1, PassOn),
        ];
    }

    /// <summary>Starts the daemon and stays until it has ended.</summary>
    /// <param name="socket">What it listens on.</param>
    /// <param name="shared">The directory that it serves.</param>
    /// <param name="capabilities">What it keeps of this process's.</param>
    /// <returns>Its exit code; 128 and the signal's number if a signal ended it.</returns>
    /// <exception cref="DaemonException">The machine does not allow it.</exception>
    public static int Run(VhostUserSocket socket, string shared, IReadOnlySet<int> capabilities)
    {
        using var outside = new SandboxOutside(socket, shared, capabilities);
        var thread = new Thread(outside.Work) { Name = "ptfs-sandbox" };
        thread.Start();
        thread.Join();
        outside._fault?.Throw();
        return outside._exitCode;
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _channel.Dispose();
        _passed.Dispose();
        _tree?.Dispose();
    }

    private void Work()
    {
        try
        {
            Sandbox.LoadAssemblies();
            EnterNew();
            SandboxProcess daemon = Spawn();
            Volatile.Write(ref _pid, daemon.Pid);
            try
            {
                ShutIn();
            }
            catch
            {
                _ = Libc.kill(_pid, Libc.SIGKILL);
                throw;
            }

            _exitCode = daemon.WaitForExit();
            if (_exitCode == 128 + Libc.SIGSYS)
            {
                throw new DaemonException(ForbiddenCall.Killed, _exitCode);
            }
        }
#pragma warning disable CA1031 // It goes on, on the thread that waits for this one.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _fault = ExceptionDispatchInfo.Capture(e);
        }
    }

    // Before anything is served nobody inside listens to signals, and nothing can be lost.
    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        int pid = Volatile.Read(ref _pid);
        if (pid == 0)
        {
            _socket.Remove();
            Libc._exit(DaemonException.Failure);
        }

        int number = context.Signal switch { PosixSignal.SIGHUP => 1, PosixSignal.SIGINT => 2, _ => 15 };
        _ = Libc.kill(pid, Volatile.Read(ref _serves) ? number : Libc.SIGKILL);
    }

    private void PassOn(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Volatile.Read(ref _serves))
        {
            _ = Libc.kill(Volatile.Read(ref _pid), Signals.SIGUSR1);
        }
    }

    private void EnterNew()
    {
        if (Libc.unshare(Libc.CLONE_NEWNS | Libc.CLONE_NEWNET) != 0)
        {
            Errno error = Libc.LastError;
            throw new DaemonException(error == Errno.EPERM
                ? "--sandbox namespace needs CAP_SYS_ADMIN: run the daemon as root, or behind `unshare --user "
                    + "--map-root-user`, or use --sandbox chroot or none"
                : $"--sandbox namespace: the system makes no namespaces: {Libc.Describe(error)}");
        }

        Mount(null, null, "/", Libc.MS_SLAVE | Libc.MS_REC); // what is mounted here stays here
        _tree = Libc.CloneTree(_shared) is { IsInvalid: false } tree
            ? tree
            : throw new DaemonException(
                $"--sandbox namespace: {_shared} cannot be mounted anew: {Libc.Describe(Libc.LastError)}");
        Privileges.KeepOverExec(_capabilities, "--sandbox namespace");
    }

    private SandboxProcess Spawn()
    {
        int channelFd = _passed.Fd, socketFd = Libc.Number(_socket.Handle), treeFd = Libc.Number(_tree!);
        OwnProgram program = Sandbox.NewProgram(SandboxInside.Variable, $"{channelFd},{socketFd},{treeFd}");

        Libc.InheritOnly(channelFd, socketFd, treeFd);
        return SandboxProcess.Start(program, out Errno error)
            ?? throw new DaemonException(
                $"--sandbox namespace: {program.Path} cannot be started: {Libc.Describe(error)}");
    }

    // Waits until the daemon has opened what it needs, and changes its root. It may end before; that is its own affair.
    private void ShutIn()
    {
        // The directory of its own descriptors, which the library keeps open as the way to reopen them, becomes a
        // mount: once all else is unmounted nothing is above it.
        Mount($"/proc/{_pid}/fd", null, $"/proc/{_pid}/fd", Libc.MS_BIND);
        _passed.Dispose(); // the end of the daemon is then the end of the channel
        _channel.Tell();
        if (!_channel.Await())
        {
            return;
        }

        // Over the shared directory, because that is a place where something can be mounted. Its tree is a copy.
        const nuint empty = Libc.MS_RDONLY | Libc.MS_NOSUID | Libc.MS_NODEV | Libc.MS_NOEXEC;
        Mount("ptfs", "tmpfs", _shared, empty, "mode=555,nr_inodes=1");
        fixed (byte* path = Libc.CString(_shared), root = "/\0"u8, here = ".\0"u8)
        {
            // SAFETY: pinned, each with a NUL behind it.
            using SafeFileHandle oldRoot = Libc.Own(Libc.open(root, Libc.O_PATH | Libc.O_CLOEXEC));
            using SafeFileHandle newRoot = Libc.Own(Libc.open(path, Libc.O_PATH | Libc.O_CLOEXEC));
            if (Libc.fchdir(Libc.Number(newRoot)) != 0 || Libc.pivot_root(here, here) != 0
                || Libc.fchdir(Libc.Number(oldRoot)) != 0 || Libc.umount2(here, Libc.MNT_DETACH) != 0)
            {
                throw new DaemonException(
                    $"--sandbox namespace: the root cannot be changed: {Libc.Describe(Libc.LastError)}");
            }
        }

        Volatile.Write(ref _serves, true);
        _channel.Tell();
    }

    private static void Mount(string? source, string? type, string target, nuint flags, string? data = null)
    {
        fixed (byte* from = Optional(source), kind = Optional(type), to = Libc.CString(target), text = Optional(data))
        {
            // SAFETY: pinned, each with a NUL behind it, or null.
            if (Libc.mount(from, to, kind, flags, text) != 0)
            {
                throw new DaemonException(
                    $"--sandbox namespace: {target} cannot be mounted anew: {Libc.Describe(Libc.LastError)}");
            }
        }
    }

    private static byte[]? Optional(string? text) => text is null ? null : Libc.CString(text);
}
