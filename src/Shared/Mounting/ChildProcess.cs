using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;

namespace PassthroughFs.Shared;

/// <summary>
/// A program started with exactly the descriptors it is to have. <see cref="System.Diagnostics.Process"/> cannot hand
/// one on; posix_spawn can, and since every descriptor here is made close-on-exec before, the child gets no other.
/// </summary>
internal sealed unsafe class ChildProcess
{
    /// <summary>The number under which the child finds the descriptor it is given.</summary>
    public const int PassedFd = 3;

    private const short POSIX_SPAWN_SETPGROUP = 0x02;
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSID = 0x80;
    private const int SIGKILL = 9;
    private const int SIGPIPE = 13;
    private const int SIGTERM = 15;

    private readonly int _pid;

    private ChildProcess(int pid) => _pid = pid;

    /// <summary>Starts a program.</summary>
    /// <param name="file">Its path, or a name to be looked for in PATH.</param>
    /// <param name="argv">Its arguments, its own name first.</param>
    /// <param name="passedFd">What it finds as <see cref="PassedFd"/>; -1 for nothing.</param>
    /// <param name="stderrFd">Its standard error; -1 for /dev/null, where input and output go always.</param>
    /// <param name="variable">An environment variable it gets besides ours.</param>
    /// <param name="ownSession">Whether it leaves the terminal, or only the terminal's foreground group.</param>
    /// <param name="error">Why it could not be started.</param>
    public static ChildProcess? Start(
        string file, IReadOnlyList<string> argv, int passedFd, int stderrFd, (string Name, string Value)? variable,
        bool ownSession, out Errno error)
    {
        // What whoever started this process had open is no child's: one that stays would keep it open, a mount even busy.
        _ = Libc.close_range(3, uint.MaxValue, Libc.CLOSE_RANGE_CLOEXEC);

        // Larger than the type is in any libc; both are 336 and 80 bytes in glibc and musl.
        const int opaqueSize = 512, signalSetSize = 128;
        byte* attributes = stackalloc byte[opaqueSize];
        byte* actions = stackalloc byte[opaqueSize];
        byte* signals = stackalloc byte[signalSetSize];
        new Span<byte>(signals, signalSetSize).Clear();

        // .NET ignores SIGPIPE, and what is ignored would stay so in the child. Signal n is bit n-1 of the set.
        signals[(SIGPIPE - 1) / 8] = 1 << ((SIGPIPE - 1) % 8);
        byte** arguments = CStrings(argv);
        byte** environment = CStrings(Environment(variable));

        // Sound: every pointer is to memory of this frame, to pinned bytes, or to the lists freed at the end, and
        // posix_spawnp returns only after the child has taken all of it over.
        fixed (byte* program = Libc.CString(file), nullDevice = Libc.CString("/dev/null"))
        {
            int failed = Libc.posix_spawn_file_actions_init(actions);
            _ = Libc.posix_spawnattr_init(attributes);
            failed |= stderrFd >= 0
                ? Libc.posix_spawn_file_actions_adddup2(actions, stderrFd, 2)
                : Libc.posix_spawn_file_actions_addopen(actions, 2, nullDevice, Libc.O_WRONLY, 0);
            if (passedFd >= 0)
            {
                // dup2 leaves the copy open across exec, also where source and target are the same. After the other
                // one, whose source may have this number.
                failed |= Libc.posix_spawn_file_actions_adddup2(actions, passedFd, PassedFd);
            }

            failed |= Libc.posix_spawn_file_actions_addopen(actions, 0, nullDevice, Libc.O_RDONLY, 0);
            failed |= Libc.posix_spawn_file_actions_addopen(actions, 1, nullDevice, Libc.O_WRONLY, 0);
            failed |= Libc.posix_spawnattr_setsigdefault(attributes, signals);
            short group = ownSession ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
            failed |= Libc.posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGDEF | group));
            int pid = 0;
            error = failed != 0
                ? Errno.ENOMEM
                : (Errno)Libc.posix_spawnp(&pid, program, actions, attributes, arguments, environment);
            _ = Libc.posix_spawnattr_destroy(attributes);
            _ = Libc.posix_spawn_file_actions_destroy(actions);
            Free(arguments);
            Free(environment);
            return error == Errno.OK ? new ChildProcess(pid) : null;
        }
    }

    /// <summary>Asks it to end.</summary>
    public void Terminate() => _ = Libc.kill(_pid, SIGTERM);

    /// <summary>Ends it.</summary>
    public void Kill() => _ = Libc.kill(_pid, SIGKILL);

    /// <summary>Waits for its end.</summary>
    /// <returns>The exit code; 128 and the signal's number if a signal ended it.</returns>
    public int WaitForExit()
    {
        int status = 0;
        while (Libc.waitpid(_pid, &status, 0) < 0) // Sound: writes one int of this frame.
        {
            if (Libc.LastError != Errno.EINTR)
            {
                return 1;
            }
        }

        int signal = status & 0x7F;
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal;
    }

    /// <summary>A pipe: what is written to one end by a child is read from the other.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        int* pair = stackalloc int[2]; // Sound: pipe2 writes two ints.
        return Libc.pipe2(pair, Libc.O_CLOEXEC) != 0
            ? throw new FuseMountException($"cannot create a pipe: {Libc.Describe(Libc.LastError)}", FuseMountFault.System)
            : (new SafeFileHandle(pair[0], ownsHandle: true), new SafeFileHandle(pair[1], ownsHandle: true));
    }

    /// <summary>Everything that comes out of a pipe until its last writer is gone.</summary>
    public static string ReadToEnd(SafeFileHandle pipe)
    {
        using var stream = new FileStream(pipe, FileAccess.Read, bufferSize: 0);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static List<string> Environment((string Name, string Value)? variable)
    {
        var list = new List<string>();
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            if (variable?.Name != (string)entry.Key)
            {
                list.Add($"{entry.Key}={entry.Value}");
            }
        }

        if (variable is { } added)
        {
            list.Add($"{added.Name}={added.Value}");
        }

        return list;
    }

    // A list as execve wants it: pointers to C strings with a null pointer behind them.
    private static byte** CStrings(IReadOnlyList<string> texts)
    {
        // Sound: zeroed, one pointer for each string and one more; Free() is its only other user.
        var list = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
        {
            list[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        return list;
    }

    private static void Free(byte** list)
    {
        for (byte** item = list; *item != null; item++) // Sound: CStrings() ended the list with a null pointer.
        {
            Marshal.FreeCoTaskMem((nint)(*item));
        }

        NativeMemory.Free(list);
    }
}
