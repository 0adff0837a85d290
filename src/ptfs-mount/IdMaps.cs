using System;
using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Vfs;
using PassthroughFs.Fuse;

namespace PassthroughFs.PtfsMount;

/// <summary>What --uid-map or --gid-map says: a map for all directories, and others for some.</summary>
internal sealed class IdMaps
{
    private readonly Dictionary<string, IdMap> _byPath = new(StringComparer.Ordinal);
    private IdMap? _common;

    /// <summary>Whether nothing is mapped.</summary>
    public bool IsEmpty => _common is null && _byPath.Count == 0;

    /// <summary>Whether some directory has a map of its own.</summary>
    public bool HasPaths => _byPath.Count > 0;

    /// <summary>The map for a directory; null for none.</summary>
    public IdMap? For(string path) => _byPath.GetValueOrDefault(path) ?? _common;

    /// <summary>Understands "CLIENT:HOST:COUNT,…", with "/PATH=" before it for one directory.</summary>
    public static IdMaps Parse(string option, IEnumerable<string> values)
    {
        var maps = new IdMaps();
        foreach (string value in values)
        {
            int equals = value.StartsWith('/') ? value.LastIndexOf('=') : -1;
            if (!IdMap.TryParse(value[(equals + 1)..], out IdMap? map, out string? fault))
            {
                throw new FuseMountException($"{option} {value}: {fault}", FuseMountFault.Usage);
            }

            if (equals < 0)
            {
                maps._common = map;
            }
            else
            {
                maps._byPath[NamedSource.Normalize(value[..equals])] = map;
            }
        }

        return maps;
    }

    public override string ToString() => string.Join(
        ' ', _byPath.Select(pair => $"{pair.Key}={pair.Value}").Prepend(_common?.ToString() ?? ""));
}
