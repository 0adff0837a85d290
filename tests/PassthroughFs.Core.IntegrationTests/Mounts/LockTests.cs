using System;
using System.Collections.Generic;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Locks that programs inside and outside of a mount meet: two mounts of one directory, and the directory.</summary>
public sealed class LockTests : IDisposable
{
    private const string Helpers = """
        import ctypes, errno, fcntl, os, signal, struct, subprocess, sys, threading, time
        ONE, TWO, BARE = os.environ['ONE'], os.environ['TWO'], os.environ['BARE']
        PLACES = [ONE, TWO, BARE]
        POSIX = lambda f, kind: fcntl.lockf(f, kind)
        FLOCK = lambda f, kind: fcntl.flock(f, kind)
        KINDS = [POSIX, FLOCK]
        EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
        def opened(place, name='f', mode='r+'):
            path = os.path.join(place, name)
            if not os.path.exists(path): open(path, 'w').write('0' * 100)
            return open(path, mode)
        def refused(kind, f, how):
            try:
                kind(f, how | NB)
                return False
            except OSError as e:
                assert e.errno in (errno.EAGAIN, errno.EACCES), e
                return True
        def child(run, *args):
            pid = os.fork()
            if pid == 0:
                try:
                    run(*args)
                    os._exit(0)
                except BaseException as e:
                    print(repr(e), file=sys.stderr)
                    os._exit(1)
            return pid
        def ofd(f, kind, start, length):
            fcntl.fcntl(f, 37, struct.pack('hhqqi4x', kind, 0, start, length, 0)) # F_OFD_SETLK
        def ofd_refused(f, start=0):
            try:
                ofd(f, fcntl.F_WRLCK, start, 10)
                return False
            except OSError as e:
                assert e.errno in (errno.EAGAIN, errno.EACCES), e
                return True
        def until(what):
            # The client closes in the background: it tells the server of a last close when its own caller has gone on.
            deadline = time.monotonic() + 30
            while not what():
                assert time.monotonic() < deadline, 'it never came'
                time.sleep(0.01)
        def free(kind, f, how):
            # A process's locks are gone when its close returns, an open file's (flock) soon after.
            if kind is POSIX: assert not refused(kind, f, how)
            else: until(lambda: not refused(kind, f, how))
        def ended(pid, code=0):
            got = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert got == code, got
        """;

    private static readonly string[] s_options =
        ["--posix-locks", "--flock-locks", "--cache", "never", "--threads", "2", "--entry-timeout", "0",
            "--attr-timeout", "0"];

    private readonly MountFixture _one;
    private readonly TempDirectory _mountPoint = new();
    private readonly MountProcess _two;

    public LockTests()
    {
        _one = new MountFixture(Backing.Tmpfs, s_options);
        _two = MountProcess.Start(_one.Source, _mountPoint.Path, s_options);
    }

    public void Dispose()
    {
        _two.Dispose();
        _mountPoint.Dispose();
        _one.Dispose();
    }

    [Fact]
    public void Whoever_uses_the_directory_meets_them() => Python("""
        for here in PLACES:
            for there in PLACES:
                for kind in KINDS:
                    f = opened(here)
                    kind(f, EX)
                    def other():
                        g = opened(there)
                        assert refused(kind, g, SH), (here, there, kind)
                        assert refused(kind, g, EX)
                    ended(child(other))
                    kind(f, SH)
                    def reader():
                        g = opened(there)
                        assert not refused(kind, g, SH)
                        assert refused(kind, g, EX)
                    ended(child(reader))
                    f.close()
                    def after():
                        free(kind, opened(there), EX)
                    ended(child(after))
        """);

