using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;
using PassthroughFs.Fuse;

namespace PassthroughFs.PtfsMount.Upgrade;

/// <summary>What a program says of itself to its successor before it stops.</summary>
internal sealed record Handover
{
    /// <summary>Its process.</summary>
    public required int Pid { get; init; }

    /// <summary>What it was called with.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>Whether mount(8) did.</summary>
    public required bool AsMountHelper { get; init; }

    /// <summary>What was given as source, for messages.</summary>
    public required string SourceName { get; init; }

    /// <summary>The directory that is served, or what stands for several.</summary>
    public required string Source { get; init; }

    public required uint SourceMode { get; init; }

    /// <summary>Where it is seen, without symbolic links.</summary>
    public required string MountPoint { get; init; }

    /// <summary>The number of the connection.</summary>
    public required uint? Connection { get; init; }

    /// <summary>Whether fusermount3 made the mount, and so removes it.</summary>
    public required bool ByHelper { get; init; }

    /// <summary>Whether fusermount3 waits for the end of a socket, which goes with the descriptors.</summary>
    public required bool HelperWaits { get; init; }

    /// <summary>The control socket's place.</summary>
    public required string Control { get; init; }

    /// <summary>The file in which handles outlive the mount, or null.</summary>
    public required string? ExportState { get; init; }

    /// <summary>The directories below the mount point by the number of their mount; empty for one.</summary>
    public required IReadOnlyList<IndexedSource> Mounts { get; init; }

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, HandoverJson.Default.Handover);

    /// <exception cref="FuseMountException">It is none.</exception>
    public static Handover Parse(byte[] text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, HandoverJson.Default.Handover) ?? throw new JsonException();
        }
        catch (JsonException)
        {
            throw new FuseMountException("what the running program says of itself is not understood");
        }
    }
}

/// <summary>A directory below the mount point, by the number of its mount.</summary>
internal sealed record IndexedSource(int Index, string Path, string Source);

[JsonSerializable(typeof(Handover))]
internal sealed partial class HandoverJson : JsonSerializerContext;
