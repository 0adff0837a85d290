using System;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>
/// Going to the background: a runtime with threads cannot fork, so the program starts itself anew, in a session of its
/// own, and waits until that one says over a pipe that it serves, or why not.
/// </summary>
internal static class Background
{
    private const string Variable = "PTFS_MOUNT_STATUS_FD";

    private static SafeFileHandle? s_status;
    private static bool s_reported;

    /// <summary>Whether this is the process that serves in the background.</summary>
    public static bool IsServer => s_status is not null;

    /// <summary>Finds out which of the two this is.</summary>
    public static void Initialize()
    {
        string expected = ChildProcess.PassedFd.ToString(CultureInfo.InvariantCulture);
        if (Environment.GetEnvironmentVariable(Variable) == expected &&
            Libc.fcntl(ChildProcess.PassedFd, Libc.F_SETFD, Libc.FD_CLOEXEC) == 0)
        {
            Environment.SetEnvironmentVariable(Variable, null);
            s_status = new SafeFileHandle(ChildProcess.PassedFd, ownsHandle: true);
        }
    }

    /// <summary>Starts the server and waits for its word.</summary>
    /// <returns>The exit code.</returns>
    public static int Start(int argumentCount, bool quiet)
    {
        // As this process was started, so is that one.
        if (OwnProgram.Find() is not { } program || program.Arguments.Count <= argumentCount)
        {
            throw new FuseMountException(
                "cannot find the program's own file: mount /proc, or leave --background out", FuseMountFault.System);
        }

        (SafeFileHandle output, SafeFileHandle input) = ChildProcess.Pipe();
        ChildProcess? child;
        Errno error;
        using (input)
        {
            child = ChildProcess.Start(
                program.Path, program.Arguments, input.DangerousGetHandle().ToInt32(), stderrFd: -1,
                (Variable, ChildProcess.PassedFd.ToString(CultureInfo.InvariantCulture)), ownSession: true, out error);
        }

        if (child is null)
        {
            throw new FuseMountException(
                $"{program.Path} cannot be started in the background: {Libc.Describe(error)}", FuseMountFault.System);
        }

        string word;
        using (var interrupt = new Interrupt(child))
        {
            word = ChildProcess.ReadToEnd(output).TrimEnd('\n');
            if (interrupt.HasCome)
            {
                // Nobody wants the mount any more: it is gone when this says so.
                _ = child.WaitForExit();
                throw new FuseMountException("interrupted", FuseMountFault.Interrupted);
            }
        }

        if (word.StartsWith("mounted ", StringComparison.Ordinal))
        {
            if (!quiet)
            {
                Console.Out.WriteLine(word);
            }

            return 0;
        }

        int exitCode = child.WaitForExit();
        if (word.Length > 0)
        {
            Console.Error.WriteLine(word);
        }
        else if (exitCode != 0)
        {
            throw new FuseMountException(
                $"the server ended before it served (exit code {exitCode}): run it without --background to see why");
        }

        return exitCode;
    }

    /// <summary>From the server to whoever started it: the one word it waits for.</summary>
    public static void Report(string line)
    {
        if (Interlocked.Exchange(ref s_reported, true) || s_status is null)
        {
            return;
        }

        try
        {
            using var pipe = new FileStream(s_status, FileAccess.Write, bufferSize: 0);
            pipe.Write(Encoding.UTF8.GetBytes(line + "\n"));
        }
        catch (IOException)
        {
            // Nobody waits any more.
        }
    }

    /// <summary>While it lives, what would end this process ends the one in the background instead.</summary>
    private sealed class Interrupt : IDisposable
    {
        // One whose source does not answer sees no signal: it has not mounted yet.
        private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

        private readonly ChildProcess _child;
        private readonly PosixSignalRegistration[] _registrations;
        private readonly Timer _kill;
        private bool _hasCome;

        public Interrupt(ChildProcess child)
        {
            _child = child;
            _kill = new Timer(_ => child.Kill());
            _registrations =
            [
                PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
                PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
                PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle),
            ];
        }

        public bool HasCome => Volatile.Read(ref _hasCome);

        public void Dispose()
        {
            foreach (PosixSignalRegistration registration in _registrations)
            {
                registration.Dispose();
            }

            _kill.Dispose();
        }

        private void Handle(PosixSignalContext context)
        {
            context.Cancel = true;
            Volatile.Write(ref _hasCome, true);
            _child.Terminate();
            try
            {
                _kill.Change(s_patience, Timeout.InfiniteTimeSpan);
            }
            catch (ObjectDisposedException)
            {
                // It has ended.
            }
        }
    }
}
