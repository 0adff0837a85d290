using System;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>A window as the smallest of VMMs has it: a reserved piece of this process's addresses.</summary>
internal sealed unsafe partial class MappedWindow : IDaxWindow, IDisposable
{
    private const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int MapShared = 1;
    private const int MapPrivate = 2;
    private const int MapFixed = 0x10;
    private const int MapAnonymous = 0x20;

    private readonly byte* _memory;

    public MappedWindow(int pages)
    {
        Length = (ulong)pages * (uint)Environment.SystemPageSize;
        _memory = (byte*)mmap(null, (nuint)Length, ProtRead, MapPrivate | MapAnonymous, -1, 0);
    }

    public ulong Length { get; }

    /// <summary>Does the same either way; what the file system makes of it is the question.</summary>
    public bool ReplacesAtOnce { get; set; } = true;

    /// <summary>How often it was asked to map.</summary>
    public int Asked { get; private set; }

    /// <summary>Whether the client may write to what was mapped last.</summary>
    public bool LastIsWritable { get; private set; }

    public Span<byte> this[ulong offset, int length] => new(_memory + offset, length);

    public Errno Map(int fd, in DaxMapping mapping)
    {
        Asked++;
        LastIsWritable = mapping.Writable;
        int protection = ProtRead | (mapping.Writable ? ProtWrite : 0);
        return Place(mapping.Range, protection, MapShared, fd, (long)mapping.FileOffset);
    }

    // Empty pages take the place, so that nothing of the process's own ever comes to lie there.
    public Errno Unmap(in DaxRange range) => Place(range, ProtRead, MapPrivate | MapAnonymous, -1, 0);

    public void Dispose() => _ = munmap(_memory, (nuint)Length);

    private Errno Place(in DaxRange range, int protection, int flags, int fd, long offset)
    {
        // Sound: inside this object's own reservation, as whoever calls has checked; and again here.
        ArgumentOutOfRangeException.ThrowIfGreaterThan(range.Length, Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(range.Offset, Length - range.Length);
        nint result = mmap(_memory + range.Offset, (nuint)range.Length, protection, flags | MapFixed, fd, offset);
        return result == -1 ? (Errno)Marshal.GetLastSystemError() : Errno.OK;
    }

    [LibraryImport("libc")]
    private static partial nint mmap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);
}
