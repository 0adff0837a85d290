using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Each cache policy, with kernel handles and without, over each kind of host file system.</summary>
public sealed class MatrixTests
{
    private const string Work = """
        mkdir -p a/b/c && cd a/b
        seq 1 20000 > numbers && cp numbers c/copy && cmp numbers c/copy
        ln numbers hard && ln -s c/copy soft && cmp soft hard
        echo more >> numbers && tail -n1 hard | grep -qx more
        mv c/copy c/moved && ! test -e c/copy && test -L soft && ! cat soft 2>/dev/null
        chmod 640 numbers && test "$(stat -c %a hard)" = 640
        chown 65533:65532 numbers && test "$(stat -c %u:%g hard)" = 65533:65532
        touch -d '2001-02-03 04:05:06.789' numbers && test "$(stat -c %y hard | cut -c1-23)" = '2001-02-03 04:05:06.789'
        setfattr -n user.k -v value hard && getfattr --only-values -n user.k numbers | grep -qx value
        truncate -s 100 hard && test "$(stat -c %s numbers)" = 100
        mkfifo fifo && (echo through > fifo & cat fifo | grep -qx through; wait)
        (exec 9<> locked && flock -n 9)
        rm -r c && mkdir c && rmdir c
        find . | sort | tr '\n' ' '
        """;

    public static TheoryData<Backing, string, string> Combinations
    {
        get
        {
            var data = new TheoryData<Backing, string, string>();
            foreach (Backing backing in Enum.GetValues<Backing>())
            {
                foreach (string cache in new[] { "never", "metadata", "auto", "always" })
                {
                    data.Add(backing, cache, "never");
                    data.Add(backing, cache, "prefer");
                }
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Combinations))]
    public void Everyday_work_gives_the_same_under_each_policy(Backing backing, string cache, string handles)
    {
        Require.Program("setfattr", "getfattr", "flock");
        using var fixture = new MountFixture(
            backing, "--xattr", "--allow-other", "--default-permissions", "--cache", cache, "--inode-file-handles",
            handles);
        ShellResult result = Shell.Script(Work, fixture.Path, 60);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Equal(". ./fifo ./hard ./locked ./numbers ./soft ", result.Out);
        ShellResult trees = Shell.Script(
            $"diff <(cd {fixture.Path} && find . -printf '%p %y %m %U %G %n %l\\n' | sort) " +
            $"<(cd {fixture.Source} && find . -printf '%p %y %m %U %G %n %l\\n' | sort)",
            "/", 60);
        Assert.True(trees.ExitCode == 0, trees.All);
        Assert.Empty(fixture.OpenAfterDroppingCaches());
        Assert.Equal(100, new FileInfo(System.IO.Path.Combine(fixture.Source, "a/b/numbers")).Length);
    }
}
