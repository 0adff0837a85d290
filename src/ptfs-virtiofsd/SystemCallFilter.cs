using System;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.PtfsVirtiofsd.Seccomp;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>What happens when the daemon makes a system call that serving does not take.</summary>
internal enum SeccompMode
{
    /// <summary>Nothing is filtered.</summary>
    None,

    /// <summary>The kernel ends the daemon.</summary>
    Kill,

    /// <summary>The kernel logs it, and the call is made.</summary>
    Log,

    /// <summary>The call is not made; the daemon says so and ends.</summary>
    Trap,
}

/// <summary>Has the kernel look at each system call of this process: <c>--seccomp</c>.</summary>
internal static unsafe class SystemCallFilter
{
    private const Errno ENOTSUP = (Errno)95;

    /// <summary>
    /// From here on every thread, and each that will be, makes the calls that serving takes and no others.
    /// </summary>
    /// <param name="mode">What happens to others.</param>
    /// <param name="kernelHandles">Whether inodes are opened by kernel handle.</param>
    /// <param name="isSandboxed">Whether the runtime was started without its port for diagnostics.</param>
    /// <exception cref="DaemonException">The machine does not allow it.</exception>
    public static void Install(SeccompMode mode, bool kernelHandles, bool isSandboxed)
    {
        if (mode == SeccompMode.None)
        {
            return;
        }

        string option = $"--seccomp {mode.ToString().ToLowerInvariant()}";
        Architecture architecture = RuntimeInformation.ProcessArchitecture;
        if (architecture is not (Architecture.X64 or Architecture.Arm64))
        {
            throw new DaemonException($"{option}: there are no rules for {architecture}: use --seccomp none");
        }

        uint otherwise = mode switch
        {
            SeccompMode.Log => FilterProgram.Log,
            SeccompMode.Trap => FilterProgram.Trap,
            _ => FilterProgram.Kill,
        };
        bool isMusl = RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal);
        BpfInstruction[] program = FilterProgram.Create(
            ServingRules.Create(Environment.ProcessId, kernelHandles, hasDiagnostics: !isSandboxed, isMusl),
            otherwise,
            architecture);
        if (mode == SeccompMode.Trap)
        {
            ForbiddenCall.Watch();
        }

        Privileges.GetNoNew(option);
        Errno error = Libc.FilterSystemCalls(program, out int thread);
        if (error != Errno.OK || thread != 0)
        {
            throw new DaemonException(thread != 0
                ? $"{option}: thread {thread} has another filter already: use --seccomp none"
                : error is Errno.ENOSYS or Errno.EINVAL or ENOTSUP
                    ? $"{option}: the kernel has no such filters ({Libc.Describe(error)}): use --seccomp none"
                    : $"{option}: the filter is refused: {Libc.Describe(error)}");
        }
    }
}
