using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

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

    /// <summary>The handle of what a descriptor refers to. Returns 0, or the error negated.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="handle">The handle.</param>
    /// <param name="mountId">The host's id of the mount.</param>
    internal static unsafe int TryGet(int fd, out KernelHandle handle, out int mountId)
    {
        byte empty = 0;
        return TryGet(fd, &empty, Constants.AT_EMPTY_PATH, out handle, out mountId);
    }

    /// <summary>As above, of a name; EOPNOTSUPP for a handle that is longer than <see cref="MaxLength"/>.</summary>
    internal static unsafe int TryGet(int directory, byte* name, int flags, out KernelHandle handle, out int mountId)
    {
        Unsafe.SkipInit(out FileHandleBuffer buffer);
        buffer.handle_bytes = FileHandleBytes.MaxBytes;
        int mount;
        int result = Sys.NameToHandleAt(directory, name, &buffer, &mount, flags);
        mountId = mount;
        if (result == 0 && buffer.handle_bytes is > 0 and <= KernelHandle.MaxLength)
        {
            handle = new KernelHandle(
                buffer.handle_type, ((ReadOnlySpan<byte>)buffer.f_handle)[..(int)buffer.handle_bytes]);
            return 0;
        }

        handle = KernelHandle.None;
        return result < 0 ? result : -(int)Errno.EOPNOTSUPP;
    }

    /// <summary>
    /// 32 bits of it, never 0, the same for ever: what a client keeps of it as an entry's generation.
    /// </summary>
    /// <param name="fileSystem">Tells equal handles of two file systems apart.</param>
    internal uint ToGeneration(ulong fileSystem)
    {
        // All bytes count: those behind the length are 0.
        ulong hash = Mix(fileSystem, ((ulong)(uint)Type << 8) | _length);
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>((ReadOnlySpan<byte>)Unsafe.AsRef(in _data)))
        {
            hash = Mix(hash, word);
        }

        return Fold(hash);
    }

    /// <summary>The same for an inode that has no handle.</summary>
    internal static uint ToGeneration(in InodeKey key, ulong birth) =>
        Fold(Mix(Mix(Mix(Mix(0, key.Ino), key.Dev), key.Mnt), birth));

    private static ulong Mix(ulong hash, ulong word)
    {
        hash = (hash ^ word) * 0x9E37_79B9_7F4A_7C15UL;
        return hash ^ (hash >> 29);
    }

    private static uint Fold(ulong hash) => Math.Max(1, (uint)(hash >> 32) ^ (uint)hash);

    [InlineArray(MaxLength)]
    private struct Data
    {
        private byte _first;
    }
}