    [Fact]
    public void Who_waits_gets_it_when_it_is_free_inside_and_outside() => Python("""
        for here in PLACES:
            for there in [ONE, TWO]:
                for kind in KINDS:
                    f = opened(here)
                    kind(f, EX)
                    r, w = os.pipe()
                    def waiter():
                        g = opened(there)
                        os.write(w, b'.')
                        kind(g, EX)
                        g.write('1')
                        g.close()
                    pid = child(waiter)
                    os.read(r, 1)
                    time.sleep(0.15)
                    assert os.waitpid(pid, os.WNOHANG)[0] == 0, 'it did not wait'
                    start = time.monotonic()
                    kind(f, UN)
                    ended(pid)
                    assert time.monotonic() - start < 2
                    f.close()
        """);

    [Fact]
    public void More_may_wait_than_threads_serve_and_the_rest_goes_on() => Python("""
        f = opened(BARE)
        POSIX(f, EX)
        waiters = [child(lambda: POSIX(opened(ONE), EX)) for _ in range(20)]
        time.sleep(0.3)
        for i in range(50):
            open(os.path.join(ONE, 'g%d' % i), 'w').write('x')
            os.stat(os.path.join(ONE, 'g%d' % i))
        assert all(os.waitpid(pid, os.WNOHANG)[0] == 0 for pid in waiters)
        f.close()
        for pid in waiters: ended(pid)
        """);

    [Fact]
    public void A_signal_ends_the_wait_and_nobody_hangs() => Python("""
        class Alarm(Exception): pass
        def ring(*_): raise Alarm()
        for kind in KINDS:
            f = opened(TWO)
            kind(f, EX)
            def interrupted():
                signal.signal(signal.SIGALRM, ring)
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                start = time.monotonic()
                try:
                    kind(opened(ONE), EX)
                    assert False, 'it got the lock'
                except Alarm:
                    assert time.monotonic() - start < 2
            ended(child(interrupted))
            pid = child(lambda: kind(opened(ONE), EX))
            time.sleep(0.2)
            os.kill(pid, signal.SIGKILL)
            start = time.monotonic()
            ended(pid, -9)
            assert time.monotonic() - start < 2
            f.close()
            ended(child(lambda: kind(opened(ONE), EX)))
        """);

    [Fact]
    public void Locks_of_whoever_dies_are_gone() => Python("""
        for kind in KINDS:
            r, w = os.pipe()
            def holder():
                f = opened(ONE)
                kind(f, EX)
                os.write(w, b'.')
                time.sleep(60)
            pid = child(holder)
            os.read(r, 1)
            g = opened(BARE)
            assert refused(kind, g, EX)
            os.kill(pid, signal.SIGKILL)
            ended(pid, -9)
            free(kind, g, EX)
            g.close()
        """);

    [Fact]
    public void Locks_of_an_open_file_last_as_long_as_it_does() => Python("""
        for here in PLACES:
            f, other, g = opened(here), opened(here), opened(BARE)
            ofd(f, fcntl.F_WRLCK, 0, 10)
            assert ofd_refused(other) and ofd_refused(g)

            # A copy of the descriptor, and a child's, are the same open file.
            copy = os.dup(f.fileno())
            r, w = os.pipe()
            def child_holds():
                os.read(r, 1)
            ended(child(lambda: f.close()))
            pid = child(child_holds)
            f.close()
            os.close(copy)
            time.sleep(0.1)
            assert ofd_refused(g)
            os.write(w, b'.')
            ended(pid)
            until(lambda: not ofd_refused(g))
            ofd(g, fcntl.F_UNLCK, 0, 0)
            assert not ofd_refused(other)
            other.close()
            until(lambda: not ofd_refused(g))
            g.close()
        """);

    [Fact]
    public void A_process_keeps_its_locks_when_another_open_file_of_it_is_closed_by_a_child() => Python("""
        for here in PLACES:
            f, g = opened(here), opened(BARE)
            POSIX(f, EX)
            def closes():
                f.close()
            ended(child(closes))
            def asks():
                assert refused(POSIX, opened(BARE), EX)
            ended(child(asks))
            f.close()
            def asks_again():
                assert not refused(POSIX, opened(BARE), EX)
            ended(child(asks_again))
        """);

