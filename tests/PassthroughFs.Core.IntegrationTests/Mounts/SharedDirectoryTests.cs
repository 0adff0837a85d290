using System;
using System.Collections.Generic;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>
/// Programs of two mounts and of the host, all at once in one directory: with <c>--shared</c> nothing is lost or stale. And
/// the opposite, <c>--exclusive</c>.
/// </summary>
public sealed class SharedDirectoryTests
{
    private const string Helpers = """
        import fcntl, mmap, os, sqlite3, subprocess, sys, time
        ONE, TWO, BARE = os.environ['ONE'], os.environ['TWO'], os.environ['BARE']
        PLACES = [ONE, TWO, BARE]
        def everywhere(work):
            # Each place is a process of its own, and all begin at once.
            ready, go = os.pipe(), os.pipe()
            children = []
            for number, place in enumerate(PLACES):
                pid = os.fork()
                if pid == 0:
                    try:
                        os.write(ready[1], b'.')
                        os.read(go[0], 1)
                        work(number, place)
                        os._exit(0)
                    except BaseException as e:
                        print(f'at place {number}: {e!r}', file=sys.stderr)
                        sys.stderr.flush()
                        os._exit(1)
                children.append(pid)
            for _ in PLACES: os.read(ready[0], 1)
            os.write(go[1], b'...')
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
            assert codes == [0, 0, 0], codes
        """;

    private const string Appends = """
        RECORDS = 600
        def work(number, place):
            fd = os.open(f'{place}/log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            for i in range(RECORDS):
                record = f'{number} {i} '.encode().ljust(300, b'x') + b'\n'
                assert os.write(fd, record) == len(record)
        everywhere(work)
        for place in PLACES:
            lines = open(f'{place}/log', 'rb').read().split(b'\n')[:-1]
            found = sorted((int(a), int(b)) for a, b, rest in (line.split(b' ') for line in lines) if set(rest) == set(b'x'))
            assert found == [(n, i) for n in range(3) for i in range(RECORDS)], len(found)
        """;

    private const string LockFiles = """
        ROUNDS = 60
        open(f'{BARE}/count', 'w').write('0')
        def work(number, place):
            for i in range(ROUNDS):
                while True:
                    try:
                        os.close(os.open(f'{place}/lock', os.O_WRONLY | os.O_CREAT | os.O_EXCL))
                        break
                    except FileExistsError:
                        time.sleep(0.0005)
                count = int(open(f'{place}/count').read())
                with open(f'{place}/count.new{number}', 'w') as f: f.write(str(count + 1))
                os.rename(f'{place}/count.new{number}', f'{place}/count')
                os.unlink(f'{place}/lock')
        everywhere(work)
        assert open(f'{ONE}/count').read() == str(3 * ROUNDS), open(f'{ONE}/count').read()
        """;

    private const string LockedCounter = """
        ROUNDS = 100
        open(f'{BARE}/count', 'w').write('0' * 20)
        def work(number, place):
            f = os.open(f'{place}/count', os.O_RDWR)
            for i in range(ROUNDS):
                fcntl.lockf(f, fcntl.LOCK_EX)
                os.pwrite(f, f'{int(os.pread(f, 20, 0)) + 1:020d}'.encode(), 0)
                fcntl.lockf(f, fcntl.LOCK_UN)
        everywhere(work)
        assert int(open(f'{ONE}/count').read()) == 3 * ROUNDS, open(f'{ONE}/count').read()
        """;

    private const string Renames = """
        # Who opens a name gets what the last rename before put there, never an older one, from every place.
        ROUNDS = 150
        open(f'{BARE}/current', 'w').write('0' * 8)
        open(f'{BARE}/said', 'w').write('0' * 8)
        kept = [os.open(f'{place}/kept', os.O_RDWR | os.O_CREAT) for place in PLACES]
        for i in range(1, ROUNDS):
            writer, text = PLACES[i % 3], f'{i:08d}'
            with open(f'{writer}/new', 'w') as f: f.write(text)
            os.rename(f'{writer}/new', f'{writer}/current')
            os.pwrite(kept[(i + 1) % 3], text.encode(), 0)
            os.symlink(text, f'{writer}/l.new'); os.rename(f'{writer}/l.new', f'{writer}/l')
            os.mkdir(f'{writer}/d{i}')
            for place, fd in zip(PLACES, kept):
                assert open(f'{place}/current').read() == text, (place, i)
                assert os.pread(fd, 8, 0).decode() == text, (place, i)
                assert os.readlink(f'{place}/l') == text
                assert os.stat(f'{place}/current').st_size == 8
                assert f'd{i}' in os.listdir(place) and os.path.isdir(f'{place}/d{i}')
                os.truncate(f'{place}/kept', 8)
            os.rmdir(f'{PLACES[(i + 2) % 3]}/d{i}')
            for place in PLACES: assert not os.path.exists(f'{place}/d{i}')
        """;

