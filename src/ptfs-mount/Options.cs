using System;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Linq;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;

namespace PassthroughFs.PtfsMount;

/// <summary>Every option: its name, what its value may be, what the help says.</summary>
internal static class Options
{
    public const int MaxWriteLimit = 1 << 20;

    /// <summary>What the messages here say before the advice.</summary>
    public const string Advice = ": give ";

    public const int DefaultStandbyThreads = 16;

    public static readonly TimeSpan DefaultHangWarning = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan DefaultEndTimeout = TimeSpan.FromSeconds(30);

    private const int MaxWriteLeast = 4096;
    private const int MaxThreads = 256;
    private const int MaxRetainedMappings = 100_000_000;
    private const double MaxTimeout = 1e9;

    private const string Description = """
        Mounts a mirror of the directory SOURCE at MOUNTPOINT, through FUSE; or, with --mount, mirrors of several
        directories below MOUNTPOINT.

        Stays in the foreground, prints "mounted SOURCE at MOUNTPOINT" once it serves, and ends with the mount gone on
        SIGINT, SIGTERM, SIGHUP, or an `umount` from outside. Root mounts directly, others through fusermount3. Exit
        code 0, 1 for an error, 2 for wrong usage.

        If it was killed (SIGKILL), the mount stays behind and answers "Transport endpoint is not connected": remove it
        with `umount MOUNTPOINT`, as an ordinary user `fusermount3 -u MOUNTPOINT`; --auto-unmount does that by itself.

        As /sbin/mount.fuse.ptfs it serves `mount -t fuse.ptfs SOURCE MOUNTPOINT` and fstab; then it goes to the
        background, and its exit codes are those of mount(8). `mount -o remount,ro MOUNTPOINT` changes a mount.
        """;

