using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using PassthroughFs.Fuse;

namespace PassthroughFs.Shared;

/// <summary>What /proc/self/mountinfo says; no mount is touched, as a dead one would hang or fail.</summary>
internal static class MountTable
{
    /// <param name="Path">Where it is mounted.</param>
    /// <param name="Type">As in "ext4", "fuse.ptfs".</param>
    /// <param name="Source">What the mounting program called its source.</param>
    /// <param name="Minor">The device's minor number: for FUSE, the number of the connection.</param>
    /// <param name="Options">The options of the mount, such as "nosuid".</param>
    /// <param name="FileSystemOptions">Those of the file system, such as "allow_other".</param>
    public sealed record Entry(
        string Path, string Type, string Source, uint Minor, IReadOnlyList<string> Options,
        IReadOnlyList<string> FileSystemOptions)
    {
        public bool IsFuse => Type == "fuse" || Type.StartsWith("fuse.", StringComparison.Ordinal);
    }

    /// <summary>All mounts, a mount before those on it.</summary>
    public static IReadOnlyList<Entry> All()
    {
        var found = new List<Entry>();
        foreach (string line in ReadLines())
        {
            if (Parse(line) is { } entry)
            {
                found.Add(entry);
            }
        }

        return found;
    }

    /// <summary>What is mounted at a path, the topmost last.</summary>
    public static IReadOnlyList<Entry> At(string path) => [.. All().Where(entry => entry.Path == path)];

    // "36 35 0:98 / /mnt rw,noatime shared:1 - fuse.ptfs source options": optional fields end at the dash.
    internal static Entry? Parse(string line)
    {
        string[] fields = line.Split(' ');
        int dash = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        if (dash < 0 || dash + 2 >= fields.Length)
        {
            return null;
        }

        int colon = fields[2].IndexOf(':', StringComparison.Ordinal);
        ReadOnlySpan<char> number = fields[2].AsSpan(colon + 1);
        return uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out uint minor)
            ? new Entry(
                Unescape(fields[4]), fields[dash + 1], Unescape(fields[dash + 2]), minor, fields[5].Split(','),
                dash + 3 < fields.Length ? fields[dash + 3].Split(',') : [])
            : null;
    }

    private static string[] ReadLines()
    {
        try
        {
            return File.ReadAllLines("/proc/self/mountinfo");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FuseMountException("cannot read /proc/self/mountinfo: mount /proc (mount -t proc proc /proc)", FuseMountFault.System);
        }
    }

    // The kernel writes space, tab, newline and backslash as a backslash and three octal digits.
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var text = new StringBuilder(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length)
            {
                text.Append((char)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }
}
