using System;
using System.Runtime.InteropServices;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// With <c>--seccomp trap</c>: the kernel has kept this process from a system call and sends SIGSYS. The daemon says
/// which call it was and ends.
/// </summary>
/// <remarks>
/// The signal comes to the thread that made the call, wherever that is in the runtime; the runtime has a thread of its
/// own for what is done about it, and tells that nothing but the signal's number. So machine code before the runtime's
/// handler keeps the call's number. The call fails on its thread meanwhile.
/// </remarks>
internal static unsafe class ForbiddenCall
{
    private static ulong* s_number;
    private static PosixSignalRegistration? s_registration;

    /// <summary>What is said where the kernel has ended the daemon.</summary>
    public static string Killed => "the kernel has ended the daemon for a system call that --seccomp kill does not allow: "
        + $"the kernel's log has its number, \"syscall=\"; {WhatToDo}";

    private static string WhatToDo =>
        "if nobody has taken the daemon over, this is a defect, please report it; --seccomp log lets such calls pass";

    // mov 24(%rsi), %eax (si_syscall); mov number, %rcx; mov %eax, (%rcx); jmp old; and nothing up to 24 bytes.
    private static ReadOnlySpan<byte> CodeX64 =>
    [
        0x8b, 0x46, 0x18, 0x48, 0x8b, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x89, 0x01, 0xff, 0x25, 0x0e, 0x00, 0x00, 0x00,
        0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    ];

    // The same: ldr w3, [x1, #24]; ldr x4, number; str w3, [x4]; ldr x16, old; br x16; nop.
    private static ReadOnlySpan<byte> CodeArm64 =>
    [
        0x23, 0x18, 0x40, 0xb9, 0xa4, 0x00, 0x00, 0x58, 0x83, 0x00, 0x00, 0xb9, 0xb0, 0x00, 0x00, 0x58, 0x00, 0x02,
        0x1f, 0xd6, 0x1f, 0x20, 0x03, 0xd5,
    ];

    /// <summary>From here on a call that the kernel traps ends the process.</summary>
    public static void Watch()
    {
        s_registration ??= PosixSignalRegistration.Create((PosixSignal)Libc.SIGSYS, End);
        ulong* number = SignalCode.NewMemory(sizeof(ulong));
        if (number is not null
            && SignalCode.TryInstall(Libc.SIGSYS, SignalCode.Choose(CodeX64, CodeArm64), (ulong)number))
        {
            s_number = number;
        }
    }

    // SAFETY: the memory is never freed, and the code wrote a whole word there before this thread was woken.
    private static void End(PosixSignalContext context)
    {
        context.Cancel = true;
        string which = s_number is null ? "" : $", number {*(uint*)s_number}";
        throw new DaemonException($"a system call was made that --seccomp trap does not allow{which}: {WhatToDo}");
    }
}
