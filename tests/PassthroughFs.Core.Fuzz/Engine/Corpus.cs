using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Sessions of real clients, recorded on a mount.</summary>
internal static class Corpus
{
    public static IEnumerable<Tape> Read()
    {
        string directory = Path.Combine(AppContext.BaseDirectory, "Corpus");
        return Directory.Exists(directory)
            ? Directory.EnumerateFiles(directory, "*.tape").Order(StringComparer.Ordinal).Select(TapeFile.Read)
            : [];
    }
}
