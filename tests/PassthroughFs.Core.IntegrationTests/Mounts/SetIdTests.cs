using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>
/// What a change leaves of a file's set-id bits and capabilities: each is made on the bare directory and on a mount by
/// the same user, and must leave the same, there and before the client's eyes.
/// </summary>
public sealed unsafe class SetIdTests
{
    private const string Capability = "security.capability";
    private const uint FilesOwner = 71001, FilesGroup = 72000;

    private static readonly Caller[] s_callers =
    [
        new("root", 0, 0),
        new("the owner", FilesOwner, 72001),
        new("the owner, of the group", FilesOwner, 72001, FilesGroup),
        new("a member by its first group", 71002, FilesGroup),
        new("a member by another group", 71003, 72003, 72004, FilesGroup),
        new("a stranger", 71004, 72005),
        new("a stranger with groups", 71005, 72005, 72006),
    ];

    private static readonly Kind[] s_kinds =
    [
        new("6777", FilesGroup), new("6666", FilesGroup), new("2666", FilesGroup), new("4666", FilesGroup),
        new("2767", FilesGroup, HasCapability: true), new("777", FilesGroup, HasCapability: true),
        new("6666", 0), new("777", FilesGroup),
    ];

    public static TheoryData<Backing, string> Mounts => new()
    {
        { Backing.Tmpfs, "" },
        { Backing.Disk, "--allow-other" },
        { Backing.Disk, "--allow-other --default-permissions --cache always --writeback" },
        { Backing.Disk, "--allow-other --default-permissions --killpriv-v2" },
        { Backing.Tmpfs, "--allow-other --default-permissions" },
        { Backing.Tmpfs, "--allow-other --default-permissions --killpriv-v2 --inode-file-handles prefer" },
        { Backing.Tmpfs, "--allow-other --default-permissions --writeback --killpriv-v2" },
        { Backing.Tmpfs, "--allow-other --cache never --inode-file-handles prefer" },
        { Backing.Tmpfs, "--allow-other --default-permissions --cache never" },
        { Backing.Tmpfs, "--allow-other --default-permissions --cache never --killpriv-v2" },
        { Backing.Tmpfs, "--allow-other --passthrough" },
        { Backing.Tmpfs, "--allow-other --default-permissions --passthrough" },
        { Backing.Tmpfs, "--allow-other --default-permissions --passthrough --killpriv-v2" },
        { Backing.Tmpfs, "--allow-other --cache always --no-open" },
        { Backing.Tmpfs, "--allow-other --default-permissions --cache always --no-open" },
        { Backing.Tmpfs, "--allow-other --default-permissions --cache always --no-open --killpriv-v2" },
        { Backing.Tmpfs, "--allow-other --io-uring" },
    };

    [Fact]
    public void A_tree_of_several_directories_leaves_the_same()
    {
        Require.Fuse();
        using var bare = new TempDirectory(Backing.Tmpfs);
        using var source = new TempDirectory(Backing.Tmpfs);
        using var at = new TempDirectory();
        string[] options = ["--allow-other", "--default-permissions", "--xattr", "--attr-timeout", "600"];
        using MountProcess mount = MountProcess.StartTree([$"/in={source.Path}"], at.Path, options);
        AssertSame(bare.Path, source.Path, at["in"], options);
    }

    [Theory, MemberData(nameof(Mounts))]
    public void A_change_leaves_what_it_leaves_on_the_bare_directory(Backing backing, string options)
    {
        Require.Fuse();
        using var bare = new TempDirectory(backing);
        string[] words = options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        using var fixture = new MountFixture(backing, [.. words, "--xattr", "--attr-timeout", "600"]);
        AssertSame(bare.Path, fixture.Source, fixture.Path, words);
    }

    private static void AssertSame(string bare, string source, string mount, string[] words)
    {
        List<string> differences = [];
        foreach (Caller caller in s_callers.Where(caller => caller.Uid == 0 || words.Contains("--allow-other")))
        {
            foreach (Kind kind in s_kinds)
            {
                List<(SetIdChange Change, Left Bare, Left Mount)> left = Compare(caller, kind, bare, source, mount);
                differences.AddRange(left.Where(item => !IsRight(item.Change, item.Bare, item.Mount, words)).Select(
                    item => $"{item.Change.Name}, {kind}, by {caller.Name}: {item.Mount} instead of {item.Bare}"));
            }
        }

        Assert.True(differences.Count == 0, $"{differences.Count}:\n{string.Join('\n', differences)}");
    }

    /// <summary>As on the bare directory, but for what docs/conformance.md says of the client's kernel.</summary>
    private static bool IsRight(SetIdChange change, Left bare, Left mount, string[] options)
    {
        if (bare.Result == Errno.EOPNOTSUPP)
        {
            // The client has removed the bits before it asks for the change.
            return mount.Result == bare.Result;
        }

        if (change.IsMapped || (change.IsChown && bare.Result == Errno.EPERM))
        {
            // The host removes capabilities when what was stored is written; the client, before it asks for an owner.
            return mount with { HasCapability = bare.HasCapability } == bare;
        }

        bool asServer = options.Contains("--passthrough") &&
            (options.Contains("--killpriv-v2") || !options.Contains("--default-permissions"));
        if (change.IsWrite && asServer)
        {
            // The kernel writes with the server's rights, less those to keep bits: never more bits than on the bare
            // directory. The client sees its own old mode until it asks.
            return (mount.Mode & ~bare.Mode) == 0 && (bare.Mode & ~mount.Mode & 0x3FF) == 0 &&
                (mount with { Mode = bare.Mode, Seen = bare.Seen }) == bare;
        }

        return mount == bare;
    }

