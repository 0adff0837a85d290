using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>A program that was started as process 1 of a new pid namespace.</summary>
/// <remarks>
/// unshare(2) changes what namespace the children of the calling thread get, and a thread whose children are elsewhere
/// can start no other thread. The runtime starts threads at moments of its own, on whatever thread is at work, and ends
/// the process if that fails. So a thread is set aside for this, on which after that call no code of the runtime runs
/// any more: one method, compiled as a whole before, that makes system calls and never returns. It is the daemon's
/// parent, and has to stay: a daemon asks to be killed when its parent goes, and that is a thread, too.
/// </remarks>
internal sealed unsafe class SandboxProcess
{
    private readonly SandboxChannel _channel;
    private readonly SandboxChannel _threadsEnd; // kept open for the thread, which knows its number only
    private readonly Job* _job;

    private SandboxProcess(SandboxChannel channel, SandboxChannel threadsEnd, Job* job)
    {
        _channel = channel;
        _threadsEnd = threadsEnd;
        _job = job;
    }

    public int Pid => _job->Pid;

    /// <summary>Starts a program.</summary>
    /// <param name="program">Which one.</param>
    /// <param name="error">Why it could not be started.</param>
    public static SandboxProcess? Start(OwnProgram program, out Errno error)
    {
        (SandboxChannel here, SandboxChannel there) = SandboxChannel.Create();

        // Sound: never freed, as the thread never ends; it alone writes to it, before each word.
        var job = (Job*)NativeMemory.AllocZeroed((nuint)sizeof(Job));
        job->Channel = there.Fd;
        job->Path = (byte*)Marshal.StringToCoTaskMemUTF8(program.Path);
        job->Arguments = Libc.CStrings(program.Arguments);
        job->Environment = Libc.CStrings(program.Environment);

        // What is called there has to have been found before.
        byte nothing = 0;
        _ = Libc.unshare(0);
        _ = Libc.posix_spawn(&job->Pid, &nothing, null, null, job->Arguments, job->Environment);
        _ = Libc.send(-1, &nothing, 0, 0);
        _ = Libc.waitpid(0, null, Libc.WNOHANG);
        _ = Libc.poll(null, 0, 0);
        job->Pid = 0;

        new Thread(() => Run(job)) { Name = "ptfs-parent", IsBackground = true }.Start();
        _ = here.Await();
        error = (Errno)job->Error;
        return error == Errno.OK ? new SandboxProcess(here, there, job) : null;
    }

    /// <summary>Waits for its end, once.</summary>
    /// <returns>The exit code; 128 and the signal's number if a signal ended it.</returns>
    public int WaitForExit()
    {
        _ = _channel.Await();
        GC.KeepAlive(_threadsEnd);
        int signal = _job->Status & 0x7F;
        return signal == 0 ? (_job->Status >> 8) & 0xFF : 128 + signal;
    }

    // Sound: the job stays; the rest is of this frame.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // compiled once and for all, as a whole
    private static void Run(Job* job)
    {
        const int interrupted = (int)Errno.EINTR;
        int* error = Libc.ErrorOfThisThread();
        byte word = 1;
        job->Error = Libc.unshare(Libc.CLONE_NEWPID) != 0
            ? *error
            : Libc.posix_spawn(&job->Pid, job->Path, null, null, job->Arguments, job->Environment);
        _ = Libc.send(job->Channel, &word, 1, Libc.MSG_NOSIGNAL);
        while (job->Error == 0 && Libc.waitpid(job->Pid, &job->Status, 0) < 0 && *error == interrupted)
        {
        }

        _ = Libc.send(job->Channel, &word, 1, Libc.MSG_NOSIGNAL);
        while (true)
        {
            _ = Libc.poll(null, 0, -1);
        }
    }

    private struct Job
    {
        public byte* Path;
        public byte** Arguments;
        public byte** Environment;
        public int Channel;
        public int Error;
        public int Pid;
        public int Status;
    }
}
