using System;

namespace PassthroughFs.PtfsMount;

/// <summary>One of several directories under a mount point: where it is seen there, and what it is.</summary>
/// <param name="Path">Where, from the mount point on, as "/a".</param>
/// <param name="Source">The directory to serve.</param>
internal sealed record NamedSource(string Path, string Source)
{
    /// <summary>Understands "/PATH=SOURCE"; null if it is none.</summary>
    public static NamedSource? Parse(string text)
    {
        string[] parts = text.Split('=', 2);
        return parts is [['/', ..] path, { Length: > 0 } source] ? new NamedSource(Normalize(path), source) : null;
    }

    /// <summary>One spelling for each place; what is no place is found out by the library.</summary>
    public static string Normalize(string path) =>
        "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));

    public override string ToString() => $"{Path}={Source}";
}
