using System;
using System.Threading;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// Answers SIGBUS in guest memory: a front end that shortens the file behind it, or a host without a page left for it,
/// must not end the daemon, which serves others after it.
/// </summary>
/// <remarks>
/// The signal comes to a thread in the middle of managed code, where no managed code can run, so that the handler is
/// machine code. It looks the address up in a table of mappings and puts empty private memory in the place of the whole
/// mapping, so that the access goes on, reads zeros, and finds a ring that makes no sense. Any other SIGBUS goes to the
/// runtime's own handler, as before.
/// </remarks>
internal static unsafe class LostMemory
{
    private const int SIGBUS = 7;
    private const int MaxMappings = 2048;

    private static readonly Lock s_lock = new();
    private static readonly ulong* s_table = Install();

    // movq table, %r8; movq tend, %r9; movq 16(%rsi), %rax (si_addr); for each pair of the table: is the address in it?
    // If so, mmap(start, end - start, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)
    // as a system call, and return; if not, or if that fails, jump to the old handler with the same arguments.
    private static ReadOnlySpan<byte> CodeX64 =>
    [
        0x4c, 0x8b, 0x05, 0x61, 0x00, 0x00, 0x00, 0x4c, 0x8b, 0x0d, 0x62, 0x00, 0x00, 0x00, 0x48, 0x8b, 0x46, 0x10,
        0x4d, 0x39, 0xc8, 0x73, 0x49, 0x49, 0x8b, 0x08, 0x4d, 0x8b, 0x50, 0x08, 0x49, 0x83, 0xc0, 0x10, 0x48, 0x39,
        0xc8, 0x72, 0xeb, 0x4c, 0x39, 0xd0, 0x73, 0xe6, 0x57, 0x56, 0x52, 0x48, 0x89, 0xcf, 0x4c, 0x89, 0xd6, 0x48,
        0x29, 0xce, 0xba, 0x03, 0x00, 0x00, 0x00, 0x41, 0xba, 0x32, 0x40, 0x00, 0x00, 0x49, 0xc7, 0xc0, 0xff, 0xff,
        0xff, 0xff, 0x45, 0x31, 0xc9, 0xb8, 0x09, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x5a, 0x5e, 0x5f, 0x48, 0x3d, 0x01,
        0xf0, 0xff, 0xff, 0x73, 0x01, 0xc3, 0xff, 0x25, 0x12, 0x00, 0x00, 0x00, 0x66, 0x90,
    ];

    // The same with x3 and x4 for the table, x5 for the address.
    private static ReadOnlySpan<byte> CodeArm64 =>
    [
        0xc3, 0x03, 0x00, 0x58, 0xe4, 0x03, 0x00, 0x58, 0x25, 0x08, 0x40, 0xf9, 0x7f, 0x00, 0x04, 0xeb, 0xe2, 0x02,
        0x00, 0x54, 0x66, 0x1c, 0xc1, 0xa8, 0xbf, 0x00, 0x06, 0xeb, 0x83, 0xff, 0xff, 0x54, 0xbf, 0x00, 0x07, 0xeb,
        0x42, 0xff, 0xff, 0x54, 0xe9, 0x03, 0x00, 0xaa, 0xea, 0x03, 0x01, 0xaa, 0xeb, 0x03, 0x02, 0xaa, 0xe0, 0x03,
        0x06, 0xaa, 0xe1, 0x00, 0x06, 0xcb, 0x62, 0x00, 0x80, 0xd2, 0x43, 0x06, 0x88, 0xd2, 0x04, 0x00, 0x80, 0x92,
        0x05, 0x00, 0x80, 0xd2, 0xc8, 0x1b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0x1f, 0xfc, 0x3f, 0xb1, 0x42, 0x00,
        0x00, 0x54, 0xc0, 0x03, 0x5f, 0xd6, 0xe0, 0x03, 0x09, 0xaa, 0xe1, 0x03, 0x0a, 0xaa, 0xe2, 0x03, 0x0b, 0xaa,
        0xf0, 0x00, 0x00, 0x58, 0x00, 0x02, 0x1f, 0xd6, 0x1f, 0x20, 0x03, 0xd5,
    ];

    /// <summary>Whether anything is answered; finds that out at the first call.</summary>
    public static bool IsAnswered => s_table is not null;

    /// <summary>Has faults in a mapping answered from here on; false if there are too many already.</summary>
    public static bool TryCover(byte* mapping, nuint length)
    {
        lock (s_lock)
        {
            for (ulong* entry = s_table; s_table is not null && entry < s_table + (2 * MaxMappings); entry += 2)
            {
                if (entry[0] == 0)
                {
                    // In this order no address is ever in a range that is half written.
                    Volatile.Write(ref entry[0], (ulong)mapping);
                    Volatile.Write(ref entry[1], (ulong)mapping + length);
                    return true;
                }
            }
        }

        return s_table is null;
    }

    /// <summary>The mapping is about to go.</summary>
    public static void Uncover(byte* mapping)
    {
        lock (s_lock)
        {
            for (ulong* entry = s_table; s_table is not null && entry < s_table + (2 * MaxMappings); entry += 2)
            {
                if (entry[0] == (ulong)mapping)
                {
                    Volatile.Write(ref entry[1], 0);
                    Volatile.Write(ref entry[0], 0);
                    return;
                }
            }
        }
    }

    // The table, or null where the machine has no code here, or does not let any be made.
    private static ulong* Install()
    {
        const nuint bytes = 2 * MaxMappings * sizeof(ulong);
        ulong* table = SignalCode.NewMemory(bytes);
        return table is not null && SignalCode.TryInstall(
            SIGBUS, SignalCode.Choose(CodeX64, CodeArm64), (ulong)table, (ulong)table + bytes) ? table : null;
    }
}
