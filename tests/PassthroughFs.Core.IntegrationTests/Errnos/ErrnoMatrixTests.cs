using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;
using static PassthroughFs.Core.Api.Linux;
using static PassthroughFs.Core.IntegrationTests.Posix.Octal;

namespace PassthroughFs.Core.IntegrationTests.Errnos;

/// <summary>The usual misuses of each operation: the errno is the bare directory's, and what it should be.</summary>
public sealed class ErrnoMatrixTests(WayPool ways)
{
    private static readonly string Long = new('n', 256);

    private delegate Errno Misuse(IPosix p);

    private static IEnumerable<(string Name, Errno? Expected, Misuse Call)> Cases()
    {
        // Names that lead nowhere, through a file, or are too long: the same for every operation that takes a path.
        (string Name, System.Func<IPosix, PosixPath, Errno> Call)[] onExisting =
        [
            ("open", (p, at) => p.Open(at, O_RDONLY, 0, out _)),
            ("open for writing", (p, at) => p.Open(at, O_WRONLY | O_TRUNC, 0, out _)),
            ("stat", (p, at) => p.LStat(at, out _)),
            ("unlink", (p, at) => p.Unlink(at)),
            ("rmdir", (p, at) => p.Rmdir(at)),
            ("rename from", (p, at) => p.Rename(at, "new", 0)),
            ("link from", (p, at) => p.Link(at, "new")),
            ("readlink", (p, at) => p.ReadLink(at, out _)),
            ("chmod", (p, at) => p.Chmod(at, O(600))),
            ("chown", (p, at) => p.Chown(at, 1, 1)),
            ("utimens", (p, at) => p.SetTimes(at, new PosixTime(1, 1), new PosixTime(1, 1))),
            ("truncate", (p, at) => p.Truncate(at, 0)),
            ("access", (p, at) => p.Access(at, F_OK)),
            ("setxattr", (p, at) => p.SetXattr(at, "user.a", "v"u8, 0)),
            ("getxattr", (p, at) => p.GetXattr(at, "user.a", new byte[9], out _)),
            ("listxattr", (p, at) => p.ListXattr(at, new byte[9], out _)),
            ("removexattr", (p, at) => p.RemoveXattr(at, "user.a")),
            ("statfs", (p, at) => p.StatFs(at, out _)),
        ];
        (string Name, System.Func<IPosix, PosixPath, Errno> Call)[] onNew =
        [
            ("create", (p, at) => p.Open(at, O_CREAT | O_EXCL | O_RDWR, O(644), out _)),
            ("mkdir", (p, at) => p.Mkdir(at, O(755))),
            ("mknod", (p, at) => p.Mknod(at, S_IFIFO | O(644), 0)),
            ("symlink", (p, at) => p.Symlink("target", at)),
            ("link to", (p, at) => p.Link("file", at)),
            ("rename to", (p, at) => p.Rename("file", at, RENAME_NOREPLACE)),
        ];
        foreach ((string name, System.Func<IPosix, PosixPath, Errno> call) in onExisting)
        {
            yield return ($"{name}: missing", Errno.ENOENT, p => call(p, "missing"));
        }

        foreach ((string name, System.Func<IPosix, PosixPath, Errno> call) in onNew)
        {
            foreach (string there in new[] { "file", "dir", "full", "link", "dangling", "fifo" })
            {
                // Renaming something onto itself is no conflict of its own.
                if (name != "rename to" || there != "file")
                {
                    yield return ($"{name}: {there} exists", Errno.EEXIST, p => call(p, there));
                }
            }
        }

        foreach ((string name, System.Func<IPosix, PosixPath, Errno> call) in onExisting.Concat(onNew))
        {
            yield return ($"{name}: in missing", Errno.ENOENT, p => call(p, "missing/x"));
            yield return ($"{name}: below a file", Errno.ENOTDIR, p => call(p, "file/x"));
            yield return ($"{name}: below a loop", Errno.ELOOP, p => call(p, "loop/x"));
            yield return ($"{name}: below a dangling link", Errno.ENOENT, p => call(p, "dangling/x"));
            yield return ($"{name}: long name", Errno.ENAMETOOLONG, p => call(p, Long));
        }

        foreach ((string, Errno?, Misuse) one in SingleCases())
        {
            yield return one;
        }
    }