    private const string Sqlite = """
        ROUNDS, wal = 25, os.environ['WAL'] == '1'
        def connect(place):
            db = sqlite3.connect(f'{place}/db', timeout=100, isolation_level=None)
            return db
        db = connect(BARE)
        db.execute('PRAGMA journal_mode=' + ('WAL' if wal else 'DELETE'))
        db.execute('CREATE TABLE t (number, i)')
        db.execute('CREATE TABLE c (n)'); db.execute('INSERT INTO c VALUES (0)')
        db.close()
        def work(number, place):
            db = connect(place)
            db.execute('PRAGMA synchronous=OFF')
            for i in range(ROUNDS):
                while True:
                    try:
                        db.execute('BEGIN IMMEDIATE')
                        break
                    except sqlite3.OperationalError as e:
                        assert 'locked' in str(e), e
                db.execute('INSERT INTO t VALUES (?, ?)', (number, i))
                db.execute('UPDATE c SET n = n + 1')
                db.execute('COMMIT')
        everywhere(work)
        for place in PLACES:
            db = connect(place)
            rows = db.execute('SELECT number, i FROM t ORDER BY number, i').fetchall()
            assert rows == [(n, i) for n in range(3) for i in range(ROUNDS)], len(rows)
            assert db.execute('SELECT n FROM c').fetchone() == (3 * ROUNDS,)
            assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
            db.close()
        """;

    private const string Commits = """
        COMMITS = 6
        def git(place, *words, check=True):
            return subprocess.run(
                ['git', '-c', 'safe.directory=*', '-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'gc.auto=0', '-C', f'{place}/r', *words],
                check=check, capture_output=True, text=True)
        os.mkdir(f'{BARE}/r'); git(BARE, 'init', '-q')
        def work(number, place):
            for i in range(COMMITS):
                open(f'{place}/r/{number}.{i}', 'w').write(f'{number} {i}')
                # Two at once: git says that its lock file is there, or, as it reads its index before it locks it, that it
                # does not know what was just added; so it does on one directory without mounts. By hand one tries again.
                while True:
                    done = git(place, 'add', f'{number}.{i}', check=False)
                    if done.returncode == 0:
                        done = git(place, 'commit', '-q', '-m', f'{number}.{i}', '--', f'{number}.{i}', check=False)
                        if done.returncode == 0: break
                    assert 'lock' in done.stderr or 'did not match any file' in done.stderr, done.stderr
                    time.sleep(0.002 * (number + 1))
        everywhere(work)
        for place in PLACES:
            subjects = sorted(git(place, 'log', '--format=%s').stdout.split())
            assert subjects == sorted(f'{n}.{i}' for n in range(3) for i in range(COMMITS)), subjects
            git(place, 'fsck', '--strict')
        """;

    private const string Mappings = """
        # What one stores into a mapping the others see at once, in theirs and by reading.
        open(f'{BARE}/m', 'wb').write(bytes(8192))
        maps = []
        for place in PLACES:
            fd = os.open(f'{place}/m', os.O_RDWR)
            maps.append((mmap.mmap(fd, 8192), fd))
        for i in range(300):
            maps[i % 3][0][i] = i % 255 + 1
            if i % 7 == 0: os.pwrite(maps[(i + 1) % 3][1], bytes([i % 255 + 1]), 4096 + i)
            for m, fd in maps:
                assert m[i] == i % 255 + 1 and os.pread(fd, 1, i) == bytes([i % 255 + 1]), i
                assert i % 7 or m[4096 + i] == i % 255 + 1
        """;

    private const string NoMappings = """
        open(f'{BARE}/m', 'wb').write(b'm' * 8192)
        import errno
        for place in [ONE, TWO]:
            fd = os.open(f'{place}/m', os.O_RDWR)
            try:
                mmap.mmap(fd, 8192)
                raise AssertionError('a shared mapping')
            except OSError as e:
                assert e.errno == errno.ENODEV, e
            assert mmap.mmap(fd, 8192, mmap.MAP_PRIVATE)[0] == ord('m')
            db = sqlite3.connect(f'{place}/wal', timeout=100)
            try:
                print(db.execute('PRAGMA journal_mode=WAL').fetchone())
                db.execute('CREATE TABLE t (n)')
                assert db.execute('PRAGMA journal_mode').fetchone() != ('wal',)
            except sqlite3.OperationalError as e:
                print(e)
        """;

