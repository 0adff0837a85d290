using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Linq;
using System.Text;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>Every option: its name, what its value may be, what the help says.</summary>
internal static class Options
{
    /// <summary>What the messages here say before the advice.</summary>
    public const string Advice = ": give ";

    private const double MaxSeconds = 1e9;
    private const int MaxQueues = 64;
    private const int MaxThreads = 256;

    private const string Description = """
        Serves a directory to a virtual machine as a virtio-fs device: a vhost-user back end, for QEMU,
        cloud-hypervisor and crosvm.

        Prints "listening on PATH" once a VMM can connect, and ends on SIGINT, SIGTERM or SIGHUP with its socket
        removed. One VMM is served at a time; when it has gone, the next one may come. Exit code 0, 1 for an error, 2
        for wrong usage.
        """;

    public static readonly Option<string?> SocketPath = Text("--socket-path", "PATH", "The socket to listen on");
    public static readonly Option<int?> Fd = Number(
        "--fd", "N", "An inherited socket that listens already, instead of --socket-path", 0, int.MaxValue);
    public static readonly Option<string?> SharedDir = Text("--shared-dir", "DIR", "The directory to serve");
    public static readonly Option<string?> Tag = new("--tag")
    {
        Description = "By what the guest mounts it, for a VMM that asks us; QEMU has an option of its own",
        HelpName = "NAME",
        CustomParser = argument =>
        {
            string text = Only(argument);
            if (text.Length > 0 && Encoding.UTF8.GetByteCount(text) <= FsDevice.MaxTagBytes)
            {
                return text;
            }

            argument.AddError($"--tag {text} is no tag{Advice}1 to {FsDevice.MaxTagBytes} bytes");
            return null;
        },
    };

    public static readonly Option<CachePolicy?> Cache = Choice<CachePolicy>(
        "--cache", "What the guest may cache of contents; default auto: until the next open");
    public static readonly Option<bool> Writeback = Switch(
        "--writeback", "The guest collects writes; only if nobody else changes DIR");
    public static readonly Option<bool> Xattr = Switch("--xattr", "Extended attributes");
    public static readonly Option<bool> PosixAcl = Switch("--posix-acl", "POSIX ACLs; switches --xattr on");
    public static readonly Option<XattrMap?> XattrMap = new("--xattrmap")
    {
        Description = "Other names of extended attributes for the guest than in DIR, as :map::user.guest.:; switches "
            + "--xattr on",
        HelpName = "RULES",
        CustomParser = argument =>
        {
            if (Core.Vfs.XattrMap.TryParse(Only(argument), out XattrMap? map, out string? fault))
            {
                return map;
            }

            argument.AddError($"--xattrmap: {fault}");
            return null;
        },
    };

    public static readonly Option<InodeFileHandles?> InodeFileHandles = Choice<InodeFileHandles>(
        "--inode-file-handles", "Keep inodes by kernel handle instead of an open file each; default adaptive: where " +
            "--fd-budget is used up");
    public static readonly Option<int?> FdBudget = Number(
        "--fd-budget", "N", "With --inode-file-handles adaptive, how many files inodes and clients may have open here; " +
            "default what the limit of open files leaves", 1, int.MaxValue);
    public static readonly Option<int?> MaxNodes = Number(
        "--max-nodes", "N", "How many files the guest may know at once, at 256 bytes each here; default a quarter of the " +
            "memory there is", 2, int.MaxValue);
    public static readonly Option<bool> AnnounceSubmounts = Switch(
        "--announce-submounts", "Tell the guest where other mounts begin below DIR");
    public static readonly Option<bool> AllowDirectIo = Switch("--allow-direct-io", "Pass O_DIRECT on to the host");
    public static readonly Option<bool> NoDirectIo = Switch(
        "--no-direct-io", "Drop O_DIRECT from every open; the default");
    public static readonly Option<bool> KillprivV2 = Switch(
        "--killpriv-v2", "Remove set-id bits here, so that the guest need not ask before each write");
    public static readonly Option<bool> ReadOnly = Switch("--readonly", "Refuse every change");
    public static readonly Option<long?> DaxWindowSize = Size(
        "--dax-window-size", "Memory into which the guest has files mapped (DAX), if the VMM can; default none",
        Environment.SystemPageSize);
    public static readonly Option<long?> DaxFileSize = Size(
        "--dax-file-size", "With that, files of this size on are marked for guests that mount with dax=inode", 1);
    public static readonly Option<int?> RlimitNofile = Number(
        "--rlimit-nofile", "N", "The limit of open files, 0 to leave it as it is; default as many as are allowed",
        0, int.MaxValue);
    public static readonly Option<int?> RequestQueues = Number(
        "--num-request-queues", "N", "Queues for requests; default 1", 1, MaxQueues);
    public static readonly Option<int?> ThreadPoolSize = Number(
        "--thread-pool-size", "N",
        "Threads for each of them, so that a long request does not hold up the rest; default 0: just one",
        0, MaxThreads);
    public static readonly Option<int?> StandbyThreads = Number(
        "--standby-threads", "N", "How many more threads each of them gets that serve while as many requests hang in DIR, " +
            "for half a second or longer; default 8", 0, MaxThreads);
    public static readonly Option<TimeSpan?> HangWarning = Seconds(
        "--hang-warning", "After how long a request that hangs is logged, once until none does; default 10, 0 for never. " +
            "SIGUSR1 logs all that are under way");
    public static readonly Option<TimeSpan?> EndTimeout = Seconds(
        "--end-timeout", "How long the end waits for requests that are under way; default 10");
    public static readonly Option<SandboxMode?> Sandbox = Choice<SandboxMode>(
        "--sandbox", "How much of the host the daemon sees; default namespace for root, none for others: what it is allowed to");
    public static readonly Option<IReadOnlyList<IdRange>?> UidMap = IdMap("--uid-map", "users");
    public static readonly Option<IReadOnlyList<IdRange>?> GidMap = IdMap("--gid-map", "groups");
    public static readonly Option<SeccompMode?> Seccomp = Choice<SeccompMode>(
        "--seccomp", "What happens when the daemon makes a system call that serving does not take; default kill");
    public static readonly Option<string?> ModCaps = Text(
        "--modcaps", "LIST", "Capabilities to keep or drop in a sandbox, as +sys_admin:-mknod");
    public static readonly Option<bool> Once = Switch("--once", "End when the VMM has gone");
    public static readonly Option<LogLevel?> LogLevel = Choice<LogLevel>(
        "--log-level", "What is logged on stderr; default warning");