    /// <summary>An expectation of null is left to the host, whose file systems differ there.</summary>
    private static IEnumerable<(string Name, Errno? Expected, Misuse Call)> SingleCases()
    {
        yield return ("rmdir: full", Errno.ENOTEMPTY, p => p.Rmdir("full"));
        yield return ("rmdir: a file", Errno.ENOTDIR, p => p.Rmdir("file"));
        yield return ("rmdir: a link to a directory", Errno.ENOTDIR, p => p.Rmdir("link"));
        yield return ("unlink: a directory", Errno.EISDIR, p => p.Unlink("dir"));
        yield return ("rename: a directory over a file", Errno.ENOTDIR, p => p.Rename("dir", "file", 0));
        yield return ("rename: a file over a directory", Errno.EISDIR, p => p.Rename("file", "dir", 0));
        yield return ("rename: over a full directory", Errno.ENOTEMPTY, p => p.Rename("dir", "full", 0));
        yield return ("rename: into itself", Errno.EINVAL, p => p.Rename("full", "full/inside2", 0));
        yield return ("rename: exchange with below", Errno.EINVAL, p => p.Rename("full", "full/inside", 2));
        yield return ("rename: exchange with missing", Errno.ENOENT, p => p.Rename("file", "missing", RENAME_EXCHANGE));
        yield return ("rename: unknown flag", Errno.EINVAL, p => p.Rename("file", "new", 0x40));
        yield return ("link: a directory", Errno.EPERM, p => p.Link("dir", "new"));
        yield return ("readlink: a file", Errno.EINVAL, p => p.ReadLink("file", out _));
        yield return ("readlink: a directory", Errno.EINVAL, p => p.ReadLink("dir", out _));
        yield return ("open: a directory for writing", Errno.EISDIR, p => p.Open("dir", O_RDWR, 0, out _));
        yield return ("open: a loop", Errno.ELOOP, p => p.Open("loop", O_RDONLY, 0, out _));
        yield return ("open: a file as directory", Errno.ENOTDIR, p => p.Open("file", O_DIRECTORY, 0, out _));
        yield return ("open: link, O_NOFOLLOW", Errno.ELOOP, p => p.Open("link", O_NOFOLLOW, 0, out _));
        yield return ("truncate: a directory", Errno.EISDIR, p => p.Truncate("dir", 0));
        yield return ("truncate: negative", Errno.EINVAL, p => p.Truncate("file", -1));
        yield return ("truncate: too large", null, p => p.Truncate("file", long.MaxValue));
        yield return ("symlink: empty target", Errno.ENOENT, p => p.Symlink("", "new"));
        yield return ("symlink: long target", Errno.ENAMETOOLONG, p => p.Symlink(new string('t', 4096), "new"));
        yield return ("mknod: a directory", Errno.EPERM, p => p.Mknod("new", S_IFDIR | O(755), 0));
        yield return ("getxattr: none such", Errno.ENODATA, p => p.GetXattr("file", "user.a", new byte[9], out _));
        yield return ("removexattr: none such", Errno.ENODATA, p => p.RemoveXattr("file", "user.a"));
        yield return ("getxattr: too small", Errno.ERANGE, p => p.GetXattr("file", "user.there", new byte[2], out _));
        yield return ("listxattr: too small", Errno.ERANGE, p => p.ListXattr("file", new byte[2], out _));
        yield return ("setxattr: create", Errno.EEXIST, p => p.SetXattr("file", "user.there", "v"u8, XATTR_CREATE));
        yield return ("setxattr: replace", Errno.ENODATA, p => p.SetXattr("file", "user.a", "v"u8, XATTR_REPLACE));
        yield return ("setxattr: on a FIFO", Errno.EPERM, p => p.SetXattr("fifo", "user.a", "v"u8, 0));
        yield return ("setxattr: unknown namespace", Errno.EOPNOTSUPP, p => p.SetXattr("file", "odd.a", "v"u8, 0));
        yield return ("setxattr: too large", Errno.E2BIG, p => p.SetXattr("file", "user.b", new byte[65537], 0));
        yield return ("read: a directory", Errno.EISDIR, p => p.Read(p.MustOpen("dir", 0), new byte[9], out _));
        yield return ("getdents: a file", Errno.ENOTDIR, p => p.ReadDir(p.MustOpen("file", 0), 999, out _));
        yield return ("read: closed", Errno.EBADF, p => p.Read(9999, new byte[9], out _));
        yield return ("write: closed", Errno.EBADF, p => p.Write(9999, new byte[9], out _));
        yield return ("seek: data past the end", null, p => p.LSeek(p.MustOpen("file", 0), 99, SEEK_DATA, out _));
        yield return ("seek: hole past the end", null, p => p.LSeek(p.MustOpen("file", 0), 99, SEEK_HOLE, out _));
        yield return ("seek: data before the start", Errno.ENXIO, p =>
            p.LSeek(p.MustOpen("file", 0), -1, SEEK_DATA, out _));
        yield return ("seek: hole before the start", Errno.ENXIO, p =>
            p.LSeek(p.MustOpen("file", 0), long.MinValue, SEEK_HOLE, out _));
        yield return ("fallocate: no length", Errno.EINVAL, p => p.FAllocate(p.MustOpen("file", O_RDWR), 0, 0, 0));
        yield return ("fallocate: punch without keep", Errno.EOPNOTSUPP, p =>
            p.FAllocate(p.MustOpen("file", O_RDWR), 2, 0, 9));
        yield return ("fallocate: too large", Errno.EFBIG, p =>
            p.FAllocate(p.MustOpen("file", O_RDWR), 0, 1, long.MaxValue));
    }

