using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text.Unicode;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Paths;

/// <summary>Takes the names in a directory, in any order, each once; "." and ".." are there already.</summary>
public sealed class PathListing
{
    private readonly List<Item> _items = [];

    internal PathListing()
    {
    }

    internal IReadOnlyList<Item> Items => _items;

    /// <summary>
    /// Adds a name and its attributes, which spares a question for those of the names that the client reads first: for
    /// what it reads later <see cref="PathFileSystem.GetAttributes"/> is asked again.
    /// </summary>
    /// <param name="name">One component, of 1 to 255 bytes in UTF-8, without "/" and NUL.</param>
    /// <param name="attributes">As of <see cref="PathFileSystem.GetAttributes"/>.</param>
    /// <exception cref="ArgumentException">The name is none.</exception>
    public void Add(string name, in NodeAttributes attributes) =>
        _items.Add(new Item(Check(name), attributes.Mode & Linux.S_IFMT, attributes));

    /// <summary>Adds a name of which nothing else is known.</summary>
    /// <param name="name">One component, of 1 to 255 bytes in UTF-8, without "/" and NUL.</param>
    /// <param name="type">What is there: <see cref="Linux.S_IFDIR"/>, <see cref="Linux.S_IFREG"/>, …; 0 if that is
    /// not known either.</param>
    /// <exception cref="ArgumentException">The name is none.</exception>
    public void Add(string name, uint type = 0) => _items.Add(new Item(Check(name), type & Linux.S_IFMT, null));

    private static string Check(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Span<byte> bytes = stackalloc byte[PathNames.MaxBytes];
        return name is not ("." or "..") && name.AsSpan().IndexOfAny('/', '\0') < 0
            && Utf8.FromUtf16(name, bytes, out _, out _, replaceInvalidSequences: false) == OperationStatus.Done
            ? name
            : throw new ArgumentException(
                $"\"{name}\" is no name in a directory: it has a \"/\" or a NUL, is \".\" or \"..\", has half of a " +
                $"surrogate pair, or has more than {PathNames.MaxBytes} bytes", nameof(name));
    }

    internal readonly record struct Item(string Name, uint Type, NodeAttributes? Attributes);
}
