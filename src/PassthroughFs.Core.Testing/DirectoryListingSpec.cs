using System;
using System.Collections.Generic;
using System.Linq;
using FsCheck;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Testing;

/// <summary>What happens while a directory is listed.</summary>
public enum DirectoryListingStep
{
    /// <summary>The next piece is asked for.</summary>
    Page,

    /// <summary>The client goes back to an entry it was given before.</summary>
    GoBack,

    /// <summary>Some new names come.</summary>
    Add,

    /// <summary>A name goes.</summary>
    Remove,
}

/// <summary>
/// Lists a directory in pieces: what was there throughout is reported exactly once, whatever comes and goes and
/// wherever the client stops and goes on; nothing is reported that never was; and each node has as many lookups as it
/// was delivered times.
/// </summary>
public static class DirectoryListingSpec
{
    /// <summary>Sequences for <see cref="Check"/>.</summary>
    public static Arbitrary<Step<DirectoryListingStep>[]> Sequences => Steps.Of(
        (8, DirectoryListingStep.Page), (1, DirectoryListingStep.GoBack), (2, DirectoryListingStep.Add),
        (2, DirectoryListingStep.Remove));

    /// <summary>Asks for one piece of a listing.</summary>
    /// <param name="offset">0, or the cookie of an entry.</param>
    /// <param name="room">How much room there is: up to <see cref="Steps.MaxNumber"/> in a unit of the
    /// caller's.</param>
    /// <param name="items">What was delivered.</param>
    public delegate Errno ReadPage(ulong offset, int room, out IReadOnlyList<DirectoryList.Item> items);

    /// <summary>Runs a sequence; returns what was wrong, or null. Every node is forgotten at the end.</summary>
    /// <param name="fileSystem">A file system whose root is empty, to change it by.</param>
    /// <param name="options">What else is known of it.</param>
    /// <param name="read">Reads a piece of its root. EINVAL if not one entry fits into the room is a good
    /// answer.</param>
    /// <param name="steps">The sequence.</param>
    public static string? Check(
        IFileSystem fileSystem, FileSystemSpecOptions options, ReadPage read,
        IReadOnlyList<Step<DirectoryListingStep>> steps)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(read);
        ArgumentNullException.ThrowIfNull(steps);
        var run = new Run(fileSystem, options, read);
        run.Add(steps.Count == 0 ? 0 : steps[0].B);
        run.Begin();
        foreach (Step<DirectoryListingStep> step in steps)
        {
            string? fault = run.Do(step);
            if (fault is not null)
            {
                return $"{step}: {fault}";
            }
        }

        return run.End();
    }

    private sealed class Run(IFileSystem fs, FileSystemSpecOptions options, ReadPage read)
    {
        private readonly HashSet<string> _names = [];
        private readonly HashSet<string> _touched = [];
        private readonly List<DirectoryList.Item> _seen = [];
        private readonly Dictionary<NodeId, ulong> _lookups = [];
        private HashSet<string> _before = [];
        private int _next;

        public string? Do(Step<DirectoryListingStep> step)
        {
            switch (step.Kind)
            {
                case DirectoryListingStep.Add:
                    Add(1 + (step.A % 4));
                    return null;
                case DirectoryListingStep.Remove when _names.Count > 0:
                    string name = _names.ElementAt(step.A % _names.Count);
                    _names.Remove(name);
                    _touched.Add(name);
                    Errno removed = fs.Unlink(options.Context, NodeId.Root, name);
                    return removed == Errno.OK ? null : $"removal answered {removed}";
                case DirectoryListingStep.GoBack when _seen.Count > 0:
                    int kept = step.A % _seen.Count;
                    _seen.RemoveRange(kept, _seen.Count - kept);
                    return null;
                case DirectoryListingStep.Page:
                    return Page(step.A, out bool isDone) ?? (isDone ? Complete() : null);
                default:
                    return null;
            }
        }

        public string? End()
        {
            for (bool isDone = false; !isDone;)
            {
                string? fault = Page(Steps.MaxNumber, out isDone);
                if (fault is not null)
                {
                    return fault;
                }
            }

            return Complete() ?? Forget();
        }

        public void Add(int count)
        {
            for (int i = 0; i < count; i++)
            {
                // Of many lengths, so that pieces end anywhere.
                string name = $"{_next}-{new string('x', _next * 37 % 120)}";
                _next++;
                Errno made = fs.Mknod(
                    options.Context, NodeId.Root, name, Linux.S_IFREG | 0x180, 0, 0, out Entry entry);
                if (made == Errno.OK)
                {
                    fs.Forget(options.Context, entry.Node, 1);
                    _names.Add(name);
                    _touched.Add(name);
                }
            }
        }

        public void Begin()
        {
            _before = [.. _names];
            _touched.Clear();
            _seen.Clear();
        }

        private string? Page(int room, out bool isDone)
        {
            isDone = false;
            ulong offset = _seen.Count == 0 ? 0 : _seen[^1].Offset;
            Errno answer = read(offset, room, out IReadOnlyList<DirectoryList.Item> items);
            if (answer == Errno.EINVAL && items.Count == 0 && room < Steps.MaxNumber)
            {
                return null;
            }

            if (answer != Errno.OK)
            {
                return $"answered {answer}";
            }

            isDone = items.Count == 0;
            _seen.AddRange(items);
            foreach (DirectoryList.Item item in items)
            {
                if (item.Entry.Node != NodeId.None)
                {
                    _lookups[item.Entry.Node] = _lookups.GetValueOrDefault(item.Entry.Node) + 1;
                }
            }

            return null;
        }

        /// <summary>The end of a listing was reported: it must be complete. The next one begins.</summary>
        private string? Complete()
        {
            Dictionary<string, int> counts = [];
            foreach (DirectoryList.Item item in _seen)
            {
                counts[item.Name] = counts.GetValueOrDefault(item.Name) + 1;
            }

            // A host may give "." and ".." another place when names come or go (ext4, when it makes an index).
            string[] dots = _touched.Count == 0 ? [".", ".."] : [];
            string? wrong = _before.Where(name => !_touched.Contains(name)).Concat(dots)
                .FirstOrDefault(name => counts.GetValueOrDefault(name) != 1);
            string? twice = counts.Keys.FirstOrDefault(name => counts[name] > 1);
            string? unknown = counts.Keys.FirstOrDefault(
                name => name is not ("." or "..") && !_before.Contains(name) && !_touched.Contains(name));
            Begin();
            return wrong is not null ? $"'{wrong}' was reported {counts.GetValueOrDefault(wrong)} times"
                : twice is not null ? $"'{twice}' was reported {counts[twice]} times"
                : unknown is not null ? $"'{unknown}' was reported, but never was" : Lookups();
        }

        private string? Lookups()
        {
            foreach ((NodeId node, ulong count) in _lookups)
            {
                if (options.LookupCount is not null && options.LookupCount(node) != count)
                {
                    return $"node {node} was delivered {count} times and has {options.LookupCount(node)} lookups";
                }
            }

            return null;
        }

        private string? Forget()
        {
            foreach ((NodeId node, ulong count) in _lookups)
            {
                fs.Forget(options.Context, node, count);
            }

            foreach (NodeId node in _lookups.Keys)
            {
                _lookups[node] = 0;
            }

            return Lookups();
        }
    }
}