    [Fact]
    public void Who_waits_by_a_descriptor_that_is_closed_meanwhile_gets_no_lock() => Python("""
        for here in PLACES:
            for _ in range(5):
                r, w = os.pipe()
                r2, w2 = os.pipe()
                def holder():
                    f = opened(here)
                    POSIX(f, EX)
                    os.write(w, b'.')
                    os.read(r2, 1)
                pid = child(holder)
                os.read(r, 1)
                fd = os.open(os.path.join(here, 'f'), os.O_RDWR)
                got = []
                def waits():
                    try:
                        fcntl.lockf(fd, EX)
                        got.append(0)
                    except OSError as e:
                        got.append(e.errno)
                t = threading.Thread(target=waits)
                t.start()
                until(lambda: 'S' == open('/proc/self/task/%d/stat' % t.native_id).read().rsplit(')')[1].split()[0])
                time.sleep(0.05)
                os.close(fd)
                os.write(w2, b'.')
                ended(pid)
                t.join()
                assert got == [errno.EBADF], got
                def asks():
                    f = opened(BARE)
                    until(lambda: not refused(POSIX, f, EX))
                ended(child(asks))
        """);

    [Fact]
    public void However_often_a_file_is_locked_and_closed_the_server_keeps_no_descriptor() => Python("""
        SERVER = '/proc/%s/fd' % os.environ['SERVER']
        keeper = opened(ONE)
        ofd(keeper, fcntl.F_WRLCK, 0, 10)
        path = os.path.join(ONE, 'f')
        def count(): return len(os.listdir(SERVER))
        def rounds(n):
            for _ in range(n):
                fd = os.open(path, os.O_RDWR)
                ofd(fd, fcntl.F_RDLCK, 20, 10)
                os.close(fd)
        rounds(100)
        time.sleep(0.5)
        before = count()
        rounds(10000)
        until(lambda: count() <= before + 2)
        g = opened(BARE)
        assert ofd_refused(g)
        until(lambda: not ofd_refused(g, 20))
        """);

    [Fact]
    public void Whoever_closes_a_ring_of_processes_is_told_so() => Python("""
        # Each of n processes holds a byte and waits for the next one's; the last gets EDEADLK, and then all go on.
        for here in [ONE, BARE]:
            for n in [2, 3]:
                pipes = [os.pipe() for _ in range(n)]
                go = [os.pipe() for _ in range(n)]
                def process(i):
                    f = opened(here)
                    fcntl.lockf(f, EX, 1, i)
                    os.write(pipes[i][1], b'.')
                    os.read(go[i][0], 1)
                    try:
                        fcntl.lockf(f, EX, 1, (i + 1) % n)
                    except OSError as e:
                        assert e.errno == errno.EDEADLK, e
                        os._exit(35)
                pids = [child(process, i) for i in range(n)]
                for i in range(n): os.read(pipes[i][0], 1)
                for i in range(n):
                    os.write(go[i][1], b'.')
                    if i < n - 1: time.sleep(0.3)
                codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

                # Which of them is the last depends on the machine.
                assert codes.count(35) == 1 and codes.count(0) == n - 1, (here, codes)
        """);

    [Fact]
    public void Open_files_of_one_process_that_wait_for_each_other_are_no_deadlock() => Python("""
        for here in [ONE, BARE]:
            a, b = opened(here), opened(here)
            ofd(a, fcntl.F_WRLCK, 0, 1)
            ofd(b, fcntl.F_WRLCK, 1, 1)
            got = []
            def waits(f, start):
                try:
                    fcntl.fcntl(f, 38, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, start, 1, 0)) # F_OFD_SETLKW
                    got.append(0)
                except OSError as e:
                    got.append(e.errno)
            threads = [threading.Thread(target=waits, args=(a, 1)), threading.Thread(target=waits, args=(b, 0))]
            for t in threads: t.start()
            time.sleep(0.3)
            assert not got, got
            ofd(a, fcntl.F_UNLCK, 0, 1)
            threads[1].join()
            ofd(b, fcntl.F_UNLCK, 1, 1)
            threads[0].join()
            assert got == [0, 0], got
            for f in [a, b]:
                ofd(f, fcntl.F_UNLCK, 0, 0)
                f.close()
        """);

