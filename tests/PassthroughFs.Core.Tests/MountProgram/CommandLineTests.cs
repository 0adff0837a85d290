extern alias program;

using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using System.Linq;
using System.Reflection;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;
using program::PassthroughFs.PtfsMount;
using Xunit;

namespace PassthroughFs.Core.Tests.MountProgram;

/// <summary>Each option that is parsed is obeyed: it changes what it names, and nothing else.</summary>
public sealed class CommandLineTests
{
    // "option value" to what differs from no option at all. "kernel" is a word of mount(2)'s data, "helper" one of
    // fusermount3's -o; "Flags" are mount(2)'s, nosuid and nodev being 6.
    private static readonly (string Arguments, string[] Changes)[] s_rows =
    [
        ("--cache never", ["CachePolicy=Never"]),
        ("--cache metadata", ["CachePolicy=Metadata"]),
        ("--cache always", ["CachePolicy=Always"]),
        ("--entry-timeout 2.5", ["EntryTimeout=2.5"]),
        ("--attr-timeout 0", ["AttrTimeout=0"]),
        ("--dir-entry-timeout 7", ["DirEntryTimeout=7"]),
        ("--dir-attr-timeout 0.25", ["DirAttrTimeout=0.25"]),
        ("--negative-timeout 3", ["NegativeTimeout=3"]),
        ("--writeback", ["Writeback=True"]),
        ("--xattr", ["Xattr=True"]),
        ("--xattr --posix-acl", ["PosixAcl=True", "Xattr=True"]),
        ("--xattr --xattrmap :map::user.guest.:",
            ["Xattr=True", "XattrMap=:prefix:all::user.guest.::bad:all:::"]),
        ("--no-open", ["NoOpen=True"]),
        ("--no-open --no-open-files 9", ["NoOpen=True", "NoOpenFiles=9"]),
        ("--no-opendir", ["NoOpendir=True"]),
        ("--killpriv-v2", ["KillprivV2=True"]),
        ("--inode-file-handles prefer", ["InodeFileHandles=Prefer"]),
        ("--inode-file-handles mandatory", ["InodeFileHandles=Mandatory"]),
        ("--inode-file-handles never", ["InodeFileHandles=Never"]),
        ("--fd-budget 100", ["FdBudget=100"]),
        ("--max-nodes 100", ["MaxNodes=100"]),
        ("--use-host-ino", ["UseHostIno=True"]),
        ("--seal-size", ["SealSize=True"]),
        ("--posix-locks", ["PosixLocks=True"]),
        ("--flock-locks", ["FlockLocks=True"]),
        ("--no-readdir", ["NoReaddir=True"]),
        ("--no-readdirplus", ["Readdirplus=False"]),
        ("--enable-mntid", ["EnableMntid=True"]),
        ("--no-direct-io", ["AllowDirectIo=False"]),
        ("--no-direct-mappings", ["DirectMappings=False"]),
        ("--shared",
            ["EntryTimeout=0", "AttrTimeout=0", "CachePolicy=Never", "PosixLocks=True", "FlockLocks=True",
                "BackingFiles=True", "DirectMappings=False"]),
        ("--shared --attr-timeout 0 --flock-locks",
            ["EntryTimeout=0", "AttrTimeout=0", "CachePolicy=Never", "PosixLocks=True", "FlockLocks=True",
                "BackingFiles=True", "DirectMappings=False"]),
        ("--exclusive",
            ["EntryTimeout=86400", "AttrTimeout=86400", "NegativeTimeout=86400", "CachePolicy=Always",
                "Writeback=True"]),
        ("--exclusive --no-open",
            ["EntryTimeout=86400", "AttrTimeout=86400", "NegativeTimeout=86400", "CachePolicy=Always", "Writeback=True",
                "NoOpen=True"]),
        ("--exclusive --read-only",
            ["EntryTimeout=86400", "AttrTimeout=86400", "NegativeTimeout=86400", "CachePolicy=Always", "ReadOnly=True",
                "Flags=7", "helper=ro"]),
        ("--announce-submounts", ["AnnounceSubmounts=True"]),
        ("--passthrough", ["BackingFiles=True"]),
        ("--export", ["ExportSupport=True", "RetainedMappings=1000000"]),
        ("--export --export-state /f",
            ["ExportSupport=True", "RetainedMappings=1000000", "ExportState=/f"]),
        ("--retained-mappings 7", ["RetainedMappings=7"]),
        ("--export --retained-mappings 7", ["ExportSupport=True", "RetainedMappings=7"]),
        ("--read-only", ["ReadOnly=True", "Flags=7", "helper=ro"]),
        ("--uid-map 0:100000:65536", ["UserMaps=0:100000:65536"]),
        ("--gid-map 0:100000:65536", ["GroupMaps=0:100000:65536"]),
        ("--unmapped-ids squash", ["UnmappedIds=Squash"]),
        ("--allow-other", ["AllowOther=True", "CheckPermissions=True", "kernel=allow_other", "helper=allow_other"]),
        ("--default-permissions",
            ["DefaultPermissions=True", "IdMappedMounts=True", "kernel=default_permissions", "helper=default_permissions"]),
        ("--default-permissions --uid-map 0:1000:1",
            ["DefaultPermissions=True", "UserMaps=0:1000:1", "kernel=default_permissions", "helper=default_permissions"]),
        ("--allow-other --default-permissions",
            ["AllowOther=True", "DefaultPermissions=True", "IdMappedMounts=True", "kernel=allow_other",
                "kernel=default_permissions", "helper=allow_other", "helper=default_permissions"]),
        ("--auto-unmount", ["AutoUnmount=True", "helper=auto_unmount"]),
        ("--fsname name", ["FsName=name", "source=name", "helper=fsname=name"]),
        ("--threads 199", ["Threads=199"]),
        ("--standby-threads 7", ["StandbyThreads=7"]),
        ("--hang-warning 2.5", ["HangWarning=2.5"]),
        ("--end-timeout 90", ["EndTimeout=90"]),
        ("--io-uring", ["IoUring=True"]),
        ("--max-write 65536", ["MaxWrite=65536"]),
        ("--log-level debug", ["LogLevel=Debug"]),
        ("--log-level none", ["LogLevel=None"]),
        ("--verbose", ["LogLevel=Information"]),
        ("--control /run/socket", ["Control=/run/socket"]),
        ("--background", ["Background=True"]),
        ("--fake", ["Fake=True"]),

        // These have their say elsewhere: see the tests below.
        ("--foreground", []),
        ("--sloppy", []),
        ("--no-mtab", []),
    ];

