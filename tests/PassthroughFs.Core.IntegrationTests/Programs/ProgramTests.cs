using System.Collections.Generic;
using System.IO;
using System.Text;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Programs;

/// <summary>Real programs on a mount, as root and as somebody else, over both kinds of host file system.</summary>
public sealed class ProgramTests
{
    private const string SomeoneElse = "setpriv --reuid 65533 --regid 65532 --clear-groups ";

    public static TheoryData<Backing, string, string> Places => new()
    {
        { Backing.Disk, "--cache auto", "" },
        { Backing.Tmpfs, "--cache metadata --inode-file-handles prefer", "" },
        { Backing.Disk, "--cache always --writeback --killpriv-v2", SomeoneElse },
        { Backing.Tmpfs, "--cache never", SomeoneElse },
        { Backing.Disk, "--passthrough --killpriv-v2", SomeoneElse },
        { Backing.Disk, "--io-uring --cache auto", SomeoneElse },
    };

    [Theory, MemberData(nameof(Places))]
    public void Git_makes_clones_and_checks_a_repository(Backing backing, string options, string asUser)
    {
        Require.Program("git");
        Run(backing, options, asUser, 120, """
            export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
            git init -q repo && cd repo
            for i in $(seq 100); do mkdir -p d$((i % 7)); seq $i 2000 > d$((i % 7))/f$i; done
            ln -s d1/f1 link && chmod +x d2/f2
            git add . && git commit -qm one
            echo change >> d3/f3 && git rm -q d4/f4 && git mv d5/f5 moved && git commit -qam two
            git gc -q && git fsck --full --strict && test -z "$(git status --porcelain)"
            cd .. && git clone -q --no-hardlinks repo clone && cd clone
            test "$(git rev-parse HEAD)" = "$(git -C ../repo rev-parse HEAD)"
            git checkout -q HEAD~1 && git checkout -q - && test -z "$(git status --porcelain)"
            git fsck --full && diff -r --exclude=.git . ../repo
            """);
    }

    [Theory, MemberData(nameof(Places))]
    public void A_compiler_builds_a_program_that_runs(Backing backing, string options, string asUser)
    {
        Require.Program("gcc");
        Run(backing, options, asUser, 60, """
            export TMPDIR=$PWD
            printf '#include <stdio.h>\nint twice(int x) { return 2 * x; }\n' > a.c
            printf '#include <stdio.h>\nint twice(int);\nint main(void) { printf("%%d", twice(21)); }\n' > b.c
            gcc -O1 -c a.c && gcc -O1 -c b.c && ar rcs liba.a a.o && gcc b.o -L. -la -o program
            test "$(./program)" = 42
            """);
    }

    [Theory, MemberData(nameof(Places))]
    public void Sqlite_stays_whole_under_concurrent_writers(Backing backing, string options, string asUser)
    {
        Require.Program("sqlite3");
        Run(backing, options, asUser, 120, """
            sqlite3 t.db 'create table t(w int, n int);'
            for w in 1 2 3 4; do
              (for n in $(seq 25); do
                 printf '.timeout 60000\ninsert into t values(%d, %d);\n' $w $n | sqlite3 t.db
               done) & pids="${pids:-} $!"
            done
            for p in $pids; do wait $p; done
            test "$(sqlite3 t.db 'pragma integrity_check;')" = ok
            test "$(sqlite3 t.db 'select count(*), count(distinct w * 1000 + n) from t;')" = '100|100'
            """);
    }

    [Theory]
    [InlineData(Backing.Disk, "--cache auto")]
    [InlineData(Backing.Tmpfs, "--cache always --inode-file-handles prefer")]
    public void Tar_takes_a_tree_with_everything_in_it_there_and_back(Backing backing, string options)
    {
        Require.Program("tar", "setfattr", "python3");
        Run(backing, options, "", 60, """
            mkdir tree && cd tree
            seq 1 50000 > data && ln data hard && mkdir -p d/e && ln ../tree/data d/e/hard2
            ln -s 'a target with spaces' soft && mkfifo -m 622 fifo && mknod char c 1 3 && mknod block b 7 1
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
            truncate -s 5M sparse && printf end >> sparse
            chmod 4751 data && chmod 1777 d && chmod 2750 d/e && chown 12:34 soft d && chown -h 56:78 soft
            setfattr -n user.a -v 1 data && setfattr -n trusted.b -v 2 d
            touch -d '1999-12-31 23:59:59.123456789' data && touch -h -d '2010-01-01 00:00:00.5' soft
            printf x > "$(printf 'odd\377name')"
            cd .. && tar --format=posix --xattrs --xattrs-include='*' -S -cf a.tar tree 2>/dev/null
            mkdir out && tar --xattrs --xattrs-include='*' --same-owner -xpf a.tar -C out
            show() { (cd "$1" && find . -printf '%p %y %m %U %G %n %s %l %T@\n' | grep -av ' s ' | sort) }
            rest() { grep -av '^\. \|^\./d '; }
            diff -a <(show tree | rest) <(show out/tree | rest)
            cmp tree/data out/tree/data && cmp tree/sparse out/tree/sparse
            test "$(stat -c %i out/tree/data)" = "$(stat -c %i out/tree/d/e/hard2)"
            test "$(getfattr --only-values -n user.a out/tree/hard)" = 1
            test "$(getfattr --only-values -n trusted.b out/tree/d)" = 2
            test "$(stat -c '%t,%T' out/tree/char out/tree/block | tr '\n' ' ')" = '1,3 7,1 '
            test "$(stat -c %F tree/sock)" = socket
            test "$(stat -c '%U %a' out/tree/d)" = "$(stat -c '%U %a' tree/d)"
            """);
    }

