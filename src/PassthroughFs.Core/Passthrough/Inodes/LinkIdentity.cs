using System;
using System.Runtime.CompilerServices;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Whether two names are one file, where number and device do not tell.</summary>
/// <remarks>
/// On an overlayfs without <c>index</c> hard links of a lower layer have one number, and part when one of them is opened
/// for writing: from the first each name is an inode of its own to the kernel. Hard links of the upper layer, and with
/// <c>index</c> of any, are one inode and stay one file.
/// </remarks>
internal sealed unsafe class LinkIdentity(HostFileSystems hostFileSystems)
{
    /// <summary>In <see cref="InodeKey.Mnt"/>: the rest stands for a path, and is no mount's id.</summary>
    public const ulong OfPath = 1UL << 63;

    // The devices of overlayfs that were met. Replaced as a whole.
    private volatile ulong[] _stacked = [];

    /// <summary>Whether a number may be that of several live inodes, so that only descriptors tell.</summary>
    public bool IsDoubtful(in StatxBuffer stat, ulong device) =>
        stat.stx_nlink > 1 && !Linux.S_ISDIR(stat.stx_mode) && Array.IndexOf(_stacked, device) >= 0;

    /// <summary>As above, for an inode of which a descriptor is there, on a device that may not be known.</summary>
    public bool IsDoubtful(in StatxBuffer stat, ulong device, int fd)
    {
        if (stat.stx_nlink > 1 && !Linux.S_ISDIR(stat.stx_mode))
        {
            Meet(device, fd);
        }

        return IsDoubtful(stat, device);
    }

    /// <summary>Learns of what kind a device is.</summary>
    public void Meet(ulong device, int fd)
    {
        if (hostFileSystems.KindOf(device, fd) != HostFileSystemKind.Stacked)
        {
            return;
        }

        ulong[] known = _stacked;
        while (Array.IndexOf(known, device) < 0)
        {
            ulong[] before = Interlocked.CompareExchange(ref _stacked, [.. known, device], known);
            known = before == known ? _stacked : before;
        }
    }

    /// <summary>Whether the identity that the host tells is the one in a key.</summary>
    public static bool IsOf(in InodeKey key, in InodeKey told) =>
        key == told || ((key.Mnt & OfPath) != 0 && key.Ino == told.Ino && key.Dev == told.Dev);

    /// <summary>The key of an inode apart from others with its number: by its path.</summary>
    /// <param name="key">The key.</param>
    /// <param name="proc">The way to the descriptor's path.</param>
    /// <param name="fd">A descriptor of the inode.</param>
    [SkipLocalsInit]
    public static InodeKey Apart(in InodeKey key, ProcSelfFd proc, int fd)
    {
        byte* name = stackalloc byte[ProcSelfFd.PathSize];
        byte* path = stackalloc byte[Linux.PATH_MAX];
        ProcSelfFd.Format(fd, name);
        int length = Sys.ReadLinkAt(proc.Fd, name, path, Linux.PATH_MAX);

        // FNV-1a, over what the kernel has written. Two paths that meet in it are one node, as all were without it.
        ulong hash = 0xcbf2_9ce4_8422_2325;
        foreach (byte letter in new ReadOnlySpan<byte>(path, Math.Max(0, length)))
        {
            hash = (hash ^ letter) * 0x100_0000_01b3;
        }

        return key with { Mnt = OfPath | NumberHash.Of(key.Mnt, hash) };
    }

    /// <summary>
    /// Whether two descriptors are of one inode. The kernel has one watch for an inode, so that the second is refused; true
    /// where that cannot be asked (no /proc, no right to read, no watches left).
    /// </summary>
    public static bool IsSame(int one, int other)
    {
        const uint AnyEvent = Constants.IN_DELETE_SELF;
        byte* path = stackalloc byte[ProcSelfFd.PathSize];
        int watches = Sys.InotifyInit1((int)Linux.O_CLOEXEC);
        if (watches < 0)
        {
            return true;
        }

        ProcSelfFd.FormatPath(one, path);
        bool isSame = Sys.InotifyAddWatch(watches, path, AnyEvent) < 0;
        if (!isSame)
        {
            ProcSelfFd.FormatPath(other, path);
            isSame = Sys.InotifyAddWatch(watches, path, AnyEvent | Constants.IN_MASK_CREATE) < 0;
        }

        _ = Sys.Close(watches);
        return isSame;
    }
}