    private static List<(SetIdChange Change, Left Bare, Left Mount)> Compare(
        Caller caller, Kind kind, string bare, string source, string mount)
    {
        int count = SetIdChanges.All.Count;
        foreach (string directory in new[] { bare, source })
        {
            for (int i = 0; i < count; i++)
            {
                kind.Make(Path.Combine(directory, $"f{i}"));
            }

            File.WriteAllBytes(Path.Combine(directory, "other"), Bytes.Pattern(65536));
        }

        var answers = new (Left Bare, Left Mount)[count];
        caller.Run(() =>
        {
            for (int i = 0; i < count; i++)
            {
                answers[i] = (Answer(i, bare), Answer(i, mount));
            }
        });
        List<(SetIdChange, Left, Left)> left = [];
        for (int i = 0; i < count; i++)
        {
            left.Add((
                SetIdChanges.All[i],
                answers[i].Bare.WithFile(Path.Combine(bare, $"f{i}")),
                answers[i].Mount.WithFile(Path.Combine(source, $"f{i}"))));
            File.Delete(Path.Combine(bare, $"f{i}"));
            File.Delete(Path.Combine(mount, $"f{i}"));
        }

        return left;
    }

    /// <summary>Makes the change, and says how it ended and what the caller sees then.</summary>
    private static Left Answer(int change, string directory)
    {
        string path = Path.Combine(directory, $"f{change}");
        _ = Mode(path);
        Errno result = SetIdChanges.All[change].Make(path, Path.Combine(directory, "other"));
        return new Left { Result = result, Seen = Mode(path) };
    }

    /// <summary>The mode alone: a client that has it cached is not made to ask by times that have changed.</summary>
    private static int Mode(string path)
    {
        byte* stat = stackalloc byte[256];
        const uint statxMode = 2;
        int result = Native.Statx(Native.AT_FDCWD, Bytes.Z(path), 0, statxMode, stat);
        Assert.True(result == 0, $"{path}: {(Errno)Marshal.GetLastPInvokeError()}");
        return *(ushort*)(stat + 28) & 0xFFF;
    }

    /// <summary>How a change ended, what the caller then saw of the mode, and what the host has.</summary>
    private readonly record struct Left
    {
        public Errno Result { get; init; }

        public int Seen { get; init; }

        public int Mode { get; init; }

        public bool HasCapability { get; init; }

        public Left WithFile(string path) => this with
        {
            Mode = SetIdTests.Mode(path),
            HasCapability = Native.LGetXattr(Bytes.Z(path), Bytes.Z(Capability), null, 0) > 0,
        };

        public override string ToString() =>
            $"{Result}, seen {Convert.ToString(Seen, 8)}, {Convert.ToString(Mode, 8)}" +
            (HasCapability ? " with capability" : "");
    }

    private sealed record Kind(string Mode, uint Group, bool HasCapability = false)
    {
        // Version 2, effective, CAP_NET_BIND_SERVICE.
        private static ReadOnlySpan<byte> Value =>
            [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

        public void Make(string path)
        {
            byte[] name = Bytes.Z(path);
            File.WriteAllBytes(path, Bytes.Pattern(65536));
            Assert.Equal(0, Native.LChown(name, FilesOwner, Group));
            fixed (byte* value = Value)
            {
                int set = HasCapability ? Native.LSetXattr(name, Bytes.Z(Capability), value, (nuint)Value.Length, 0) : 0;
                Require.That(set == 0, $"{Capability} in {Path.GetDirectoryName(path)}");
            }

            Assert.Equal(0, Native.Chmod(name, Convert.ToUInt32(Mode, 8)));
        }

        public override string ToString() =>
            $"mode {Mode}{(Group == 0 ? " of group 0" : "")}{(HasCapability ? " with capability" : "")}";
    }

    private sealed record Caller(string Name, uint Uid, uint Gid, params uint[] Groups)
    {
        /// <summary>Runs a function on a thread that is this caller, and ends with it.</summary>
        public void Run(Action action)
        {
            ExceptionDispatchInfo? fault = null;
            var thread = new Thread(() =>
            {
                try
                {
                    Become();
                    action();
                }
#pragma warning disable CA1031 // It goes on, on the test's thread.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    fault = ExceptionDispatchInfo.Capture(e);
                }
            });
            thread.Start();
            thread.Join();
            fault?.Throw();
        }

        private void Become()
        {
            fixed (uint* groups = Groups)
            {
                Assert.Equal(0, Native.SysCall(Native.SysSetGroups, Groups.Length, (nint)groups, 0));
            }

            Assert.Equal(0, Native.SysCall(Native.SysSetResGid, (nint)Gid, (nint)Gid, (nint)Gid));
            Assert.Equal(0, Native.SysCall(Native.SysSetResUid, (nint)Uid, (nint)Uid, (nint)Uid));
        }
    }
}
