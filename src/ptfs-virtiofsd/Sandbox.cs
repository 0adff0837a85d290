using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>Takes the rest of the host out of the daemon's sight.</summary>
internal static class Sandbox
{
    /// <summary>This program, started once more for a step of a sandbox.</summary>
    /// <param name="variable">A variable of the environment that says which.</param>
    /// <param name="value">Its value.</param>
    /// <exception cref="DaemonException">It cannot be found out how it was started.</exception>
    public static OwnProgram NewProgram(string variable, string value)
    {
        OwnProgram program = OwnProgram.Find()
            ?? throw new DaemonException("cannot find the program's own file: mount /proc, or use --sandbox none");

        // The runtime's sockets for diagnostics are ways in, and would be left behind where nobody can remove them.
        return program.With("DOTNET_EnableDiagnostics", "0").With(variable, value);
    }

    /// <summary>Says what cannot be done, before anything is.</summary>
    /// <exception cref="DaemonException">The sandbox does not go with the rest, or with this machine.</exception>
    public static void Check(SandboxMode mode, string shared, PassthroughConfig config)
    {
        string option = $"--sandbox {mode.ToString().ToLowerInvariant()}";
        if (mode == SandboxMode.Namespace && shared == "/")
        {
            throw new DaemonException($"{option} cannot share /: name a directory below it, or use --sandbox none");
        }

        if (mode != SandboxMode.None && config.Xattr && !Libc.HasXattrAt())
        {
            // Before, extended attributes were reached by a path in /proc, which the empty root does not have.
            throw new DaemonException(
                $"{option} with --xattr needs Linux 6.13: leave --xattr out, or use --sandbox none");
        }
    }

    /// <summary>The shared directory's descriptor, by which it is served in a sandbox; null without one.</summary>
    /// <exception cref="DaemonException">It cannot be opened.</exception>
    public static SafeFileHandle? Open(SandboxMode mode, string shared, SandboxInside? inside) =>
        mode == SandboxMode.None ? null : inside?.TakeShared() ?? OpenShared(shared);

    /// <summary>Takes the host's files out of this process's reach, if that is wanted.</summary>
    /// <exception cref="DaemonException">The system refuses.</exception>
    public static void Enter(SandboxMode mode, SandboxInside? inside)
    {
        if (mode != SandboxMode.None)
        {
            // From here on no file of the program can be opened any more.
            LoadAssemblies();
            if (inside is not null)
            {
                inside.ShutIn();
            }
            else
            {
                ChangeRoot();
            }

            Libc.ForbidCoreDumps();
        }

        Directory.SetCurrentDirectory("/"); // no directory of the user's is kept busy
    }

    /// <summary>
    /// For <see cref="SandboxMode.Chroot"/>: starts this program anew in this process, so that every thread of it has
    /// few capabilities and gets no others. Does nothing the second time, and in other modes.
    /// </summary>
    /// <param name="mode">Which sandbox.</param>
    /// <param name="capabilities">What is kept.</param>
    /// <param name="socketFd">An inherited socket that is to be inherited once more; null if there is none.</param>
    /// <exception cref="DaemonException">The system refuses.</exception>
    public static unsafe void DropPrivileges(SandboxMode mode, IReadOnlySet<int> capabilities, int? socketFd)
    {
        const string variable = "PTFS_VIRTIOFSD_CHROOT", option = "--sandbox chroot";
        if (mode != SandboxMode.Chroot || Environment.GetEnvironmentVariable(variable) is not null)
        {
            Environment.SetEnvironmentVariable(variable, null);
            return;
        }

        if (!Privileges.Has(Capabilities.SysChroot))
        {
            throw new DaemonException($"{option} needs CAP_SYS_CHROOT: run the daemon as root, or use --sandbox none");
        }

        RemoveDiagnostics();
        OwnProgram program = NewProgram(variable, "1");
        Libc.InheritOnly(socketFd ?? -1);
        Privileges.KeepOverExec(new HashSet<int>(capabilities) { Capabilities.SysChroot }, option);
        fixed (byte* path = Libc.CString(program.Path))
        {
            // SAFETY: the path is pinned and ends with NUL, the lists end with null pointers and stay.
            _ = Libc.execve(path, Libc.CStrings(program.Arguments), Libc.CStrings(program.Environment));
        }

        throw new DaemonException($"{option}: {program.Path} cannot be started anew: {Libc.Describe(Libc.LastError)}");
    }

    /// <summary>
    /// This program's ways in for diagnostics and debuggers would be left behind by the one that it becomes, which has
    /// none.
    /// </summary>
    public static void RemoveDiagnostics()
    {
        foreach (string name in (string[])["dotnet-diagnostic", "clr-debug-pipe"])
        {
            foreach (string socket in Directory.GetFiles(Path.GetTempPath(), $"{name}-{Environment.ProcessId}-*"))
            {
                File.Delete(socket);
            }
        }
    }

    private static unsafe SafeFileHandle OpenShared(string shared)
    {
        fixed (byte* path = Libc.CString(shared))
        {
            // SAFETY: the path is pinned and ends with NUL.
            SafeFileHandle directory = Libc.Own(Libc.open(path, Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC));
            return directory.IsInvalid
                ? throw new DaemonException($"{shared} cannot be opened: {Libc.Describe(Libc.LastError)}")
                : directory;
        }
    }

    // A directory without a name stays empty for good: nobody can make a file in it, this process included.
    private static unsafe void ChangeRoot()
    {
        string empty = Directory.CreateTempSubdirectory("ptfs-virtiofsd-").FullName;
        fixed (byte* path = Libc.CString(empty), here = ".\0"u8)
        {
            // SAFETY: the paths are pinned and end with NUL.
            using SafeFileHandle root = Libc.Own(Libc.open(path, Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC));
            Directory.Delete(empty);
            if (Libc.fchdir(Libc.Number(root)) != 0 || Libc.chroot(here) != 0)
            {
                throw new DaemonException(
                    $"--sandbox chroot: an empty directory cannot become the root: {Libc.Describe(Libc.LastError)}");
            }
        }
    }

    /// <summary>Everything that this program refers to, directly or not, while it can be reached.</summary>
    [UnconditionalSuppressMessage(
        "Trimming", "IL2026", Justification = "What was trimmed away is not used, and need not be loaded.")]
    public static void LoadAssemblies()
    {
        if (!RuntimeFeature.IsDynamicCodeSupported)
        {
            return; // a native executable: everything is in it
        }

        var seen = new HashSet<string>();
        var waiting = new Queue<Assembly>(AppDomain.CurrentDomain.GetAssemblies());
        while (waiting.TryDequeue(out Assembly? assembly))
        {
            foreach (AssemblyName name in assembly.GetReferencedAssemblies())
            {
                if (!seen.Add(name.FullName))
                {
                    continue;
                }

                try
                {
                    waiting.Enqueue(Assembly.Load(name));
                }
                catch (Exception e) when (e is IOException or BadImageFormatException)
                {
                    // Referred to, but not shipped: whatever would need it would fail without a sandbox, too.
                }
            }
        }
    }
}
