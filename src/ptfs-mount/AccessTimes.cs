using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>
/// noatime, relatime, strictatime, nodiratime. It is the host's mount of the source that says whether a read changes an
/// access time, and the kernel's client never does. So the source is served from a mount namespace of its own, in which
/// its mounts have these options: whatever is read, files, directories and symbolic links, is as on the bare directory
/// mounted so. Mounts that come and go below the source on the host do so there, where the host shares them.
/// </summary>
internal sealed unsafe class AccessTimes
{
    private const int CLONE_NEWNS = 0x2_0000;
    private const int AT_FDCWD = -100;
    private const uint AT_RECURSIVE = 0x8000;
    private const nuint MS_REC_SLAVE = 0x4000 | 0x8_0000;
    private const nint SYS_mount_setattr = 442;
    private const ulong MOUNT_ATTR_ATIME = 0x70;
    private const ulong MOUNT_ATTR_NODIRATIME = 0x80;
    private const int O_PATH = 0x20_0000;

    private readonly string _source;
    private readonly string _mount;
    private readonly string[] _others;
    private readonly ulong _set;
    private int _root = -1;
    private int _namespace = -1;
    private Errno _error;

    private AccessTimes(string source, string mount, string[] others, ulong set)
    {
        _source = source;
        _mount = mount;
        _others = others;
        _set = set;
    }

    /// <summary>Whether all mounts of a source keep access times as flags want it, or the flags do not say.</summary>
    public static bool AreSo(string source, nuint flags) =>
        !MountFlags.HasAtime(flags) || Mounts(source, MountTable.All()).TrueForAll(
            mount => MountFlags.Atime(MountFlags.Of(mount.Options)) == MountFlags.Atime(flags));

    /// <summary>The sentence for who cannot have it.</summary>
    public static FuseMountException Refusal(string source, string reason) => new(
        $"the access times of {source} cannot be kept as -o says ({reason}): leave noatime, nodiratime, relatime and " +
        "strictatime out, or serve a bind mount that has them", FuseMountFault.Permission);

    /// <summary>A source whose mounts have what flags say of access times.</summary>
    /// <param name="source">The directory, absolute and without symbolic links.</param>
    /// <param name="flags">Mount flags that say something of access times.</param>
    /// <returns>The directory, and what keeps its mounts together for as long as it is open.</returns>
    public static (SafeFileHandle Root, SafeFileHandle Namespace) Open(string source, nuint flags)
    {
        IReadOnlyList<MountTable.Entry> all = MountTable.All();
        List<MountTable.Entry> mounts = Mounts(source, all);
        (nuint kind, bool ofDirectories) = MountFlags.Atime(flags);
        ulong set = (kind == MountFlags.NoAtime ? 0x10UL : kind == MountFlags.StrictAtime ? 0x20UL : 0) |
            (ofDirectories ? 0 : MOUNT_ATTR_NODIRATIME);

        // The others would be kept from going on the host. What is above the source cannot go in any case.
        string[] others = [.. all.Reverse().Where(mount => !mounts.Contains(mount)).Select(mount => mount.Path)
            .Where(path => !Paths.IsAtOrBelow(source, path))];
        var made = new AccessTimes(source, mounts[0].Path, others, set);

        // A thread of its own, which ends: none that goes on is in that namespace.
        var thread = new Thread(made.Make) { Name = "ptfs-atime" };
        thread.Start();
        thread.Join();
        if (made._error != Errno.OK)
        {
            throw Refusal(source, Libc.Describe(made._error));
        }

        return (
            new SafeFileHandle(made._root, ownsHandle: true), new SafeFileHandle(made._namespace, ownsHandle: true));
    }

    // The mount that a directory is on, which comes first, and those below the directory.
    private static List<MountTable.Entry> Mounts(string source, IReadOnlyList<MountTable.Entry> all)
    {
        MountTable.Entry on = all.Where(mount => Paths.IsAtOrBelow(source, mount.Path))
            .Aggregate((longest, mount) => mount.Path.Length >= longest.Path.Length ? mount : longest);
        return [on, .. all.Where(mount => mount.Path != on.Path && Paths.IsAtOrBelow(mount.Path, source))];
    }

    private void Make()
    {
        ulong* attributes = stackalloc ulong[4] { _set, MOUNT_ATTR_ATIME | MOUNT_ATTR_NODIRATIME, 0, 0 };

        // SAFETY: all strings are pinned and end with NUL; struct mount_attr is four 64-bit numbers of this frame.
        fixed (byte* slash = Libc.CString("/"), none = Libc.CString("none"), mount = Libc.CString(_mount))
        {
            if (Libc.unshare(CLONE_NEWNS) != 0 ||
                Libc.mount(none, slash, none, MS_REC_SLAVE, null) != 0 ||
                Libc.syscall(
                    SYS_mount_setattr, AT_FDCWD, (nint)mount, (nint)AT_RECURSIVE, (nint)attributes,
                    4 * sizeof(ulong), 0) != 0)
            {
                _error = Libc.LastError;
                return;
            }
        }

        _namespace = Libc.Open("/proc/thread-self/ns/mnt", Libc.O_RDONLY | Libc.O_CLOEXEC, out _error);
        if (_error == Errno.OK)
        {
            _root = Libc.Open(_source, O_PATH | Libc.O_CLOEXEC, out _error);
        }

        foreach (string other in _others)
        {
            // SAFETY: the path is pinned and ends with NUL; this thread's mounts are nobody else's.
            fixed (byte* path = Libc.CString(other))
            {
                _ = Libc.umount2(path, Libc.MNT_DETACH);
            }
        }
    }
}