    [Fact]
    public void One_who_then_only_reads_wakes_readers_who_wait() => Python("""
        for here in [ONE, BARE]:
            f = opened(here)
            for kind in KINDS:
                kind(f, EX)
                readers = [child(lambda: kind(opened(here), SH)) for _ in range(3)]
                time.sleep(0.2)
                assert all(os.waitpid(pid, os.WNOHANG)[0] == 0 for pid in readers)
                kind(f, SH)
                for pid in readers: ended(pid)
                kind(f, UN)
            f.close()
        """);

    [Fact]
    public void Ranges_and_holders_are_told_as_on_the_directory() => Python("""
        # F_GETLK by struct flock: type, whence, start, length, pid.
        layout = 'hhqqi4x'
        def asked(f, start, length):
            return struct.unpack(layout, fcntl.fcntl(f, fcntl.F_GETLK, struct.pack(layout, fcntl.F_WRLCK, 0, start, length, 0)))
        for here in [ONE, BARE]:
            f = opened(here)
            fcntl.lockf(f, EX, 10, 20)
            fcntl.lockf(f, SH, 0, 50)
            holder = os.getpid()
            def other():
                g = opened(ONE)
                assert asked(g, 0, 25)[:4] == (fcntl.F_WRLCK, 0, 20, 10), asked(g, 0, 25)
                assert asked(g, 30, 0)[:4] == (fcntl.F_RDLCK, 0, 50, 0), asked(g, 30, 0)
                assert asked(g, 30, 20)[0] == fcntl.F_UNLCK
                assert asked(g, 0, 25)[4] == holder, (here, asked(g, 0, 25), holder)
            ended(child(other))
            fcntl.lockf(f, UN, 5, 22)
            def rest():
                g = opened(ONE)
                assert asked(g, 0, 27)[:4] == (fcntl.F_WRLCK, 0, 20, 2), asked(g, 0, 27)
                assert asked(g, 22, 5)[0] == fcntl.F_UNLCK
                assert asked(g, 22, 10)[:4] == (fcntl.F_WRLCK, 0, 27, 3)
                assert asked(g, 22, 10)[4] == holder, (here, asked(g, 22, 10), holder)
            ended(child(rest))
            f.close()
        """);

    [Fact]
    public void Sqlite_stays_whole_with_writers_on_two_mounts_and_on_the_directory()
    {
        Require.Program("sqlite3");
        Python("""
            def sql(place, text):
                return subprocess.run(['sqlite3', os.path.join(place, 't.db')], input='.timeout 60000\n' + text,
                                      capture_output=True, text=True, check=True).stdout.strip()
            sql(BARE, 'create table t(w int, n int);')
            def writer(w):
                for n in range(25):
                    sql(PLACES[w % 3], 'begin immediate; insert into t select %d, coalesce(max(n), 0) + 1 from t; commit;' % w)
            for pid in [child(writer, w) for w in range(4)]: ended(pid)
            assert sql(TWO, 'pragma integrity_check;') == 'ok'
            assert sql(ONE, 'select count(*), count(distinct n), max(n) from t;') == '100|100|100'
            """);
    }

    private void Python(string script)
    {
        Require.Program("python3");
        ShellResult result = Shell.Run(
            "python3", ["-c", Helpers + "\n" + script], "/", 90,
            new Dictionary<string, string?>
            {
                ["ONE"] = _one.Path,
                ["TWO"] = _mountPoint.Path,
                ["BARE"] = _one.Source,
                ["SERVER"] = $"{_one.Mount.Pid}",
            });
        Assert.True(result.ExitCode == 0, result.All);
    }
}
