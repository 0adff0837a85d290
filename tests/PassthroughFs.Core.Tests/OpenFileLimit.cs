using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>Lowers the soft RLIMIT_NOFILE of this process until it is disposed.</summary>
internal sealed unsafe class OpenFileLimit : IDisposable
{
    private const int RLIMIT_NOFILE = 7;

    private readonly ulong _hard;
    private readonly ulong _soft;

    public OpenFileLimit(ulong limit)
    {
        // Sound: the buffer holds a struct rlimit, and lives until the call returns.
        ulong* limits = stackalloc ulong[2];
        Assert.Equal(0, getrlimit(RLIMIT_NOFILE, limits));
        (_soft, _hard) = (limits[0], limits[1]);
        Set(Math.Min(limit, _soft));
    }

    /// <summary>A limit that leaves room for a number of descriptors and no more.</summary>
    public static OpenFileLimit LeaveFree(int count)
    {
        int[] used = [.. Directory.GetFileSystemEntries("/proc/self/fd")
            .Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture))
            .Where(fd => Path.Exists($"/proc/self/fd/{fd}"))];
        int limit = 0;
        for (int free = 0; free < count; limit++)
        {
            free += used.Contains(limit) ? 0 : 1;
        }

        return new OpenFileLimit((ulong)limit);
    }

    public void Dispose() => Set(_soft);

    private void Set(ulong soft)
    {
        ulong* limits = stackalloc ulong[2] { soft, _hard };
        Assert.Equal(0, setrlimit(RLIMIT_NOFILE, limits));
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int getrlimit(int resource, ulong* limits);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int setrlimit(int resource, ulong* limits);
}
