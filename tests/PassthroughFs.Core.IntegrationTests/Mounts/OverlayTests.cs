using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>An overlayfs of the host as the source.</summary>
public sealed class OverlayTests
{
    // Without index, hard links of the lower layer part when one of them is changed. What is made above stays one file.
    private const string Change = """
        exec 3<f
        stat -c '%h %s' f g
        echo changed >g && cat f g && cat <&3
        echo more >>f && cat f g
        truncate -s 2 i && cat i j
        chmod 600 k && stat -c '%a' k l
        exec 4<>m && echo by descriptor >&4 && cat m n
        echo n >>n && cat m n
        mv o moved && echo moved >>moved && cat moved p
        echo up >up1 && ln up1 up2 && echo shared >>up1 && cat up2 && test up1 -ef up2
        echo alone >>alone && cat alone
        cat d/f d/g && echo deep >>d/g && cat d/f d/g
        """;

    [Fact]
    public void What_has_parted_goes_on_in_a_successor()
    {
        Require.Fuse();
        Require.FileSystem("overlay", "tmpfs");
        using var files = new TempDirectory();
        try
        {
            ShellResult built = Shell.Script(
                Build + "\ncd .. && mount -t overlay overlay -o " +
                "lowerdir=lower,upperdir=upper/upper,workdir=upper/work,index=off source",
                files.Path);
            Assert.True(built.ExitCode == 0, built.All);
            using MountProcess first = MountProcess.Start(files["source"], files["at"], "--inode-file-handles", "never");
            using var open = new FileStream(files["at/g"], FileMode.Open, FileAccess.ReadWrite);
            open.Write("by the first"u8);
            open.Flush();
            using MountProcess next = first.Upgrade();
            open.Write(" and the next"u8);
            open.Flush();
            Assert.Equal("by the first and the next", File.ReadAllText(files["source/g"]));
            Assert.Equal("data of f-g\n", File.ReadAllText(files["at/f"]));
            File.AppendAllText(files["at/f"], "f");
            Assert.Equal("data of f-g\nf", File.ReadAllText(files["source/f"]));
        }
        finally
        {
            Shell.Run("umount", ["-l", files["source"]]);
            Shell.Run("umount", ["-l", files["upper"]]);
        }
    }

    private const string Build = """
        mkdir -p lower/d upper mount source at
        mount -t tmpfs upper upper && mkdir upper/upper upper/work
        cd lower && echo alone >alone
        for name in f-g i-j k-l m-n o-p; do
          echo "data of $name" >"${name%-*}" && ln "${name%-*}" "${name#*-}"
        done
        echo deep >d/f && ln d/f d/g
        """;

    [Theory]
    [InlineData("off")]
    [InlineData("on")]
    [InlineData("off", "--inode-file-handles", "never")]
    [InlineData("off", "--inode-file-handles", "prefer", "--use-host-ino")]
    [InlineData("on", "--inode-file-handles", "prefer")]
    [InlineData("off", "--entry-timeout", "0", "--attr-timeout", "0")]
    [InlineData("off", "--no-readdirplus", "--enable-mntid")]
    [InlineData("off", "--no-open", "--cache", "always")]
    [InlineData("off", "--writeback")]
    [InlineData("off", "--io-uring")]
    public void Hard_links_part_or_stay_one_file_as_on_the_bare_directory(string index, params string[] options)
    {
        Require.Fuse();
        Require.FileSystem("overlay", "tmpfs");
        using var files = new TempDirectory();
        try
        {
            ShellResult built = Shell.Script(Build, files.Path);
            Assert.True(built.ExitCode == 0, built.All);
            string bare = Run(files["source"], null);
            string mount = Run(files["at"], options);
            Assert.Equal(bare, mount);
            Assert.Contains(index == "off" ? "data of f-g\nchanged\n" : "changed\nchanged\n", bare, StringComparison.Ordinal);
        }
        finally
        {
            Shell.Run("umount", ["-l", files["source"]]);
            Shell.Run("umount", ["-l", files["upper"]]);
        }

        // Each from the lower layer as it was; what the host has afterwards is a part of it.
        string Run(string at, string[]? how)
        {
            ShellResult result = Shell.Script(
                $"mount -t overlay overlay -o lowerdir=lower,upperdir=upper/upper,workdir=upper/work,index={index} source",
                files.Path);
            Assert.True(result.ExitCode == 0, result.All);
            using (MountProcess? mount = how is null ? null : MountProcess.Start(files["source"], at, how))
            {
                result = Shell.Script(Change, at, timeoutSeconds: 60);
            }

            Assert.True(result.ExitCode == 0, result.All);
            ShellResult host = Shell.Script(
                """
                cd source && grep -r . . | sort && cd .. && umount source
                rm -rf upper/upper upper/work && mkdir upper/upper upper/work
                """,
                files.Path);
            Assert.True(host.ExitCode == 0, host.All);
            return result.Out + host.Out;
        }
    }
}