    // Without SOURCE: see The_directories_of_a_tree_take_the_place_of_the_source.
    private static readonly string[] s_treeOptions = ["--mount", "--upgrade"];

    public static TheoryData<string, string[]> Rows()
    {
        var rows = new TheoryData<string, string[]>();
        foreach ((string arguments, string[] changes) in s_rows)
        {
            rows.Add(arguments, changes);
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void An_option_changes_what_it_names_and_nothing_else(string arguments, string[] changes) =>
        AssertChanges(changes, Parse([.. arguments.Split(' '), "/source", "/mount"]));

    [Theory]
    [MemberData(nameof(Rows))]
    public void Options_may_follow_the_directories(string arguments, string[] changes) =>
        AssertChanges(changes, Parse(["/source", "/mount", .. arguments.Split(' ')]));

    [Theory]
    [MemberData(nameof(Rows))]
    public void The_same_words_count_behind_the_letter_o(string arguments, string[] changes)
    {
        string list = arguments.Replace(" --", ",", StringComparison.Ordinal)[2..].Replace(' ', '=');
        AssertChanges(changes, Parse(["/source", "/mount", "-o", list]));
        AssertChanges(changes, Parse(["/source", "/mount", "-o", list.Replace('-', '_')]));
    }

    [Fact]
    public void Each_option_has_its_row()
    {
        IEnumerable<string> rows = s_rows.SelectMany(row => row.Arguments.Split(' ')).Where(word => word[0] == '-');
        IEnumerable<string> options = Options.CreateCommand().Options
            .Where(option => option is not (HelpOption or VersionOption) && option != Options.Generic)
            .Select(option => option.Name);
        Assert.Equal(
            options.Order(StringComparer.Ordinal),
            rows.Distinct().Concat(s_treeOptions).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Each_property_of_the_configuration_has_its_option()
    {
        // The first is the argument; a mount has no DAX; the third follows from --mount; the last two are not for a user
        // to decide.
        string[] without = ["RootDir", "DaxFileSize", "DoImport", "ClearUmask", "RootFd"];
        IEnumerable<string> reached = s_rows.SelectMany(row => row.Changes).Select(change => change.Split('=')[0]);
        IEnumerable<string> properties = typeof(PassthroughConfig).GetProperties()
            .Where(property => property.CanWrite).Select(property => property.Name);
        Assert.Empty(properties.Except(reached).Except(without));
    }

    [Fact]
    public void Without_options_the_librarys_defaults_hold_and_descriptors_have_a_budget()
    {
        MountOptions options = Parse(["/source", "/mount"]);
        Assert.Equal("/source", options.Source);
        Assert.Equal("/mount", options.MountPoint);
        Assert.Equal(MountFlags.Default, options.Flags);
        Assert.Equal(1 << 20, options.MaxWrite);
        Assert.Equal(Math.Max(2, Environment.ProcessorCount), options.Threads);

        // This program does nothing but serve.
        var expected = new PassthroughConfig { ClearUmask = true, InodeFileHandles = InodeFileHandles.Adaptive };
        Assert.Equal(Values(expected), Values(options.Config));
    }

    [Fact]
    public void The_directories_of_a_tree_take_the_place_of_the_source()
    {
        string[] arguments =
        [
            "--mount", "/a=/srv/a", "/mount", "--mount", "//b/c/=dir=with=equals", "--control", "/run/socket",
            "--uid-map", "1:2:3", "--uid-map", "/a=4:5:6", "--gid-map", "/b/c=7:8:9,17:18:1",
        ];
        MountOptions options = Parse(arguments);
        Assert.Equal([new NamedSource("/a", "/srv/a"), new NamedSource("/b/c", "dir=with=equals")], options.Mounts);
        Assert.Equal(("/mount", "/run/socket"), (options.MountPoint, options.Control));
        Assert.Equal("/a=/srv/a,/b/c=dir=with=equals", options.Source);
        Assert.Equal("4:5:6", options.UserMaps.For("/a")!.ToString());
        Assert.Equal("1:2:3", options.UserMaps.For("/b/c")!.ToString());
        Assert.Equal("7:8:9,17:18:1", options.GroupMaps.For("/b/c")!.ToString());
        Assert.Null(options.GroupMaps.For("/a"));

        // mount(8) names a source always.
        options = CommandLine.Parse(["none", "/mount", "-o", "mount=/a=/srv/a"], asMountHelper: true)!;
        Assert.Equal(("/mount", "/srv/a"), (options.MountPoint, options.Mounts[0].Source));
    }

    [Theory]
    [InlineData("list", "list")]
    [InlineData("add /a=/srv/a", "add /a=/srv/a")]
    [InlineData("replace /a=/srv/../b", "replace /a=/b")]
    [InlineData("remove /a", "remove /a")]
    [InlineData("remove --force /a", "remove --force /a")]
    public void An_order_is_one_line(string words, string line) =>
        Assert.Equal(line, ControlClient.Line(words.Split(' ')));

    [Fact]
    public void Mount_8_waits_until_its_helper_is_in_the_background()
    {
        string[] arguments = ["/source", "/mount", "-o", "rw"];
        Assert.True(CommandLine.Parse(arguments, asMountHelper: true)!.Background);
        Assert.False(CommandLine.Parse([.. arguments, "--foreground"], asMountHelper: true)!.Background);
    }

    [Theory]
    [InlineData("-v", "LogLevel=Information")]
    [InlineData("-f", "Fake=True")]
    [InlineData("-n", null)]
    [InlineData("-s", null)]
    public void Mount_8s_letters_are_understood(string letter, string? change) =>
        AssertChanges(change is null ? [] : [change], Parse(["/source", "/mount", letter]));

    [Fact]
    public void Generic_words_set_the_kernels_flags() => AssertChanges(
        ["Flags=12", "helper=noexec", "helper=suid", "helper=-nosuid"],
        Parse(["/source", "/mount", "-o", "noexec,suid,async"]));

    // What an ordinary user's helper has is tested on a mount: who runs this may be either.
    [Fact]
    public void Mount_8_does_not_say_suid_and_dev_and_has_them() => Assert.Equal(
        Libc.geteuid() == 0 ? MountFlags.NoDev : MountFlags.Default,
        CommandLine.Parse(["/source", "/mount", "-o", "rw,nodev"], asMountHelper: true)!.Flags);

    [Theory]
    [InlineData(FuseMountFault.Usage, 2, 1)]
    [InlineData(FuseMountFault.Permission, 1, 1)]
    [InlineData(FuseMountFault.System, 1, 2)]
    [InlineData(null, 1, 4)]
    [InlineData(FuseMountFault.Interrupted, 1, 8)]
    [InlineData(FuseMountFault.Failure, 1, 32)]
    public void Exit_codes_behind_mount_8_are_its_own(FuseMountFault? fault, int plain, int helper) => Assert.Equal(
        (plain, helper),
        (ExitCode.Of(fault, asMountHelper: false), ExitCode.Of(fault, asMountHelper: true)));

    [Fact]
    public void Read_only_by_the_generic_word_is_the_kernels_as_a_remount_takes_it_back() => AssertChanges(
        ["Flags=7", "helper=ro"], Parse(["/source", "/mount", "-o", "ro"]));

    [Theory]
    [InlineData("cache=never,allow_other,no_open_files=9", null)]
    [InlineData("mount=/b=/srv/b", null)]
    [InlineData("cache=always", "cache=always")]
    [InlineData("cache", "cache")]
    [InlineData("allow_other,xattr,cache=auto", "xattr")]
    [InlineData("allow_other=1", "allow_other=1")]
    [InlineData("mount=/c=/srv/c", "mount=/c=/srv/c")]
    [InlineData("nonsense", "nonsense")]
    public void A_remount_is_compared_with_what_the_server_was_called_with(string words, string? unlike) => Assert.Equal(
        unlike,
        CommandLine.FirstUnlike(
            [
                "none", "/mount", "--cache", "auto", "--no-open-files=9", "-o", "rw,cache=never,allow_other",
                "--mount", "/a=/srv/a", "--mount", "/b=/srv/b", "--cache", "never",
            ],
            words.Split(',')));

    [Theory]
    [InlineData("/source /mount -o remount --xattr", "-o remount conflicts with --xattr")]
    [InlineData("/source /mount -o remount,mand", "-o mand cannot be had")]
    [InlineData("/source /mount /more -o remount", "unexpected argument /more")]
    public void A_remount_has_its_options_behind_o(string arguments, string message)
    {
        var error = Assert.Throws<FuseMountException>(
            () => CommandLine.ParseRemount(arguments.Split(' '), asMountHelper: true));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(FuseMountFault.Usage, error.Fault);
    }

    [Fact]
    public void Lists_add_up_and_words_for_others_are_left_to_them() => AssertChanges(
        ["Xattr=True", "CachePolicy=Never"],
        Parse(["/source", "/mount", "-o", "defaults,xattr", "-o", "x-systemd.automount,user=me,cache=never"]));

    [Theory]
    [InlineData("--cache never --cache always", "CachePolicy=Always")]
    [InlineData("-o cache=never,threads=3 -o cache=always --threads 199", "CachePolicy=Always", "Threads=199")]
    public void Of_an_option_that_comes_twice_the_last_counts(string arguments, params string[] changes) =>
        AssertChanges(changes, Parse(["/source", "/mount", .. arguments.Split(' ')]));

    [Fact]
    public void A_comma_in_a_value_is_written_with_a_backslash() =>
        Assert.Equal("a,b", Parse(["/source", "/mount", "-o", @"fsname=a\,b"]).FsName);

    [Fact]
    public void A_comma_in_a_name_reaches_the_helper_in_one_piece()
    {
        MountOptions options = Parse(["--fsname", "a,b", "/source", "/mount"]);
        Assert.Contains("fsname=a,b", OptionList.Split(FusermountHelper.OptionText(Fuse(options))));
    }

    [Fact]
    public void Directories_may_have_any_name()
    {
        MountOptions options = Parse(["--", "-source", "@mount"]);
        Assert.Equal("-source", options.Source);
        Assert.Equal("@mount", options.MountPoint);
    }

    [Theory]
    [InlineData("/source", "SOURCE and MOUNTPOINT are needed")]
    [InlineData("/source /mount /more", "unexpected argument /more")]
    [InlineData("/source /mount --nonsense", "unknown option --nonsense")]
    [InlineData("/source /mount -o nonsense", "unknown mount option nonsense")]
    [InlineData("/source /mount -o help", "unknown mount option help")]
    [InlineData("/source /mount --xattr=no", "--xattr takes no value")]
    [InlineData("/source /mount -o xattr=no", "--xattr takes no value")]
    [InlineData("/source /mount --fsname=", "--fsname needs a value")]
    [InlineData("/source /mount -o fsname=", "--fsname needs a value")]
    [InlineData("/source /mount -o cache", "-o cache needs a value, -o cache=VALUE")]
    [InlineData("-o cache /source /mount", "-o cache needs a value, -o cache=VALUE")]
    [InlineData("--cache --cache /source /mount", "--cache needs a value, and --cache is an option")]
    [InlineData("--threads --cache=auto /source /mount", "--threads needs a value, and --cache is an option")]
    [InlineData("/source /mount --cache often", "--cache often is not known: give one of auto|never|metadata|always")]
    [InlineData("/source /mount --cache 1", "--cache 1 is not known")]
    [InlineData("/source /mount --entry-timeout -1", "--entry-timeout -1 is no timeout")]
    [InlineData("/source /mount --attr-timeout 1s", "--attr-timeout 1s is no timeout: give seconds")]
    [InlineData("/source /mount --attr-timeout NaN", "--attr-timeout NaN is no timeout")]
    [InlineData("/source /mount --threads 0", "--threads 0 is out of range: give a number from 1 to 256")]
    [InlineData("/source /mount --max-write 4095", "--max-write 4095 is out of range")]
    [InlineData("/source /mount --max-write 2097152", "--max-write 2097152 is out of range")]
    [InlineData("/source /mount --foreground --background", "--foreground conflicts with --background")]
    [InlineData("/source /mount --export-state /f", "--export-state needs --export")]
    [InlineData("/source /mount --export --retained-mappings 0", "--export conflicts with --retained-mappings = 0")]
    [InlineData("/source /mount --retained-mappings -1", "--retained-mappings -1 is out of range")]
    [InlineData("/source /mount --posix-acl", "--posix-acl conflicts with --xattr")]
    [InlineData("/source /mount --xattrmap :ok:all:::", "--xattrmap needs --xattr")]
    [InlineData("/source /mount --xattr --xattrmap :ok:all:", "--xattrmap: \":ok:all:\" begins with no rule")]
    [InlineData("/source /mount --read-only --writeback", "--read-only conflicts with --writeback")]
    [InlineData("/source /mount --passthrough --writeback", "--passthrough conflicts with --writeback")]
    [InlineData("/source /mount --io-uring --flock-locks", "--io-uring conflicts with --posix-locks and --flock-locks")]
    [InlineData(
        "/source /mount --flock-locks --no-open --cache always", "--flock-locks conflicts with --no-open: flock")]
    [InlineData("/source /mount --passthrough --no-direct-io", "--passthrough conflicts with")]
    [InlineData("/source /mount --shared --no-direct-io", "--passthrough conflicts with")]
    [InlineData("/source /mount --shared --exclusive", "--shared conflicts with --exclusive")]
    [InlineData("/source /mount --shared --writeback", "--shared conflicts with --writeback")]
    [InlineData("/source /mount --shared --entry-timeout 1", "--shared conflicts with --entry-timeout")]
    [InlineData("/source /mount --shared --dir-attr-timeout 1", "--shared conflicts with --dir-attr-timeout")]
    [InlineData("/source /mount --shared --cache metadata", "--shared conflicts with --cache")]
    [InlineData("/source /mount --shared --no-open", "--shared conflicts with --no-open")]
    [InlineData("/source /mount --shared --io-uring", "--shared conflicts with --io-uring")]
    [InlineData("/source /mount --exclusive --cache never", "--exclusive conflicts with --cache")]
    [InlineData("/source /mount --exclusive --passthrough", "--exclusive conflicts with --passthrough")]
    [InlineData("/source /mount --exclusive --posix-locks", "--exclusive conflicts with --posix-locks")]
    [InlineData("/source /mount -o read_only --writeback", "--read-only conflicts with --writeback")]
    [InlineData("--mount /a=/srv/a", "with --mount, MOUNTPOINT alone is needed")]
    [InlineData("--mount /a=/srv/a /source /mount", "with --mount, MOUNTPOINT alone is needed")]
    [InlineData("--mount /srv/a /mount", "--mount /srv/a is no directory to serve, which is /PATH=SOURCE")]
    [InlineData("--mount a=/srv/a /mount", "--mount a=/srv/a is no directory to serve")]
    [InlineData("--mount /a= /mount", "--mount /a= is no directory to serve")]
    [InlineData("--upgrade", "with --upgrade, MOUNTPOINT alone is needed")]
    [InlineData("--upgrade /source /mount", "with --upgrade, MOUNTPOINT alone is needed")]
    [InlineData("--upgrade /mount --xattr", "--upgrade conflicts with --xattr")]
    [InlineData("--upgrade /mount -o ro", "--upgrade conflicts with -o")]
    [InlineData("/source /mount --uid-map 1:2", "--uid-map 1:2: \"1:2\" is no range of ids: write CLIENT:HOST:COUNT")]
    [InlineData("/source /mount --gid-map 0:0:9,5:50:1", "--gid-map 0:0:9,5:50:1: the ranges 0:0:9 and 5:50:1 overlap")]
    [InlineData("/source /mount --uid-map /a=1:2:3", "an id map for one /PATH needs --mount")]
    [InlineData("/source /mount --unmapped-ids keep", "--unmapped-ids keep is not known: give one of refuse|squash")]
    public void Wrong_usage_is_said_in_one_line_by_the_names_of_options(string arguments, string message)
    {
        string[] words = arguments.Split(' ');
        var error = Assert.Throws<FuseMountException>(() => CommandLine.ParseUpgrade(words) is null ? Parse(words) : null);
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(FuseMountFault.Usage, error.Fault);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_sloppy_mount_ignores_words_that_nobody_knows() =>
        AssertChanges(["Xattr=True"], Parse(["/source", "/mount", "-s", "-o", "nonsense,xattr,more=1"]));

    [Fact]
    public void The_librarys_sentences_are_said_in_the_users_words() => Assert.Equal(
        "--inode-file-handles Mandatory needs CAP_DAC_READ_SEARCH, RootDir does not.",
        CommandLine.AsOptionNames("InodeFileHandles Mandatory needs CAP_DAC_READ_SEARCH, RootDir does not."));

    [Fact]
    public void An_option_whose_name_is_not_its_propertys_is_said_too() => Assert.Equal(
        "--export needs CAP_DAC_READ_SEARCH.", CommandLine.AsOptionNames("ExportSupport needs CAP_DAC_READ_SEARCH."));

    private static MountOptions Parse(string[] args)
    {
        MountOptions? options = CommandLine.Parse(args, asMountHelper: false);
        Assert.NotNull(options);
        return options;
    }

    private static program::PassthroughFs.PtfsMount.Paths Paths(MountOptions options) =>
        new(options.Source, Libc.S_IFDIR, options.MountPoint);

    private static void AssertChanges(string[] changes, MountOptions options)
    {
        HashSet<string> before = Everything(Parse(["/source", "/mount"]));
        HashSet<string> after = Everything(options);

        // A word that went is told by a minus; a value that was replaced by the new one.
        IEnumerable<string> gone = before.Except(after)
            .Where(fact => fact.StartsWith("helper=no", StringComparison.Ordinal))
            .Select(fact => fact.Replace("helper=", "helper=-", StringComparison.Ordinal));
        Assert.Equal(
            changes.Order(StringComparer.Ordinal),
            after.Except(before).Concat(gone).Order(StringComparer.Ordinal));
    }

    private static FuseMountOptions Fuse(MountOptions options) => options.ToFuse(Paths(options).Source);

    private static HashSet<string> Everything(MountOptions options) =>
    [
        .. Values(options), .. Values(options.Config),
        "source=" + Fuse(options).SourceName,
        .. KernelMount.Data(Fuse(options), 3).Split(',').Select(word => "kernel=" + word),
        .. OptionList.Split(FusermountHelper.OptionText(Fuse(options))).Select(word => "helper=" + word),
    ];

    private static IEnumerable<string> Values(object values) => values.GetType()
        .GetProperties(BindingFlags.Instance | BindingFlags.Public)
        .Where(property => property.CanWrite && property.Name is not nameof(MountOptions.Config))
        .Select(property => $"{property.Name}={Text(property.GetValue(values))}");

    private static string Text(object? value) => value is TimeSpan time
        ? time.TotalSeconds.ToString(CultureInfo.InvariantCulture)
        : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
}
