using System.Collections.Generic;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>How much of the host the daemon sees.</summary>
internal enum SandboxMode
{
    /// <summary>All of it.</summary>
    None,

    /// <summary>An empty directory is its root; it has the shared one by descriptor alone.</summary>
    Chroot,

    /// <summary>The same in mount, pid and network namespaces of its own.</summary>
    Namespace,
}

/// <summary>What the command line asked for.</summary>
internal sealed record DaemonOptions
{
    /// <summary>Where to listen; null with <see cref="Fd"/>.</summary>
    public string? SocketPath { get; init; }

    /// <summary>A listening socket that was inherited.</summary>
    public int? Fd { get; init; }

    public required string SharedDir { get; init; }

    /// <summary>How the file system behaves; its RootDir is set once the sandbox is known.</summary>
    public required PassthroughConfig Config { get; init; }

    /// <summary>Other names of extended attributes than in the directory; null for the same.</summary>
    public XattrMap? XattrMap { get; init; }

    /// <summary>How it is served.</summary>
    public required VhostUserServerOptions Server { get; init; }

    /// <summary>The limit of open files; null for as many as are allowed, 0 to leave it.</summary>
    public ulong? FileLimit { get; init; }

    public required SandboxMode Sandbox { get; init; }

    /// <summary>
    /// The users of the sandbox's user namespace, where an ordinary user starts the daemon; empty for that one.
    /// </summary>
    public IReadOnlyList<IdRange> UserMap { get; init; } = [];

    /// <summary>The groups; likewise.</summary>
    public IReadOnlyList<IdRange> GroupMap { get; init; } = [];

    public required SeccompMode Seccomp { get; init; }

    /// <summary>The capabilities that the daemon keeps in a sandbox.</summary>
    public required IReadOnlySet<int> Capabilities { get; init; }

    public required LogLevel LogLevel { get; init; }
}
