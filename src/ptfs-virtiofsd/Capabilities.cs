using System;
using System.Collections.Generic;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>What root may do besides using its own files, by the kernel's numbers and names.</summary>
internal static class Capabilities
{
    /// <summary>What chroot(2) takes.</summary>
    public const int SysChroot = 18;

    /// <summary>What namespaces take.</summary>
    public const int SysAdmin = 21;

    private const int DacReadSearch = 2;

    private static readonly string[] s_names =
    [
        "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
        "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
        "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
        "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
        "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
        "checkpoint_restore",
    ];

    // To make files as their owners, and to get past permissions as root does.
    private static readonly string[] s_needed =
        ["chown", "dac_override", "fowner", "fsetid", "setgid", "setuid", "mknod", "setfcap"];

    /// <summary>What serving takes.</summary>
    /// <param name="kernelHandles">Whether inodes are opened by kernel handle.</param>
    public static HashSet<int> Needed(bool kernelHandles)
    {
        var set = new HashSet<int>();
        foreach (string name in s_needed)
        {
            set.Add(Array.IndexOf(s_names, name));
        }

        if (kernelHandles)
        {
            set.Add(DacReadSearch);
        }

        return set;
    }

    /// <summary>Changes a set by a list as "+sys_admin:-mknod".</summary>
    /// <returns>Null, or the word that makes no sense.</returns>
    public static string? Modify(HashSet<int> set, string list)
    {
        foreach (string word in list.Split(':'))
        {
            int number = word.Length < 2 ? -1 : Array.IndexOf(s_names, word[1..].ToLowerInvariant());
            if (number < 0 || word[0] is not ('+' or '-'))
            {
                return word;
            }

            _ = word[0] == '+' ? set.Add(number) : set.Remove(number);
        }

        return null;
    }
}