    [Theory]
    [InlineData(Backing.Disk, "--cache auto")]
    [InlineData(Backing.Disk, "--cache never")]
    [InlineData(Backing.Tmpfs, "--cache always --writeback")]
    [InlineData(Backing.Disk, "--passthrough")]
    [InlineData(Backing.Tmpfs, "--passthrough --killpriv-v2")]
    [InlineData(Backing.Disk, "--io-uring --cache never")]
    [InlineData(Backing.Tmpfs, "--io-uring --cache always --writeback")]
    public void Fio_reads_back_what_it_wrote(Backing backing, string options)
    {
        Require.Program("fio");
        Run(backing, options, "", 90, """
            fio --name=v --directory=. --size=16M --bs=4k-64k --rw=randwrite --verify=crc32c --do_verify=1 \
              --numjobs=2 --ioengine=psync --fallocate=none --output=log --thread --group_reporting
            ! grep -i 'verify: bad' log
            fio --name=m --directory=. --size=8M --bs=4k --rw=randrw --verify=md5 --do_verify=1 \
              --ioengine=psync --fsync=64 --output=log2 --thread
            """);
    }

    [Theory]
    [InlineData(Backing.Disk, "--cache auto")]
    [InlineData(Backing.Tmpfs, "--cache metadata --inode-file-handles prefer")]
    [InlineData(Backing.Disk, "--passthrough --killpriv-v2")]
    [InlineData(Backing.Disk, "--io-uring")]
    public void File_system_stressors_find_nothing_wrong(Backing backing, string options)
    {
        Require.Program("stress-ng");
        Run(backing, options, "", 120, """
            for stressor in access chmod chown copy-file dentry dir dirdeep fallocate fstat getdent hdd link mknod \
                open readahead rename seek symlink touch utime xattr; do
              stress-ng --temp-path . --verify --timeout 1 --no-rand-seed --$stressor 1 > log 2>&1 ||
                { echo "$stressor:"; cat log; exit 1; }
              ! grep -E ' (fail|error): ' log
            done
            """);
    }

    [Fact]
    public void Dotnet_builds_and_runs_a_project()
    {
        using var fixture = new MountFixture(Backing.Disk, "--default-permissions", "--cache", "auto");
        string project = Path.Combine(fixture.Path, "app");
        Directory.CreateDirectory(project);
        File.WriteAllText(Path.Combine(project, "app.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>
            """);
        File.WriteAllText(Path.Combine(project, "Program.cs"), "System.Console.WriteLine(\"built on a mount\");");
        var clean = new Dictionary<string, string?>
        {
            ["MSBUILDDISABLENODEREUSE"] = "1",
            ["MSBuildSDKsPath"] = null,
            ["MSBUILD_EXE_PATH"] = null,
            ["MSBuildExtensionsPath"] = null,
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
        };
        string dotnet = MountProcess.Command[0];
        ShellResult build = Shell.Run(
            dotnet, ["build", "-nodeReuse:false", "-p:UseSharedCompilation=false", "-v:q"], project, 150, clean);
        Assert.True(build.ExitCode == 0, build.All);
        ShellResult run = Shell.Run(dotnet, [Path.Combine(project, "bin/Debug/net10.0/app.dll")], project, 30, clean);
        Assert.Equal("built on a mount\n", run.Out);
    }

    private static void Run(Backing backing, string options, string asUser, int seconds, string script)
    {
        Require.Program("setpriv");
        using var fixture = new MountFixture(
            backing, ["--xattr", "--allow-other", "--default-permissions", .. options.Split(' ')]);
        string work = Path.Combine(fixture.Path, "work");
        Directory.CreateDirectory(work);
        if (asUser.Length > 0)
        {
            Assert.Equal(0, Native.LChown(Bytes.Z(work), 65533, 65532));
        }

        // The script goes by a file: it must not be quoted once more for the other user's shell.
        string file = Path.Combine(fixture.Source, "script");
        File.WriteAllText(file, "set -euo pipefail\n" + script, new UTF8Encoding(false));
        ShellResult result = Shell.Script($"{asUser}bash {Path.Combine(fixture.Path, "script")}", work, seconds);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Empty(fixture.OpenAfterDroppingCaches());
    }
}
