using System;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>How a tree is reached.</summary>
public enum WayKind
{
    /// <summary>The host's directory itself: what everything is measured against.</summary>
    Bare,

    /// <summary>Request bytes to the library in this process.</summary>
    InProcess,

    /// <summary>The kernel's FUSE client and the mount program.</summary>
    Mount,

    /// <summary>Request bytes through the queues of the vhost-user daemon.</summary>
    Vhost,
}

/// <summary>One way in: what kind, over which file system, with which options.</summary>
public sealed record Way(string Name, WayKind Kind, Backing Backing)
{
    /// <summary>Options of the mount program, or the daemon.</summary>
    public string[] Options { get; init; } = [];

    /// <summary>The same for the library in this process.</summary>
    public Action<PassthroughConfig>? Configure { get; init; }

    /// <summary>Where in a Vfs the directory is, as "x/in"; null for no Vfs.</summary>
    public string? Inside { get; init; }

    /// <summary>Every way that the suite runs over.</summary>
    public static Way[] All { get; } =
    [
        new("bare disk", WayKind.Bare, Backing.Disk),
        new("bare tmpfs", WayKind.Bare, Backing.Tmpfs),
        new("in process, disk", WayKind.InProcess, Backing.Disk) { Configure = c => c.Xattr = true },
        new("in process, tmpfs, kernel handles, killpriv", WayKind.InProcess, Backing.Tmpfs)
        {
            Configure = c =>
            {
                c.Xattr = true;
                c.InodeFileHandles = InodeFileHandles.Prefer;
                c.KillprivV2 = true;
                c.UseHostIno = true;
            },
        },
        new("in process, disk, no open", WayKind.InProcess, Backing.Disk)
        {
            Configure = c =>
            {
                c.Xattr = true;
                c.CachePolicy = CachePolicy.Always;
                c.NoOpen = true;
                c.NoOpendir = true;
            },
        },
        new("in process, disk, in a Vfs", WayKind.InProcess, Backing.Disk)
        {
            Configure = c => c.Xattr = true,
            Inside = "x/in",
        },
        new("in process, disk, alone in a Vfs", WayKind.InProcess, Backing.Disk)
        {
            Configure = c => c.Xattr = true,
            Inside = "",
        },
        new("mount, disk", WayKind.Mount, Backing.Disk) { Options = ["--cache", "auto"] },
        new("mount, tmpfs, kernel handles", WayKind.Mount, Backing.Tmpfs)
        {
            Options = ["--cache", "metadata", "--inode-file-handles", "prefer", "--use-host-ino"],
        },
        new("mount, disk, writeback", WayKind.Mount, Backing.Disk)
        {
            Options = ["--cache", "always", "--writeback", "--killpriv-v2"],
        },
        new("mount, disk, no open", WayKind.Mount, Backing.Disk)
        {
            Options = ["--cache", "always", "--no-open", "--no-opendir"],
        },
        new("mount, disk, no cache", WayKind.Mount, Backing.Disk)
        {
            Options = ["--cache", "never", "--entry-timeout", "0", "--attr-timeout", "0", "--killpriv-v2"],
        },
        new("mount, disk, passthrough", WayKind.Mount, Backing.Disk)
        {
            Options = ["--passthrough", "--cache", "auto", "--killpriv-v2"],
        },
        new("mount, tmpfs, passthrough, kernel handles", WayKind.Mount, Backing.Tmpfs)
        {
            Options =
            [
                "--passthrough", "--cache", "always", "--inode-file-handles", "prefer", "--entry-timeout", "3600",
                "--attr-timeout", "3600",
            ],
        },
        new("mount, disk, io_uring", WayKind.Mount, Backing.Disk) { Options = ["--io-uring", "--cache", "auto"] },
        new("mount, tmpfs, io_uring, passthrough", WayKind.Mount, Backing.Tmpfs)
        {
            Options = ["--io-uring", "--passthrough", "--cache", "metadata"],
        },
        new("mount, disk, in a Vfs", WayKind.Mount, Backing.Disk)
        {
            Options = ["--cache", "auto", "--killpriv-v2", "--uid-map", "0:0:4294967295"],
            Inside = "x/in",
        },
        new("mount, tmpfs, in a Vfs, passthrough, kernel handles", WayKind.Mount, Backing.Tmpfs)
        {
            Options = ["--passthrough", "--cache", "always", "--inode-file-handles", "prefer"],
            Inside = "in",
        },
        new("vhost, disk", WayKind.Vhost, Backing.Disk) { Options = ["--allow-direct-io"] },
        new("vhost, tmpfs, kernel handles, killpriv", WayKind.Vhost, Backing.Tmpfs)
        {
            Options =
            [
                "--allow-direct-io", "--inode-file-handles", "prefer", "--killpriv-v2", "--cache", "never",
                "--thread-pool-size", "3",
            ],
        },
        new("vhost, disk, changed root", WayKind.Vhost, Backing.Disk)
        {
            Options = ["--allow-direct-io", "--sandbox", "chroot", "--modcaps", "+sys_admin"],
        },
        new("vhost, tmpfs, namespaces", WayKind.Vhost, Backing.Tmpfs)
        {
            // The suite sets trusted attributes, too.
            Options = ["--allow-direct-io", "--sandbox", "namespace", "--modcaps", "+sys_admin"],
        },
    ];
}
