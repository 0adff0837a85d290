namespace PassthroughFs.Core.Api;

/// <summary>A part of an <see cref="IDaxWindow"/>.</summary>
/// <param name="Offset">Where it begins in the window, in bytes.</param>
/// <param name="Length">Its length in bytes.</param>
public readonly record struct DaxRange(ulong Offset, ulong Length);

/// <summary>A range of a file to be mapped into an <see cref="IDaxWindow"/>.</summary>
/// <param name="FileOffset">Where it begins in the file, in bytes.</param>
/// <param name="Range">Where in the window it goes, and how long it is.</param>
/// <param name="Writable">Whether the client may write there; it may always read.</param>
public readonly record struct DaxMapping(ulong FileOffset, DaxRange Range, bool Writable);
