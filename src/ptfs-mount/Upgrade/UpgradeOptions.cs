using Microsoft.Extensions.Logging;

namespace PassthroughFs.PtfsMount.Upgrade;

/// <summary>What the command line says with --upgrade. All else is as the running program was told.</summary>
/// <param name="MountPoint">Which mount.</param>
/// <param name="Control">Where its control socket is, or null for the mount point's own place.</param>
/// <param name="Background">Whether to go to the background.</param>
/// <param name="LogLevel">What is logged; null for as it was.</param>
internal sealed record UpgradeOptions(string MountPoint, string? Control, bool Background, LogLevel? LogLevel);
