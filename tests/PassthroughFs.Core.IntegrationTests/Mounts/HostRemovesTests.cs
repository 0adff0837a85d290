using System;
using System.Collections.Generic;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A program of the host removes files while the client's entries of them are valid.</summary>
public sealed class HostRemovesTests
{
    // Each step runs on the bare directory too, where nothing is cached: the mount ends as it does.
    private const string ByName = """
        step() { # what the client looks up, what the host does, what the client does then
            mkdir "$M/$1"; cd "$M/$1"; echo one >f; echo other >g; stat f g >/dev/null
            case $1 in *xattr*) setfattr -n user.a -v 1 f;; esac
            (cd "$S/$1"; eval "$2")
            (eval "$3") 2>/dev/null && echo "$1: ok" || echo "$1: failed"
            cd "$S/$1"; for i in *; do echo "$i $(stat -c '%a %s %Y' "$i" | sed 's/ 1[0-9]*$/ now/') $(cat "$i")"; done
        }
        step write 'rm f' 'echo two >f'
        step write-open 'rm f' 'echo two 1<>f'
        step append 'rm f' 'echo two >>f'
        step read 'rm f' 'cat f'
        step truncate 'rm f' 'truncate -s 2 f'
        step truncate-not-made 'rm f' 'truncate -c -s 2 f'
        step touch 'rm f' 'touch -d @5 f'
        step touch-not-made 'rm f' 'touch -c -d @5 f'
        step chmod 'rm f' 'chmod 600 f'
        step chown 'rm f' 'chown 1:1 f'
        step xattr 'rm f' 'setfattr -n user.b -v 2 f'
        step remove-xattr 'rm f' 'setfattr -x user.a f'
        step link 'rm f' 'ln f h'
        step execute 'rm f; printf "#!/bin/sh\n" >g; chmod 755 g' './f'
        step replaced-write 'rm f; echo host >n; mv n f' 'echo two >f'
        step replaced-append 'rm f; echo host >n; mv n f' 'echo two >>f'
        step replaced-over-append 'echo host >n; mv n f' 'echo two >>f'
        step replaced-over-truncate 'echo host >n; mv n f' 'truncate -s 2 f'
        step replaced-over-chmod 'echo host >n; mv n f' 'chmod 600 f'
        step replaced-over-read 'echo host >n; mv n f' 'cat f'
        step moved-over 'mv g f' 'echo two >>f'
        """;

    // Files that somebody here has open go on without a name, however they are opened again.
    private const string Held = """
        import ctypes, os, stat
        M, S = os.environ['M'], os.environ['S']
        def again(fd, flags): return os.open(f'/proc/self/fd/{fd}', flags)
        def check(fd, text):
            two = again(fd, os.O_RDWR)
            assert os.pread(two, 10, 0) == text, os.pread(two, 10, 0)
            os.close(two)
            three = again(fd, os.O_WRONLY | os.O_TRUNC)
            assert os.fstat(fd).st_size == 0
            os.pwrite(three, b'four', 0)
            os.truncate(f'/proc/self/fd/{fd}', 2)
            os.chmod(f'/proc/self/fd/{fd}', 0o600)
            os.close(three)
            assert os.pread(fd, 10, 0) == b'fo'
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
        def made(name, text=b'one'):
            fd = os.open(f'{M}/{name}', os.O_RDWR | os.O_CREAT, 0o644)
            os.write(fd, text)
            return fd
        fd = made('by-the-host')
        os.unlink(f'{S}/by-the-host')
        check(fd, b'one')
        fd = made('by-the-client')
        os.unlink(f'{M}/by-the-client')
        check(fd, b'one')
        fd = made('twice')
        os.link(f'{M}/twice', f'{M}/thrice')
        os.unlink(f'{S}/twice'); os.unlink(f'{S}/thrice')
        check(fd, b'one')
        fd = os.open(M, os.O_RDWR | os.O_TMPFILE, 0o644)
        os.write(fd, b'one')
        check(fd, b'one')
        assert ctypes.CDLL(None).linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, f'{M}/linked'.encode(), 0x400) == 0
        assert open(f'{S}/linked').read() == 'fo'

        # Of what was removed and is still known nobody who syncs hears.
        os.close(made('known'))
        known = os.open(f'{M}/known', os.O_PATH)
        os.unlink(f'{M}/known')
        root = os.open(M, os.O_RDONLY)
        assert ctypes.CDLL(None, use_errno=True).syncfs(root) == 0, os.strerror(ctypes.get_errno())
        os.close(known)

        # Another name of it leads to the same file.
        open(f'{M}/a', 'w').write('one'); os.link(f'{M}/a', f'{M}/b')
        os.stat(f'{M}/a'); os.stat(f'{M}/b'); os.unlink(f'{S}/a')
        open(f'{M}/b', 'a').write('two')
        assert open(f'{S}/b').read() == 'onetwo'
        """;

    private static readonly string[][] s_modes =
    [
        [],
        ["--inode-file-handles", "mandatory"],
        ["--writeback"],
        ["--passthrough"],
        ["--cache", "never"],
        ["--allow-other", "--default-permissions", "--killpriv-v2"],
        ["--allow-other"],
    ];

    public static TheoryData<string> Modes { get; } = [.. Array.ConvertAll(s_modes, mode => string.Join(' ', mode))];

    [Theory]
    [MemberData(nameof(Modes))]
    public void What_means_a_name_reaches_the_file_that_has_it(string options)
    {
        Require.Program("setfattr");
        using var bare = new TempDirectory();
        string expected = Run(ByName, bare.Path, bare.Path);
        using MountFixture mount = Mount(options);
        Assert.Equal(expected, Run(ByName, mount.Path, mount.Source));
        Assert.Contains("write: ok", expected, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void What_is_open_goes_on_without_a_name(string options)
    {
        using MountFixture mount = Mount(options);
        ShellResult result = Shell.Run(
            "/usr/bin/python3", ["-c", Held], environment: Places(mount.Path, mount.Source));
        Assert.True(result.ExitCode == 0, result.All);
    }

    private static MountFixture Mount(string options) => new(
        Backing.Disk,
        [.. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--xattr", "--entry-timeout", "600",
            "--attr-timeout", "600"]);

    private static string Run(string script, string client, string host)
    {
        ShellResult result = Shell.Run("bash", ["-uc", script], environment: Places(client, host), timeoutSeconds: 60);
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out + result.Error;
    }

    private static Dictionary<string, string?> Places(string client, string host) =>
        new() { ["M"] = client, ["S"] = host };
}