    [Theory, EveryWay]
    public void Every_misuse_has_the_errno_of_the_bare_directory(string way)
    {
        using Scene bare = ways.OpenBareLike(way);
        using Scene s = ways.Open(way);
        Prepare(bare.P);
        Prepare(s.P);
        var wrong = new List<string>();
        foreach ((string name, Errno? expected, Misuse call) in Cases())
        {
            (Errno onBare, Errno onWay) = (call(bare.P), call(s.P));
            if (onWay != onBare || onBare != (expected ?? onBare))
            {
                string due = expected?.ToString() ?? "the host's";
                wrong.Add($"{name}: {due} is due, the bare directory gives {onBare}, this way {onWay}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(bare.P.Names(""), s.P.Names(""));
    }

    [Theory, EveryWay(KernelOnly = true)]
    public void Linking_and_renaming_to_another_file_system_is_EXDEV(string way)
    {
        using Scene s = ways.Open(way);
        using Scene other = ways.Open(s.Way.Name == "bare tmpfs" ? "bare disk" : "bare tmpfs");
        s.P.WriteFile("f", "x"u8);
        string outside = System.IO.Path.GetRelativePath(s.Path, other.Path);
        s.P.Rename("f", outside + "/f", 0).Is(Errno.EXDEV);
        s.P.Link("f", outside + "/f").Is(Errno.EXDEV);
        Assert.Empty(other.P.Names(""));
    }

    private static void Prepare(IPosix p)
    {
        p.WriteFile("file", "content"u8);
        p.SetXattr("file", "user.there", "value"u8, 0).IsOk();
        p.Mkdir("dir", O(755)).IsOk();
        p.Mkdir("full", O(755)).IsOk();
        p.WriteFile("full/inside", "x"u8);
        p.Symlink("dir", "link").IsOk();
        p.Symlink("nowhere", "dangling").IsOk();
        p.Symlink("loop", "loop").IsOk();
        p.Mknod("fifo", S_IFIFO | O(644), 0).IsOk();
    }
}
