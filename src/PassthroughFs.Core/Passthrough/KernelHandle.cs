using System;
using System.Runtime.CompilerServices;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// What <c>name_to_handle_at(2)</c> returns for an inode: a name that outlives the inode's file descriptors and is
/// never given to another inode of the same file system.
/// </summary>
/// <remarks>
/// Up to 40 bytes, which holds what ext4, xfs, btrfs, f2fs and tmpfs make; a longer one counts as none, so that a
/// million of them stay small.
/// </remarks>
public readonly struct KernelHandle : IEquatable<KernelHandle>
{
    /// <summary>The longest handle that is kept, in bytes.</summary>
    public const int MaxLength = 40;

    private readonly Data _data;
    private readonly byte _length;

    /// <summary>A handle of a type of the kernel's with the bytes it gave.</summary>
    /// <param name="type">The kernel's <c>handle_type</c>.</param>
    /// <param name="bytes">The kernel's <c>f_handle</c>: 1 to <see cref="MaxLength"/> bytes.</param>
    public KernelHandle(int type, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfZero(bytes.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, MaxLength);
        Type = type;
        _length = (byte)bytes.Length;
        Data data = default;
        bytes.CopyTo(data);
        _data = data;
    }

    /// <summary>No handle.</summary>
    public static KernelHandle None => default;

    /// <summary>Whether this is no handle.</summary>
    public bool IsNone => _length == 0;

    /// <summary>The kernel's <c>handle_type</c>.</summary>
    public int Type { get; }

    /// <summary>The kernel's <c>f_handle</c>.</summary>
    public ReadOnlySpan<byte> Bytes => ((ReadOnlySpan<byte>)Unsafe.AsRef(in _data))[.._length];

    /// <summary>Whether two handles name the same inode of one file system.</summary>
    public static bool operator ==(in KernelHandle left, in KernelHandle right) => left.Equals(right);

    /// <summary>Whether two handles name different inodes.</summary>
    public static bool operator !=(in KernelHandle left, in KernelHandle right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(KernelHandle other) =>
        Type == other.Type && _length == other._length && Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is KernelHandle other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Type);
        hash.AddBytes(Bytes);
        return hash.ToHashCode();
    }

    [InlineArray(MaxLength)]
    private struct Data
    {
        private byte _first;
    }
}