    public static RootCommand CreateCommand() => new(Description)
    {
        SocketPath, Fd, SharedDir, Tag, Cache, Writeback, Xattr, PosixAcl, XattrMap, InodeFileHandles, FdBudget,
        MaxNodes,
        AnnounceSubmounts, AllowDirectIo, NoDirectIo, KillprivV2, ReadOnly, DaxWindowSize, DaxFileSize, RlimitNofile,
        RequestQueues,
        ThreadPoolSize, StandbyThreads, HangWarning, EndTimeout,
        Sandbox, UidMap, GidMap, Seccomp, ModCaps, Once, LogLevel,
    };

    private static Option<IReadOnlyList<IdRange>?> IdMap(string name, string what) => new(name)
    {
        Description = $"The {what} of an ordinary user's sandbox, as :0:100000:65536: for 65536 from 100000 on that are 0 and "
            + "following inside; may be given more than once; default one's own",
        HelpName = ":INSIDE:OUTSIDE:COUNT:",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = argument =>
        {
            var ranges = new List<IdRange>();
            foreach (Token token in argument.Tokens)
            {
                if (!IdRange.TryParse(token.Value, out IdRange range))
                {
                    argument.AddError($"{name} {token.Value} is no range{Advice}:INSIDE:OUTSIDE:COUNT:, as :0:100000:65536:");
                    return null;
                }

                ranges.Add(range);
            }

            return ranges;
        },
    };

    private static Option<string?> Text(string name, string unit, string description) =>
        new(name) { Description = description, HelpName = unit };

    private static Option<bool> Switch(string name, string description) =>
        new(name) { Description = description, Arity = ArgumentArity.Zero };

    private static Option<T?> Choice<T>(string name, string description)
        where T : struct, Enum
    {
        string choices = string.Join('|', Enum.GetNames<T>()).ToLowerInvariant();
        return new Option<T?>(name)
        {
            Description = description,
            HelpName = choices,
            CustomParser = argument =>
            {
                string text = Only(argument);
                string? found = Enum.GetNames<T>().FirstOrDefault(
                    choice => choice.Equals(text, StringComparison.OrdinalIgnoreCase));
                if (found is null)
                {
                    argument.AddError($"{name} {text} is not known{Advice}one of {choices}");
                    return null;
                }

                return Enum.Parse<T>(found);
            },
        };
    }

    private static Option<int?> Number(string name, string unit, string description, int least, int most) => new(name)
    {
        Description = description,
        HelpName = unit,
        CustomParser = argument =>
        {
            string text = Only(argument);
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && number >= least && number <= most)
            {
                return number;
            }

            argument.AddError($"{name} {text} is out of range{Advice}a number from {least} to {most}");
            return null;
        },
    };

    private static Option<TimeSpan?> Seconds(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SECONDS",
        CustomParser = argument =>
        {
            string text = Only(argument);
            if (double.TryParse(
                text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
                && seconds <= MaxSeconds)
            {
                return TimeSpan.FromSeconds(seconds);
            }

            argument.AddError($"{name} {text} is no timeout{Advice}seconds, such as 1 or 0.5");
            return null;
        },
    };

    // Bytes, or with K, M, G 1024 times as many each.
    private static Option<long?> Size(string name, string description, int unit) => new(name)
    {
        Description = description,
        HelpName = "BYTES[K|M|G]",
        CustomParser = argument =>
        {
            const long most = 1L << 46;
            string text = Only(argument);
            int shift = text.Length == 0 ? 0 : 10 * (1 + "KMG".IndexOf(text[^1], StringComparison.OrdinalIgnoreCase));
            string digits = shift == 0 ? text : text[..^1];
            if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                || number > most >> shift)
            {
                argument.AddError($"{name} {text} is no size{Advice}bytes, or a number with K, M or G, as 512M");
                return null;
            }

            if ((number << shift) % unit == 0)
            {
                return number << shift;
            }

            argument.AddError($"{name} {text} is not whole pages{Advice}a multiple of {unit} bytes, as 512M");
            return null;
        },
    };

    // The arity of these options is one.
    private static string Only(ArgumentResult argument) => argument.Tokens[0].Value;
}
