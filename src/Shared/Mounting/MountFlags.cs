using System;
using System.Collections.Generic;

namespace PassthroughFs.Shared;

/// <summary>The mount options that every file system has: the words of mount(8) and the kernel's bits.</summary>
internal static class MountFlags
{
    public const nuint ReadOnly = 0x1;
    public const nuint NoSuid = 0x2;
    public const nuint NoDev = 0x4;

    /// <summary>What holds unless an option says otherwise: no privilege by set-uid bits and devices.</summary>
    public const nuint Default = NoSuid | NoDev;

    /// <summary>Changes the options of a mount.</summary>
    public const nuint Remount = 0x20;

    public const nuint NoAtime = 0x400;
    private const nuint NoDirAtime = 0x800;
    private const nuint RelAtime = 0x20_0000;
    public const nuint StrictAtime = 0x100_0000;

    // The word that sets the bit, the word that clears it.
    private static readonly (string Set, string Clear, nuint Bit)[] s_words =
    [
        ("ro", "rw", ReadOnly),
        ("nosuid", "suid", NoSuid),
        ("nodev", "dev", NoDev),
        ("noexec", "exec", 0x8),
        ("sync", "async", 0x10),
        ("dirsync", "", 0x80),
        ("nosymfollow", "symfollow", 0x100),
        ("noatime", "atime", NoAtime),
        ("nodiratime", "diratime", NoDirAtime),
        ("silent", "loud", 0x8000),
        ("relatime", "norelatime", RelAtime),
        ("strictatime", "nostrictatime", StrictAtime),
        ("lazytime", "nolazytime", 0x200_0000),
    ];

    // For mount(8), fstab, systemd and other programs' eyes: nothing that a mount helper has to act on. The last two
    // ask for what is so anyway.
    private static readonly HashSet<string> s_forOthers =
    [
        "defaults", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "nousers", "owner", "noowner",
        "group", "nogroup", "nomand", "noiversion",
    ];

    private static readonly string[] s_forOthersPrefixes = ["x-", "X-", "user=", "comment=", "helper=", "uhelper="];

    /// <summary>
    /// What holds unless an option says otherwise. Where root has called mount(8), which does not give on "suid" and
    /// "dev", it has them both.
    /// </summary>
    public static nuint DefaultFor(bool asMountHelper) => asMountHelper && Libc.geteuid() == 0 ? 0 : Default;

    /// <summary>The flags of a mount by the words of /proc/self/mountinfo, which does not name strictatime.</summary>
    public static nuint Of(IEnumerable<string> words)
    {
        nuint flags = 0;
        foreach (string word in words)
        {
            _ = TryApply(word, ref flags);
        }

        return (flags & (NoAtime | RelAtime)) == 0 ? flags | StrictAtime : flags;
    }

    /// <summary>Whether flags say anything of access times.</summary>
    public static bool HasAtime(nuint flags) => (flags & (NoAtime | NoDirAtime | RelAtime | StrictAtime)) != 0;

    /// <summary>
    /// What flags mean for access times, as the kernel takes them: one of three, and whether of directories.
    /// </summary>
    public static (nuint Kind, bool OfDirectories) Atime(nuint flags) => (
        (flags & StrictAtime) != 0 ? StrictAtime : (flags & NoAtime) != 0 ? NoAtime : RelAtime,
        (flags & NoDirAtime) == 0);

    /// <summary>Obeys one of the generic words.</summary>
    /// <returns>False if it is none.</returns>
    public static bool TryApply(string word, ref nuint flags)
    {
        foreach ((string set, string clear, nuint bit) in s_words)
        {
            if (word == set)
            {
                flags |= bit;
                return true;
            }

            if (word.Length > 0 && word == clear)
            {
                flags &= ~bit;
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a word is meant for someone else.</summary>
    public static bool IsForOthers(string word) =>
        s_forOthers.Contains(word) ||
        Array.Exists(s_forOthersPrefixes, prefix => word.StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>Why a word that mount(8) knows cannot be obeyed; null if it is none of those.</summary>
    public static string? Refusal(string word) => word switch
    {
        "mand" => "Linux has no mandatory locks since 5.15, and FUSE never had them",
        "iversion" => "a FUSE mount counts no changes of its files, so that NFS clients would not learn of any",
        _ => null,
    };

    /// <summary>The words that make the flags, for a program that mounts for us.</summary>
    public static IEnumerable<string> Words(nuint flags)
    {
        foreach ((string set, _, nuint bit) in s_words)
        {
            if ((flags & bit) != 0)
            {
                yield return set;
            }
        }
    }
}
