using System;
using System.Globalization;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <summary>
/// Random operations on one directory from a mount and from the host at once, each checked against what POSIX allows:
/// nothing that was acknowledged is lost, nothing is read that is another file's or from before the open. The bare
/// directory from both sides is the measure, and runs first. PTFS_TWO_SIDES is how many rounds there are,
/// PTFS_TWO_SIDES_SEED repeats the operations of a run that failed (not the moments at which they meet).
/// </summary>
public sealed class TwoSidesTests
{
    private const int ActorsOfSide = 3;
    private const int Operations = 700;

    private static readonly bool s_isNightly = Environment.GetEnvironmentVariable("PTFS_NIGHTLY") == "1";
    private static readonly int s_rounds = Number("PTFS_TWO_SIDES") ?? (s_isNightly ? 200 : 2);

    /// <summary>
    /// GlusterFS with PTFS_NIGHTLY=1 alone: now and then its own directory breaks a rule, without any mount of ours.
    /// </summary>
    public static TheoryData<SourceKind> Sources { get; } =
        [.. Array.FindAll(Enum.GetValues<SourceKind>(), kind => s_isNightly || kind != SourceKind.Gluster)];

    [Theory]
    [MemberData(nameof(Sources))]
    public void The_bare_directory_is_the_measure(SourceKind kind)
    {
        using var source = new SharedSource(kind);
        Run(source, [Bare(source), Bare(source) with { Name = "the host again" }], false);
    }

    [Theory]
    [MemberData(nameof(Sources))]
    public void With_shared_a_mount_and_the_host_are_as_one(SourceKind kind) => Run(kind, false, "--shared");

    [Theory]
    [InlineData(SourceKind.Ext4, "--inode-file-handles", "mandatory")]
    [InlineData(SourceKind.Tmpfs, "--inode-file-handles", "mandatory", "--xattr")]
    [InlineData(SourceKind.Btrfs, "--inode-file-handles", "never", "--use-host-ino")]
    [InlineData(SourceKind.Ext4, "--allow-other")]
    public void So_they_are_in_other_modes(SourceKind kind, params string[] options) =>
        Run(kind, false, ["--shared", .. options]);

    private static void Run(SourceKind kind, bool mayBeStale, params string[] options)
    {
        using var source = new SharedSource(kind);
        using var at = new TempDirectory();
        using MountProcess mount = MountProcess.Start(source.Path, at.Path, options);
        using var watchdog = new Watchdog(mount, 100 + (30 * s_rounds));
        Run(source, [Bare(source), new Side("the mount", at.Path, CanMap(at.Path))], mayBeStale);
    }

    private static void Run(SharedSource source, Side[] sides, bool mayBeStale)
    {
        int seed = Number("PTFS_TWO_SIDES_SEED") ?? Random.Shared.Next();
        for (int i = 0; i < s_rounds; i++)
        {
            using (var round = new Round($"round {i}", sides, ActorsOfSide, unchecked(seed + i), source.MakeArea)
            {
                MayBeStale = mayBeStale,
                ListsExactly = source.ListsExactly,
                MayBeGone = source.IsRemote,
            })
            {
                round.Run(Operations);
            }

            ShellResult removed = Shell.Run("rm", ["-rf", $"{sides[i % 2].Root}/round {i}"]);
            Assert.True(removed.ExitCode == 0, removed.All);
        }
    }

    private static Side Bare(SharedSource source) => new("the host", source.Path, CanMap(source.Path));

    private static unsafe bool CanMap(string root)
    {
        int fd = Calls.Open(root + "/mapped", Linux.O_RDWR | Linux.O_CREAT | Linux.O_EXCL);
        Assert.True(fd >= 0 && Calls.FTruncate(fd, 4096) == 0);
        byte* map = Native.MMap(0, 4096, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_SHARED, fd, 0);
        bool can = (nint)map != -1;
        if (can)
        {
            _ = Native.MUnmap(map, 4096);
        }

        Calls.Close(fd);
        Assert.Equal(0, Calls.Unlink(root + "/mapped"));
        return can;
    }

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : null;
}
