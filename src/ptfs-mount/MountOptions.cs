using System;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.Fuse;

namespace PassthroughFs.PtfsMount;

/// <summary>What the command line asked for.</summary>
internal sealed record MountOptions
{
    /// <summary>What mount tables show behind "fuse.".</summary>
    public const string Subtype = "ptfs";

    /// <summary>The directory, or for several what is said of them.</summary>
    public required string Source { get; init; }

    /// <summary>Several directories instead of one; empty for one.</summary>
    public IReadOnlyList<NamedSource> Mounts { get; init; } = [];

    /// <summary>Where the control socket shall be; null for the mount point's own place.</summary>
    public string? Control { get; init; }

    public IdMaps UserMaps { get; init; } = new();

    /// <summary>Other names of extended attributes than in the source; null for the same.</summary>
    public XattrMap? XattrMap { get; init; }

    public IdMaps GroupMaps { get; init; } = new();

    public UnmappedIds UnmappedIds { get; init; }

    public required string MountPoint { get; init; }

    /// <summary>How the file system behaves; its RootDir is set once the source has been resolved.</summary>
    public required PassthroughConfig Config { get; init; }

    /// <summary>The kernel's mount flags, see <see cref="Shared.MountFlags"/>.</summary>
    public required nuint Flags { get; init; }

    public bool AllowOther { get; init; }

    public bool DefaultPermissions { get; init; }

    public bool AutoUnmount { get; init; }

    /// <summary>What mount tables show as the source; null for the source itself.</summary>
    public string? FsName { get; init; }

    /// <summary>The file in which handles outlive the mount, or null.</summary>
    public string? ExportState { get; init; }

    public required int Threads { get; init; }

    /// <summary>How many threads more serve when as many hang.</summary>
    public required int StandbyThreads { get; init; }

    /// <summary>After how long a request that hangs is logged; 0 for never.</summary>
    public required TimeSpan HangWarning { get; init; }

    /// <summary>How long the end waits for requests that are under way.</summary>
    public required TimeSpan EndTimeout { get; init; }

    /// <summary>Requests over io_uring, where the kernel can.</summary>
    public bool IoUring { get; init; }

    public required int MaxWrite { get; init; }

    public required LogLevel LogLevel { get; init; }

    public bool Background { get; init; }

    /// <summary>Check everything, mount nothing.</summary>
    public bool Fake { get; init; }

    /// <summary>What of this is about the mount.</summary>
    /// <param name="source">What is served, for mount tables.</param>
    public FuseMountOptions ToFuse(string source) => new()
    {
        FsName = FsName ?? source,
        Subtype = Subtype,
        Flags = (FuseMountFlags)Flags,
        AllowOther = AllowOther,
        DefaultPermissions = DefaultPermissions,
        AutoUnmount = AutoUnmount,
        Threads = Threads,
        StandbyThreads = StandbyThreads,
        MaxWrite = MaxWrite,
        IoUring = IoUring,
        HangWarning = HangWarning,
        EndTimeout = EndTimeout,
    };
}
