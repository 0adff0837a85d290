using System;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Numbers and names that have hurt servers before.</summary>
internal static class Values
{
    private static readonly ulong[] s_hostile =
    [
        0, 1, 2, 3, 7, 8, 15, 16, 17, 39, 40, 41, 255, 256, 257, 511, 512, 4095, 4096, 4097, 65535, 65536, 65537,
        (1 << 20) - 1, 1 << 20, (1 << 20) + 1, int.MaxValue, 1UL << 31, (1UL << 31) + 1, uint.MaxValue, 1UL << 32,
        (1UL << 47) - 1, 1UL << 47, 1UL << 55, 1UL << 56, (1UL << 56) - 1, long.MaxValue, 1UL << 63, (1UL << 63) + 1,
        ulong.MaxValue, ulong.MaxValue - 1, ulong.MaxValue - 4095, long.MaxValue - 4096,
    ];

    private static readonly byte[][] s_names =
    [
        "a.txt"u8.ToArray(), "b.bin"u8.ToArray(), "empty"u8.ToArray(), "sparse"u8.ToArray(), "d"u8.ToArray(),
        "sub"u8.ToArray(), "x"u8.ToArray(), "y"u8.ToArray(), "z"u8.ToArray(), "link"u8.ToArray(), "out"u8.ToArray(),
        "abs"u8.ToArray(), "dirlink"u8.ToArray(), "fifo"u8.ToArray(), "sock"u8.ToArray(), "suid"u8.ToArray(),
        "h1"u8.ToArray(), "h2"u8.ToArray(), "many"u8.ToArray(), "m1"u8.ToArray(), "m20"u8.ToArray(), "null"u8.ToArray(),
        "e"u8.ToArray(), "n0"u8.ToArray(), "n1"u8.ToArray(), "n2"u8.ToArray(), "n3"u8.ToArray(), "n4"u8.ToArray(),
        "n5"u8.ToArray(), "n6"u8.ToArray(), "n7"u8.ToArray(), "n8"u8.ToArray(), "n9"u8.ToArray(),
    ];

    private static readonly byte[][] s_badNames =
    [
        [], "."u8.ToArray(), ".."u8.ToArray(), "/"u8.ToArray(), "a/b"u8.ToArray(), "../outside"u8.ToArray(),
        "../outside/secret"u8.ToArray(), "d/../../outside/secret"u8.ToArray(), "/etc/passwd"u8.ToArray(),
        "out/secret"u8.ToArray(), "dirlink/secret"u8.ToArray(), "./a.txt"u8.ToArray(), "a.txt/"u8.ToArray(),
        Repeat((byte)'x', 254), Repeat((byte)'x', 255), Repeat((byte)'x', 256), Repeat((byte)'x', 300),
        Repeat((byte)'x', 4095), Repeat((byte)'x', 4096), Repeat((byte)'x', 5000), [0xFF, 0xFE, 0x80],
        "\n"u8.ToArray(), "..."u8.ToArray(), " "u8.ToArray(), "..\0"u8.ToArray(), "proc"u8.ToArray(),
    ];

    private static readonly byte[][] s_xattrs =
    [
        "user.x"u8.ToArray(), "user.y"u8.ToArray(), "user.long"u8.ToArray(), "trusted.t"u8.ToArray(),
        "security.capability"u8.ToArray(), "system.posix_acl_access"u8.ToArray(),
        "system.posix_acl_default"u8.ToArray(), "user."u8.ToArray(), "nothing"u8.ToArray(), "security.selinux"u8.ToArray(),
        "user.virtiofs.user.x"u8.ToArray(), "trusted.overlay.opaque"u8.ToArray(),
    ];

    private static readonly byte[][] s_targets =
    [
        "a.txt"u8.ToArray(), "../outside/secret"u8.ToArray(), "/etc/passwd"u8.ToArray(), "."u8.ToArray(), "d"u8.ToArray(),
        [], Repeat((byte)'t', 4094), Repeat((byte)'t', 4095), Repeat((byte)'t', 4096), Repeat((byte)'t', 6000),
    ];

    public static ulong Hostile(ref Rng rng) => rng.Below(8) switch
    {
        0 => rng.Next(),
        1 => (1UL << rng.Below(64)) - (ulong)rng.Below(3) + 1,
        2 => rng.Next32(),
        _ => s_hostile[rng.Below(s_hostile.Length)],
    };

    public static ReadOnlySpan<byte> Name(ref Rng rng) =>
        rng.OneIn(12) ? s_badNames[rng.Below(s_badNames.Length)] : s_names[rng.Below(s_names.Length)];

    public static ReadOnlySpan<byte> XattrName(ref Rng rng) =>
        rng.OneIn(12) ? s_badNames[rng.Below(s_badNames.Length)]
        : s_xattrs[rng.OneIn(2) ? rng.Below(3) : rng.Below(s_xattrs.Length)];

    public static ReadOnlySpan<byte> Target(ref Rng rng) => s_targets[rng.Below(s_targets.Length)];

    private static byte[] Repeat(byte value, int count)
    {
        byte[] result = new byte[count];
        Array.Fill(result, value);
        return result;
    }
}
