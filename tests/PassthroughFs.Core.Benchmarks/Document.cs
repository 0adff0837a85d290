using System;
using System.IO;

namespace PassthroughFs.Core.Benchmarks;

/// <summary>Puts figures into a page, between two marks that name them.</summary>
internal static class Document
{
    public static void Replace(string file, string name, string text)
    {
        string begin = $"<!-- {name}: begin -->\n";
        string end = $"<!-- {name}: end -->";
        string page = File.ReadAllText(file);
        int from = page.IndexOf(begin, StringComparison.Ordinal);
        int to = page.IndexOf(end, StringComparison.Ordinal);
        if (from < 0 || to < from)
        {
            throw new UsageException(
                $"{file} has no place for this: put the lines {begin.TrimEnd()} and {end} into it.");
        }

        File.WriteAllText(file, page[..(from + begin.Length)] + text + page[to..]);
    }
}