    public static readonly Argument<string?> Source = new("SOURCE")
    {
        Description = "The directory to serve",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static readonly Argument<string?> MountPoint = new("MOUNTPOINT")
    {
        Description = "The directory where it is seen",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static readonly Option<bool> Shared = Switch(
        "--shared", "Others change SOURCE as well, and nothing is lost or stale: what they write, rename and lock counts " +
            "at once. Implies --posix-locks, --flock-locks, --passthrough, all timeouts 0, and where the kernel cannot " +
            "read and write by itself --cache never without shared mappings");
    public static readonly Option<bool> Exclusive = Switch(
        "--exclusive", "Nobody else changes SOURCE while it is mounted. Implies --cache always, --writeback and timeouts " +
            "of a day");

    public static readonly Option<CachePolicy?> Cache = Choice<CachePolicy>(
        "--cache", "What the kernel may cache of contents; default auto: until the next open");

    public static readonly Option<TimeSpan?> EntryTimeout = Seconds(
        "--entry-timeout", "How long names are valid; default 5");
    public static readonly Option<TimeSpan?> AttrTimeout = Seconds(
        "--attr-timeout", "How long attributes are valid; default 5");
    public static readonly Option<TimeSpan?> DirEntryTimeout = Seconds(
        "--dir-entry-timeout", "The same for names of directories; default as --entry-timeout");
    public static readonly Option<TimeSpan?> DirAttrTimeout = Seconds(
        "--dir-attr-timeout", "The same for attributes of directories; default as --attr-timeout");
    public static readonly Option<TimeSpan?> NegativeTimeout = Seconds(
        "--negative-timeout", "How long the absence of a name is valid; default 0");

    public static readonly Option<bool> Writeback = Switch(
        "--writeback", "The kernel collects writes; only if nobody else changes SOURCE");
    public static readonly Option<bool> Xattr = Switch("--xattr", "Extended attributes");
    public static readonly Option<bool> PosixAcl = Switch("--posix-acl", "POSIX ACLs; needs --xattr");
    public static readonly Option<XattrMap?> XattrMap = new("--xattrmap")
    {
        Description = "Other names of extended attributes here than in SOURCE, as :map::user.guest.:; needs --xattr",
        HelpName = "RULES",
        CustomParser = argument =>
        {
            if (Core.Vfs.XattrMap.TryParse(argument.Tokens[^1].Value, out XattrMap? map, out string? fault))
            {
                return map;
            }

            argument.AddError($"--xattrmap: {fault}");
            return null;
        },
    };

    public static readonly Option<bool> NoOpen = Switch("--no-open", "Do without OPEN requests; needs --cache always");
    public static readonly Option<int?> NoOpenFiles = Number(
        "--no-open-files", "N", "How many files stay open here with --no-open; default 256", 0,
        PassthroughConfigValidator.MaxNoOpenFiles);
    public static readonly Option<bool> NoOpendir = Switch("--no-opendir", "Do without OPENDIR requests");
    public static readonly Option<bool> KillprivV2 = Switch(
        "--killpriv-v2", "Remove set-id bits here, so that the kernel need not ask before each write");
    public static readonly Option<InodeFileHandles?> InodeFileHandles = Choice<InodeFileHandles>(
        "--inode-file-handles", "Keep inodes by kernel handle instead of an open file each; default adaptive: where " +
            "--fd-budget is used up");
    public static readonly Option<int?> FdBudget = Number(
        "--fd-budget", "N", "With --inode-file-handles adaptive, how many files inodes and clients may have open here; " +
            "default what the limit of open files leaves", 1, int.MaxValue);
    public static readonly Option<int?> MaxNodes = Number(
        "--max-nodes", "N", "How many files the kernel may know at once, at 256 bytes each here; default a quarter of the " +
            "memory there is", 2, int.MaxValue);
    public static readonly Option<bool> UseHostIno = Switch(
        "--use-host-ino", "Make node numbers out of the inode numbers of SOURCE");
    public static readonly Option<bool> SealSize = Switch("--seal-size", "Refuse changes of a file's size");
    public static readonly Option<bool> PosixLocks = Switch(
        "--posix-locks", "Record locks (fcntl) are SOURCE's, so that programs outside of MOUNTPOINT meet them; without " +
            "it they hold within MOUNTPOINT");
    public static readonly Option<bool> FlockLocks = Switch("--flock-locks", "The same for flock");
    public static readonly Option<bool> NoReaddir = Switch("--no-readdir", "Show directories as empty");
    public static readonly Option<bool> NoReaddirplus = Switch("--no-readdirplus", "List names without attributes");
    public static readonly Option<bool> EnableMntid = Switch("--enable-mntid", "Tell inodes apart by mount as well");
    public static readonly Option<bool> NoDirectIo = Switch("--no-direct-io", "Drop O_DIRECT from every open");
    public static readonly Option<bool> NoDirectMappings = Switch(
        "--no-direct-mappings", "Refuse mmap with MAP_SHARED (ENODEV) for files that are not cached (--cache never or " +
            "metadata)");
    public static readonly Option<bool> AnnounceSubmounts = Switch(
        "--announce-submounts", "Tell the kernel where other mounts begin below SOURCE");
    public static readonly Option<bool> Passthrough = Switch(
        "--passthrough", "The kernel reads and writes the files of SOURCE by itself; needs root and Linux 6.9, and " +
            "does without where it cannot");
    public static readonly Option<bool> Export = Switch(
        "--export", "Handles of files stay good after the kernel has forgotten the file: for NFS export and " +
            "name_to_handle_at; needs CAP_DAC_READ_SEARCH");
    public static readonly Option<string?> ExportState = new("--export-state")
    {
        Description = "With --export: read at the start if it is there, written at the end, so that handles outlive " +
            "the mount",
        HelpName = "FILE",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = Last,
    };

    public static readonly Option<int?> RetainedMappings = Number(
        "--retained-mappings", "N", "For how many forgotten files the number is remembered; default 65536, with " +
            "--export 1000000", 0, MaxRetainedMappings);
    public static readonly Option<bool> ReadOnly = Switch(
        "--read-only", "Refuse every change, here and in the kernel; -o ro is the kernel's alone, which a remount changes");

    public static readonly Option<string[]> Mount = Several(
        "--mount", "/PATH=SOURCE", "Serve the directory SOURCE at MOUNTPOINT/PATH; may be given several times, instead " +
            "of SOURCE. `ptfs-mount ctl --help` says how to change that at run time");
    public static readonly Option<string?> Control = Text(
        "--control", "PATH", "The socket that takes orders of `ptfs-mount ctl` and --upgrade; default one in /run or " +
            "XDG_RUNTIME_DIR");
    public static readonly Option<bool> Upgrade = Switch(
        "--upgrade", "With MOUNTPOINT alone: this program takes the place of the ptfs-mount that serves it, which ends; " +
            "nobody who uses the mount notices. Everything stays as it was told; beside it go --background, " +
            "--foreground, --control and --log-level");
    public static readonly Option<string[]> UidMap = Several(
        "--uid-map", "[/PATH=]CLIENT:HOST:COUNT,...", "User ids as seen at MOUNTPOINT (/PATH: there) that stand for " +
            "others of SOURCE, as in newuidmap(1)");
    public static readonly Option<string[]> GidMap = Several(
        "--gid-map", "[/PATH=]CLIENT:HOST:COUNT,...", "The same for group ids");
    public static readonly Option<UnmappedIds?> UnmappedIds = Choice<UnmappedIds>(
        "--unmapped-ids", "What happens when ids without a map are to be stored: EOVERFLOW, or 65534 is; default refuse");

    public static readonly Option<bool> AllowOther = Switch(
        "--allow-other", "Other users may use the mount; each request is made as its user, which costs " +
            "the caching of names, unless --default-permissions is given too");
    public static readonly Option<bool> DefaultPermissions = Switch(
        "--default-permissions", "The kernel checks owner, group and mode");
    public static readonly Option<bool> AutoUnmount = Switch(
        "--auto-unmount", "Let fusermount3 remove the mount if this program dies; some versions (3.14) do so " +
            "for ordinary users only together with --allow-other");

    public static readonly Option<string?> FsName = Text(
        "--fsname", "NAME", "What mount tables show as the source; default SOURCE");

    public static readonly Option<int?> Threads = Number(
        "--threads", "N", "How many threads serve; default one a processor, at least 2", 1, MaxThreads);
    public static readonly Option<int?> StandbyThreads = Number(
        "--standby-threads", "N", "How many more serve while as many hang in SOURCE, for half a second or longer; default " +
            "16. So many requests and --threads may hang before the mount does; `ptfs-mount ctl MOUNTPOINT requests` " +
            "shows them", 0, MaxThreads);
    public static readonly Option<TimeSpan?> HangWarning = Seconds(
        "--hang-warning", "After how long a request that hangs is logged, once until none does; default 10, 0 for never");
    public static readonly Option<TimeSpan?> EndTimeout = Seconds(
        "--end-timeout", "How long the end waits for requests that are under way, before it says and aborts them; default " +
            "30. A second signal does that at once");
    public static readonly Option<bool> IoUring = Switch(
        "--io-uring", "Requests come over io_uring, a thread a processor; needs Linux 6.14 and Y in " +
            "/sys/module/fuse/parameters/enable_uring, and does without where it cannot");
    public static readonly Option<int?> MaxWrite = Number(
        "--max-write", "BYTES", "The longest write the kernel sends; default 1048576", MaxWriteLeast, MaxWriteLimit);

    public static readonly Option<LogLevel?> LogLevel = Choice<LogLevel>(
        "--log-level", "What is logged on stderr; default warning");
    public static readonly Option<bool> Verbose = Switch("--verbose", "The same as --log-level information", "-v");
    public static readonly Option<bool> Background = Switch(
        "--background", "Return once it serves and go on in the background, without output");
    public static readonly Option<bool> Foreground = Switch(
        "--foreground", "Stay in the foreground; the default, save as /sbin/mount.fuse.ptfs");
    public static readonly Option<bool> Fake = Switch(
        "--fake", "Check the arguments and directories, mount nothing", "-f");

    public static readonly Option<string[]> Generic = Several(
        "-o", "a,b=c", "Options as mount(8) has them: each of the above by its name, and ro, rw, suid, dev, noexec, " +
            "noatime, sync, dirsync, …; default nosuid,nodev, save for root as /sbin/mount.fuse.ptfs. noatime, " +
            "nodiratime, relatime and strictatime are for the access times of SOURCE, and need root unless it is mounted so");

    public static readonly Option<bool> Sloppy = Switch("--sloppy", "Ignore what is not known in -o", "-s");
    public static readonly Option<bool> NoMtab = Switch(
        "--no-mtab", "Do not write /etc/mtab, which never happens; mount(8) says it", "-n");

    public static RootCommand CreateCommand() => new(Description)
    {
        Source, MountPoint,
        Shared, Exclusive,
        Cache, EntryTimeout, AttrTimeout, DirEntryTimeout, DirAttrTimeout, NegativeTimeout,
        Writeback, Xattr, PosixAcl, XattrMap, NoOpen, NoOpenFiles, NoOpendir, KillprivV2, InodeFileHandles, FdBudget,
        MaxNodes, UseHostIno, SealSize, PosixLocks, FlockLocks, NoReaddir, NoReaddirplus, EnableMntid, NoDirectIo,
        NoDirectMappings, AnnounceSubmounts, Passthrough,
        Export, ExportState, RetainedMappings, ReadOnly,
        Mount, Control, Upgrade, UidMap, GidMap, UnmappedIds,
        AllowOther, DefaultPermissions, AutoUnmount, FsName, Threads, StandbyThreads, HangWarning,
        EndTimeout, IoUring, MaxWrite,
        LogLevel, Verbose, Background, Foreground, Fake, Generic, Sloppy, NoMtab,
    };

    private static Option<bool> Switch(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, Arity = ArgumentArity.Zero };

    private static Option<string?> Text(string name, string unit, string description) => new(name)
    {
        Description = description,
        HelpName = unit,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = Last,
    };

    private static Option<string[]> Several(string name, string unit, string description) => new(name)
    {
        Description = description,
        HelpName = unit,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private static Option<T?> Choice<T>(string name, string description)
        where T : struct, Enum
    {
        string choices = string.Join('|', Enum.GetNames<T>()).ToLowerInvariant();
        return new Option<T?>(name)
        {
            Description = description,
            HelpName = choices,
            Arity = ArgumentArity.OneOrMore,
            CustomParser = argument =>
            {
                string text = Last(argument);
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

    private static Option<TimeSpan?> Seconds(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SECONDS",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = argument =>
        {
            string text = Last(argument);
            if (double.TryParse(
                text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
                && seconds <= MaxTimeout)
            {
                return TimeSpan.FromSeconds(seconds);
            }

            argument.AddError($"{name} {text} is no timeout{Advice}seconds, such as 1 or 0.5");
            return null;
        },
    };

    private static Option<int?> Number(string name, string unit, string description, int least, int most) => new(name)
    {
        Description = description,
        HelpName = unit,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = argument =>
        {
            string text = Last(argument);
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && number >= least && number <= most)
            {
                return number;
            }

            argument.AddError($"{name} {text} is out of range{Advice}a number from {least} to {most}");
            return null;
        },
    };

    // The last one counts: what fstab says comes before what the command line of mount(8) says.
    private static string Last(ArgumentResult argument) => argument.Tokens[^1].Value;
}
