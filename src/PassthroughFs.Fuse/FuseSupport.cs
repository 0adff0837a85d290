using System;
using System.Collections.Generic;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>What this machine lets a process mount, found by <see cref="FuseMount.CheckSupport"/>.</summary>
/// <param name="CanMount">Whether a mount can be tried: the device is there, and a way to mount.</param>
/// <param name="IsRoot">Whether mount(2) is used; others mount by fusermount3.</param>
/// <param name="HasIoUring">Whether the kernel's FUSE over io_uring is switched on.</param>
/// <param name="HasPassthrough">Whether the kernel is new enough for backing files (Linux 6.9), which root alone may open.
/// </param>
/// <param name="Missing">What is missing and what to do about it, a sentence each; empty if nothing is.</param>
public sealed record FuseSupport(
    bool CanMount, bool IsRoot, bool HasIoUring, bool HasPassthrough, IReadOnlyList<string> Missing)
{
    private const string RingSwitch = "/sys/module/fuse/parameters/enable_uring";

    internal static FuseSupport Find()
    {
        var missing = new List<string>();
        bool isRoot = Libc.geteuid() == 0;
        int fd = Libc.Open("/dev/fuse", Libc.O_RDWR | Libc.O_CLOEXEC, out Errno error);
        bool hasDevice = error == Errno.OK;
        if (hasDevice)
        {
            _ = Libc.close(fd);
        }
        else
        {
            missing.Add(KernelMount.NoDevice(error).Message);
        }

        bool hasWay = isRoot || HasHelper();
        if (!hasWay)
        {
            missing.Add("an ordinary user mounts through fusermount3, which is not installed: install fuse3, or run as root");
        }

        bool hasRing = ReadSwitch() == "Y";
        if (!hasRing)
        {
            missing.Add($"FUSE over io_uring is not switched on: it needs Linux 6.14 and Y in {RingSwitch}");
        }

        bool hasPassthrough = isRoot && Environment.OSVersion.Version >= new Version(6, 9);
        if (!hasPassthrough)
        {
            missing.Add("files that the kernel reads and writes by itself need Linux 6.9 and root");
        }

        return new FuseSupport(hasDevice && hasWay, isRoot, hasRing, hasPassthrough, missing);
    }

    private static bool HasHelper()
    {
        foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':'))
        {
            if (directory.Length > 0 && File.Exists(Path.Combine(directory, "fusermount3")))
            {
                return true;
            }
        }

        return false;
    }

    private static string? ReadSwitch()
    {
        try
        {
            return File.ReadAllText(RingSwitch).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
