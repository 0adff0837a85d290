using System.Collections.Generic;
using System.Linq;

namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>What the daemon may ask of the kernel while it serves.</summary>
/// <remarks>
/// What is not here: programs (execve) and processes (fork), other processes (ptrace, signals to them), namespaces,
/// mounts, new sockets, kernel keys, BPF, io_uring, userfaultfd, modules, clocks that are set.
/// </remarks>
internal static class ServingRules
{
    private const uint CLONE_VM = 0x100, CLONE_SIGHAND = 0x800, CLONE_THREAD = 0x1_0000;

    // CLONE_PTRACE, and CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    private const uint NeverCloned = 0x2000 | 0x2_0000 | 0x7E00_0000;

    private const uint PR_SET_NAME = 15, PR_GET_NAME = 16;
    private const uint SCHED_OTHER = 0;
    private const uint PR_SET_VMA = 0x5356_4D41; // names memory
    private const uint TCGETS = 0x5401, TCSETS = 0x5402, TCSETSW = 0x5403, TCSETSF = 0x5404, TIOCGWINSZ = 0x5413;
    private const uint TCGETS2 = 0x802C_542A, TCSETS2 = 0x402C_542B, TCSETSW2 = 0x402C_542C, TCSETSF2 = 0x402C_542D;
    private const ushort ENOSYS = 38;

    /// <summary>The rules.</summary>
    /// <param name="process">This process's number, as it sees itself.</param>
    /// <param name="kernelHandles">Whether inodes are opened by kernel handle.</param>
    /// <param name="hasDiagnostics">Whether the runtime's port for diagnostics is open.</param>
    /// <param name="isMusl">
    /// Whether libc is musl, which signals its threads by a call without the process's number.
    /// </param>
    public static IEnumerable<CallRule> Create(int process, bool kernelHandles, bool hasDiagnostics, bool isMusl)
    {
        IEnumerable<SystemCall> plain =
        [
            .. SystemCalls.Files, .. SystemCalls.Identity, .. SystemCalls.FrontEnd, .. SystemCalls.Runtime,
            .. hasDiagnostics ? SystemCalls.Diagnostics : [],
            .. isMusl ? [SystemCalls.Tkill] : (SystemCall[])[],
            .. kernelHandles ? [SystemCalls.OpenByHandleAt] : (SystemCall[])[],
        ];
        var self = ArgumentCondition.IsOneOf(0, (uint)process);
        return
        [
            .. plain.Select(call => new CallRule(call, [])),

            // Threads and nothing else. The newer call has its flags in memory, where no filter sees them: libc takes
            // the older one where it is not there.
            new(SystemCalls.Clone,
            [
                ArgumentCondition.Bits(
                    0, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | NeverCloned, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD),
            ]),
            new(SystemCalls.Clone3, [], ENOSYS),
            new(SystemCalls.Kill, [self]),
            new(SystemCalls.Tgkill, [self]),
            new(SystemCalls.Prctl, [ArgumentCondition.IsOneOf(0, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA)]),

            // A thread that starts says that it is like any other.
            new(SystemCalls.SchedSetscheduler, [ArgumentCondition.IsOneOf(1, SCHED_OTHER)]),

            // Limits are read, and no other process's.
            new(SystemCalls.Prlimit64, [ArgumentCondition.IsOneOf(0, 0, (uint)process), .. ArgumentCondition.IsNull(2)]),

            // Is standard error a terminal, how wide, and as it was at the end. Never TIOCSTI, which types on it.
            new(SystemCalls.Ioctl,
            [
                ArgumentCondition.IsOneOf(
                    1, TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TCGETS2, TCSETS2, TCSETSW2, TCSETSF2),
            ]),
        ];
    }
}
