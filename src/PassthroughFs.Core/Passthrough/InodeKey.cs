namespace PassthroughFs.Core.Passthrough;

/// <summary>By what the host tells inodes apart while they live.</summary>
/// <param name="Ino">The host's <c>st_ino</c>.</param>
/// <param name="Dev">The host's <c>st_dev</c>.</param>
/// <param name="Mnt">The mount's id where mounts count (<see cref="PassthroughConfig.EnableMntid"/>), otherwise
/// 0.</param>
public readonly record struct InodeKey(ulong Ino, ulong Dev, ulong Mnt);