    public static TheoryData<string, string> Work { get; } = new()
    {
        { nameof(Appends), Appends },
        { nameof(LockFiles), LockFiles },
        { nameof(LockedCounter), LockedCounter },
        { nameof(Renames), Renames },
        { nameof(Sqlite), Sqlite },
        { nameof(Commits), Commits },
    };

    [Theory]
    [MemberData(nameof(Work), DisableDiscoveryEnumeration = true)]
    public void What_three_places_do_at_once_none_loses(string name, string script) => Run(name, script);

    [Fact]
    public void A_write_ahead_log_is_shared_where_the_kernel_maps_files() => Run("WAL", Sqlite, wal: true);

    [Fact]
    public void Mappings_are_one_where_the_kernel_maps_files() => Run("mappings", Mappings);

    [Theory]
    [MemberData(nameof(Work), DisableDiscoveryEnumeration = true)]
    public void Nor_where_the_kernel_cannot_read_and_write_by_itself(string name, string script) =>
        RunStacked(name, script);

    [Fact]
    public void A_mapping_that_would_not_see_what_others_write_is_refused() => RunStacked("no mappings", NoMappings);

    [Fact]
    public void Whose_directory_nobody_else_changes_keeps_what_it_knows_and_collects_writes()
    {
        Require.Program("/usr/bin/python3");
        using var fixture = new MountFixture(Backing.Disk, "--exclusive");
        ShellResult result = Shell.Run(
            "/usr/bin/python3",
            [
                "-c",
                """
                import os, sys
                mount, source = sys.argv[1:]
                assert not os.path.exists(f'{mount}/absent')
                open(f'{source}/absent', 'w').write('x')
                assert not os.path.exists(f'{mount}/absent'), 'absence was asked for again'
                fd = os.open(f'{mount}/f', os.O_RDWR | os.O_CREAT)
                os.write(fd, b'collected')
                assert os.path.getsize(f'{source}/f') == 0, 'not collected'
                os.close(fd)
                assert open(f'{source}/f').read() == 'collected'
                open(f'{source}/f', 'w').write('by others')
                assert open(f'{mount}/f').read() == 'collected', 'read again'
                """,
                fixture.Path, fixture.Source,
            ]);
        Assert.True(result.ExitCode == 0, result.All);
    }

    private static void Run(string name, string script, bool wal = false)
    {
        Require.Fuse();
        using var source = new TempDirectory();
        Run(name, script, source.Path, wal, out string errors);
        Assert.DoesNotContain("warn", errors, StringComparison.Ordinal);
    }

    // Of a file system on top of others (overlayfs) the client's kernel takes no backing files.
    private static void RunStacked(string name, string script)
    {
        Require.Fuse();
        using var layers = new TempDirectory(Backing.Tmpfs);
        ShellResult mounted = Shell.Script(
            "mkdir lower upper work merged; mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged",
            layers.Path);
        Assert.True(mounted.ExitCode == 0, mounted.All);
        try
        {
            Run(name, script, layers["merged"], false, out string errors);
            Assert.Contains("BackingFiles", errors, StringComparison.Ordinal);
            Assert.Contains("mmap with MAP_SHARED is refused", errors, StringComparison.Ordinal);
        }
        finally
        {
            Shell.Run("umount", [layers["merged"]]);
        }
    }

    private static void Run(string name, string script, string source, bool wal, out string errors)
    {
        Require.Program("/usr/bin/python3", "git");
        using var one = new TempDirectory();
        using var two = new TempDirectory();
        using MountProcess first = MountProcess.Start(source, one.Path, "--shared");
        using MountProcess second = MountProcess.Start(source, two.Path, "--shared", "--threads", "4");
        using var watchdog = new Watchdog(first, 150);
        using var secondWatchdog = new Watchdog(second, 150);
        ShellResult result = Shell.Run(
            "/usr/bin/python3", ["-c", Helpers + "\n" + script], timeoutSeconds: 140,
            environment: new Dictionary<string, string?>
            {
                ["ONE"] = one.Path,
                ["TWO"] = two.Path,
                ["BARE"] = source,
                ["WAL"] = wal ? "1" : "0",
            });
        Assert.True(result.ExitCode == 0, $"{name}: {result.All}");
        errors = first.Error;
    }
}
