using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.IO;
using System.Reflection;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Samples.VirtioFsDaemon;

/// <summary>Takes the rest of the host out of the daemon's sight.</summary>
internal static class Sandbox
{
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
            // Before, extended attributes were reached by a path in /proc, which the shared directory does not have.
            throw new DaemonException(
                $"{option} with --xattr needs Linux 6.13: leave --xattr out, or use --sandbox none");
        }
    }

    /// <summary>Makes the shared directory this process's root, if that is wanted.</summary>
    /// <exception cref="DaemonException">The system refuses.</exception>
    public static void Enter(SandboxMode mode, string shared, SandboxInside? inside)
    {
        if (mode != SandboxMode.None)
        {
            // From here on no file of the program can be opened any more.
            LoadAssemblies();
            if (inside is not null)
            {
                inside.ShutIn(shared);
            }
            else
            {
                ChangeRoot(shared);
            }
        }

        Directory.SetCurrentDirectory("/"); // no directory of the user's is kept busy
    }

    private static unsafe void ChangeRoot(string directory)
    {
        // The runtime's ways in for diagnostics and debuggers would be left behind, out of reach.
        foreach (string name in (string[])["dotnet-diagnostic", "clr-debug-pipe"])
        {
            foreach (string path in Directory.GetFiles(Path.GetTempPath(), $"{name}-{Environment.ProcessId}-*"))
            {
                File.Delete(path);
            }
        }

        fixed (byte* path = Libc.CString(directory))
        {
            // Sound: the path is pinned and ends with NUL.
            if (Libc.chroot(path) != 0)
            {
                Errno error = Libc.LastError;
                throw new DaemonException(error == Errno.EPERM
                    ? "--sandbox chroot needs CAP_SYS_CHROOT: run the daemon as root, or use --sandbox none"
                    : $"--sandbox chroot: {directory} cannot become the root: {Libc.Describe(error)}");
            }
        }
    }

    /// <summary>Everything that this program refers to, directly or not, while it can be reached.</summary>
    [UnconditionalSuppressMessage(
        "Trimming", "IL2026", Justification = "What was trimmed away is not used, and need not be loaded.")]
    public static void LoadAssemblies()
    {
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
