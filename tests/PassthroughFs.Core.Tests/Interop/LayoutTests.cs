using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using Xunit;
using C = PassthroughFs.Core.Interop.Constants;

namespace PassthroughFs.Core.Tests.Interop;

/// <summary>Structures and numbers against what this machine's C compiler says.</summary>
public sealed class LayoutTests
{
    [Fact]
    public void Structures_and_constants_are_those_of_C()
    {
        if (!File.Exists("/usr/bin/cc"))
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("PTFS_REQUIRE_ALL") != "1", "needs a C compiler (cc)");
            Assert.Fail("PTFS_REQUIRE_ALL=1, and there is no C compiler (cc).");
        }

        (string Expression, long Value)[] expected = [.. Structures(), .. Constants()];
        string[] actual = Compile(expected.Select(item => item.Expression));
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal($"{expected[i].Expression} = {expected[i].Value}", $"{expected[i].Expression} = {actual[i]}");
        }
    }

    private static IEnumerable<(string, long)> Structures()
    {
        yield return ("sizeof(struct statx)", Marshal.SizeOf<StatxBuffer>());
        foreach (string field in new[]
        {
            "stx_mask", "stx_blksize", "stx_attributes", "stx_nlink", "stx_uid", "stx_gid", "stx_mode", "stx_ino",
            "stx_size", "stx_blocks", "stx_attributes_mask", "stx_atime", "stx_btime", "stx_ctime", "stx_mtime",
            "stx_rdev_major", "stx_rdev_minor", "stx_dev_major", "stx_dev_minor", "stx_mnt_id",
        })
        {
            yield return ($"offsetof(struct statx, {field})", Offset<StatxBuffer>(field));
        }

        yield return ("sizeof(struct statfs)", Marshal.SizeOf<StatfsBuffer>());
        foreach (string field in new[]
        {
            "f_type", "f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_fsid", "f_namelen",
            "f_frsize", "f_flags",
        })
        {
            yield return ($"offsetof(struct statfs, {field})", Offset<StatfsBuffer>(field));
        }

        yield return ("sizeof(struct timespec)", Marshal.SizeOf<Timespec>());
        yield return ("sizeof(struct file_handle)", Offset<FileHandleBuffer>("f_handle"));
        yield return ("offsetof(struct file_handle, handle_type)", Offset<FileHandleBuffer>("handle_type"));
        yield return ("MAX_HANDLE_SZ", FileHandleBytes.MaxBytes);
        yield return ("offsetof(struct dirent64, d_name)", DirentHeader.NameOffset);
        yield return ("offsetof(struct dirent64, d_off)", Offset<DirentHeader>("d_off"));
        yield return ("offsetof(struct dirent64, d_reclen)", Offset<DirentHeader>("d_reclen"));
        yield return ("offsetof(struct dirent64, d_type)", Offset<DirentHeader>("d_type"));
        yield return ("sizeof(struct __user_cap_header_struct)", Marshal.SizeOf<CapabilityHeader>());
        yield return ("2 * sizeof(struct __user_cap_data_struct)", Marshal.SizeOf<CapabilityData>());
        yield return ("sizeof(struct iovec)", Marshal.SizeOf<IoSegment>());
        yield return ("offsetof(struct iovec, iov_len)", Offset<IoSegment>("Length"));
    }

    private static IEnumerable<(string, long)> Constants() =>
    [
        ("O_CREAT", Linux.O_CREAT), ("O_EXCL", Linux.O_EXCL), ("O_TRUNC", Linux.O_TRUNC), ("O_APPEND", Linux.O_APPEND),
        ("O_NONBLOCK", Linux.O_NONBLOCK), ("O_DSYNC", Linux.O_DSYNC), ("O_SYNC", Linux.O_SYNC),
        ("O_NOATIME", Linux.O_NOATIME),
        ("O_CLOEXEC", Linux.O_CLOEXEC), ("O_PATH", Linux.O_PATH), ("O_DIRECTORY", Linux.O_DIRECTORY),
        ("O_NOFOLLOW", Linux.O_NOFOLLOW), ("O_DIRECT", Linux.O_DIRECT), ("O_TMPFILE", Linux.O_TMPFILE),
        ("S_IFMT", Linux.S_IFMT), ("S_IFSOCK", Linux.S_IFSOCK), ("S_IFLNK", Linux.S_IFLNK), ("S_IFREG", Linux.S_IFREG),
        ("S_IFBLK", Linux.S_IFBLK), ("S_IFDIR", Linux.S_IFDIR), ("S_IFCHR", Linux.S_IFCHR), ("S_IFIFO", Linux.S_IFIFO),
        ("S_ISUID", Linux.S_ISUID), ("S_ISGID", Linux.S_ISGID), ("S_ISVTX", Linux.S_ISVTX), ("07777", Linux.ModeBits),
        ("RENAME_NOREPLACE", Linux.RENAME_NOREPLACE), ("RENAME_EXCHANGE", Linux.RENAME_EXCHANGE),
        ("RENAME_WHITEOUT", Linux.RENAME_WHITEOUT), ("FALLOC_FL_KEEP_SIZE", Linux.FALLOC_FL_KEEP_SIZE),
        ("FALLOC_FL_PUNCH_HOLE", Linux.FALLOC_FL_PUNCH_HOLE),
        ("FALLOC_FL_COLLAPSE_RANGE", Linux.FALLOC_FL_COLLAPSE_RANGE),
        ("FALLOC_FL_ZERO_RANGE", Linux.FALLOC_FL_ZERO_RANGE), ("FALLOC_FL_INSERT_RANGE", Linux.FALLOC_FL_INSERT_RANGE),
        ("SEEK_DATA", Linux.SEEK_DATA), ("SEEK_HOLE", Linux.SEEK_HOLE), ("XATTR_CREATE", Linux.XATTR_CREATE),
        ("XATTR_REPLACE", Linux.XATTR_REPLACE), ("R_OK", Linux.R_OK), ("W_OK", Linux.W_OK), ("X_OK", Linux.X_OK),
        ("NAME_MAX", Linux.NAME_MAX), ("PATH_MAX", Linux.PATH_MAX), ("XATTR_SIZE_MAX", Linux.XATTR_SIZE_MAX),
        ("XATTR_NAME_MAX", Linux.XATTR_NAME_MAX), ("XATTR_LIST_MAX", Linux.XATTR_LIST_MAX),
        ("AT_FDCWD", C.AT_FDCWD), ("AT_EMPTY_PATH", C.AT_EMPTY_PATH),
        ("AT_SYMLINK_NOFOLLOW", C.AT_SYMLINK_NOFOLLOW),
        ("AT_SYMLINK_FOLLOW", C.AT_SYMLINK_FOLLOW),
        ("AT_REMOVEDIR", C.AT_REMOVEDIR), ("AT_EACCESS", C.AT_EACCESS),
        ("STATX_BASIC_STATS", C.STATX_BASIC_STATS), ("STATX_BTIME", C.STATX_BTIME),
        ("STATX_MNT_ID", C.STATX_MNT_ID), ("STATX_NLINK", C.STATX_NLINK),
        ("STATX_ATTR_MOUNT_ROOT", (long)C.STATX_ATTR_MOUNT_ROOT),
        ("F_SETFL", C.F_SETFL), ("F_DUPFD_CLOEXEC", C.F_DUPFD_CLOEXEC),
        ("UTIME_NOW", C.UTIME_NOW), ("UTIME_OMIT", C.UTIME_OMIT),
        ("CAP_DAC_READ_SEARCH", C.CAP_DAC_READ_SEARCH), ("CAP_FSETID", C.CAP_FSETID),
        ("CAP_SETGID", C.CAP_SETGID), ("CAP_SETUID", C.CAP_SETUID),
        .. Enum.GetValues<Errno>().Where(errno => errno != Errno.OK).Select(errno => (errno.ToString(), (long)errno)),
    ];

    private static long Offset<T>(string field) => Marshal.OffsetOf<T>(field);

    private static string[] Compile(IEnumerable<string> expressions)
    {
        using var directory = new HostDirectory();
        var program = new StringBuilder(
            """
            #define _GNU_SOURCE
            #include <dirent.h>
            #include <errno.h>
            #include <fcntl.h>
            #include <linux/capability.h>
            #include <linux/falloc.h>
            #include <linux/limits.h>
            #include <stddef.h>
            #include <stdio.h>
            #include <sys/stat.h>
            #include <sys/statfs.h>
            #include <sys/uio.h>
            #include <sys/xattr.h>
            #include <unistd.h>
            int main(void) {

            """);
        foreach (string expression in expressions)
        {
            program.AppendLine($"    printf(\"%lld\\n\", (long long)({expression}));");
        }

        program.AppendLine("    return 0;\n}");
        string source = Path.Combine(directory.Path, "layout.c");
        string binary = Path.Combine(directory.Path, "layout");
        File.WriteAllText(source, program.ToString());
        Run("/usr/bin/cc", ["-w", "-o", binary, source]);
        return Run(binary, []).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string Run(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
        return output;
    }
}
