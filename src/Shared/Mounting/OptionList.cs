using System;
using System.Collections.Generic;
using System.Text;

namespace PassthroughFs.Shared;

/// <summary>The "a,b=c" of -o.</summary>
internal static class OptionList
{
    /// <summary>The items of a list; a backslash takes the meaning from a comma or a backslash.</summary>
    public static IEnumerable<string> Split(string list)
    {
        var item = new StringBuilder();
        for (int i = 0; i < list.Length; i++)
        {
            if (list[i] == ',')
            {
                if (item.Length > 0)
                {
                    yield return item.ToString();
                }

                item.Clear();
                continue;
            }

            if (list[i] == '\\' && i + 1 < list.Length)
            {
                i++;
            }

            item.Append(list[i]);
        }

        if (item.Length > 0)
        {
            yield return item.ToString();
        }
    }

    /// <summary>A value as <see cref="Split"/>, and that of other programs, gives it back in one piece.</summary>
    public static string Escape(string value) => value
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace(",", "\\,", StringComparison.Ordinal);
}
