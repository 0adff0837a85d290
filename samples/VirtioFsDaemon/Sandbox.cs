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
    public static void Check(SandboxMode mode, PassthroughConfig config)
    {
        if (mode == SandboxMode.Namespace)
        {
            throw new DaemonException(
                "--sandbox namespace is not supported: use --sandbox chroot, or start the daemon in namespaces with " +
                "`unshare --mount --pid --fork --mount-proc`");
        }

        if (mode == SandboxMode.Chroot && config.Xattr)
        {
            // Extended attributes of a file are reached by a path in /proc, which the shared directory does not have.
            throw new DaemonException(
                "--sandbox chroot conflicts with --xattr, which needs /proc: switch one of them off",
                DaemonException.Usage);
        }
    }

    /// <summary>Makes the shared directory this process's root.</summary>
    /// <exception cref="DaemonException">The system refuses.</exception>
    public static unsafe void ChangeRoot(string directory)
    {
        // From here on no file of the program can be opened any more.
        LoadAssemblies();
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

        Directory.SetCurrentDirectory("/");
    }

    // Everything that this program refers to, directly or not.
    [UnconditionalSuppressMessage(
        "Trimming", "IL2026", Justification = "What was trimmed away is not used, and need not be loaded.")]
    private static void LoadAssemblies()
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
