using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Wrappers;

/// <summary>Says which names are hidden. Called by any number of threads at once, for each name of a listing too.</summary>
/// <param name="directory">The directory that the name is in.</param>
/// <param name="name">The name: bytes, never "." or "..". Borrowed.</param>
/// <returns>Whether it is hidden. The same name in the same directory must always get the same answer.</returns>
public delegate bool NameFilter(NodeId directory, ReadOnlySpan<byte> name);
