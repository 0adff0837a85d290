using System;
using System.IO;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>
/// The kernel's switch for FUSE over io_uring, as a test wants it, and back again. A mount that has begun keeps what it
/// has.
/// </summary>
internal sealed class UringSwitch : IDisposable
{
    public const string Path = "/sys/module/fuse/parameters/enable_uring";

    private readonly string _before;

    public UringSwitch(bool on)
    {
        Require.That(
            Require.IsRoot && File.Exists(Path), $"root and {Path} (Linux 6.14 or later with CONFIG_FUSE_IO_URING)");
        Require.That(
            !File.Exists("/proc/sys/kernel/io_uring_disabled")
                || File.ReadAllText("/proc/sys/kernel/io_uring_disabled").Trim() != "2",
            "io_uring (0 or 1 in /proc/sys/kernel/io_uring_disabled)");
        _before = File.ReadAllText(Path).Trim();
        Set(on ? "Y" : "N");
    }

    public void Dispose() => Set(_before);

    private static void Set(string value)
    {
        if (File.ReadAllText(Path).Trim() != value)
        {
            File.WriteAllText(Path, value);
        }
    }
}
