using System.Threading;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What an open has to know of the host file system that the file is on.</summary>
internal enum HostFileSystemKind
{
    /// <summary>Sizes are what files hold; closing one may do something, or have an error of its own.</summary>
    Ordinary,

    /// <summary>Sizes are what files hold; closing one does nothing.</summary>
    Quiet,

    /// <summary>Sizes say nothing: contents are made when they are read (<c>/proc</c>, <c>/sys</c>).</summary>
    Unsized,

    /// <summary>Overlayfs: as ordinary ones, but hard links may part (<see cref="LinkIdentity"/>).</summary>
    Stacked,

    /// <summary>Somebody else's: a file of size 0 may hold something (FUSE, 9p).</summary>
    Foreign,

    /// <summary>
    /// As ordinary ones, and on another machine (NFS, CIFS, Ceph): what is removed there cannot be opened once more, as it
    /// can not on a foreign one.
    /// </summary>
    Remote,
}

/// <summary>The kinds of the host's file systems by device, asked for once each.</summary>
/// <remarks>
/// Quiet are those that have no <c>flush</c> among their file operations (Linux 6.18: ext2 to ext4, XFS, btrfs, tmpfs,
/// ramfs). Network file systems, FUSE and what is stacked on others have one: there close tells of writes that failed
/// later.
/// </remarks>
internal sealed unsafe class HostFileSystems
{
    private const int KindShift = 60;

    // Device and kind in one word, so that both are always of one moment; 0 is none. A device has its place; where two
    // have one, whoever is used takes it.
    private readonly ulong[] _known = new ulong[16];

    /// <summary>The kind of an open file's file system; <see cref="HostFileSystemKind.Ordinary"/> if it cannot be told.
    /// </summary>
    /// <param name="device">Its device; 0 is not known.</param>
    /// <param name="fd">The file.</param>
    public HostFileSystemKind KindOf(ulong device, int fd)
    {
        if (device == 0 || device >> KindShift != 0)
        {
            return HostFileSystemKind.Ordinary;
        }

        ref ulong place = ref _known[(int)((device ^ (device >> 8)) % (uint)_known.Length)];
        ulong known = Volatile.Read(ref place);
        const ulong DeviceMask = (1UL << KindShift) - 1;
        if ((known & DeviceMask) == device)
        {
            return (HostFileSystemKind)(known >> KindShift);
        }

        StatfsBuffer buffer;
        if (Sys.Fstatfs(fd, &buffer) < 0)
        {
            return HostFileSystemKind.Ordinary;
        }

        HostFileSystemKind kind = KindOf(buffer.f_type);
        Volatile.Write(ref place, device | ((ulong)kind << KindShift));
        return kind;
    }

    private static HostFileSystemKind KindOf(long type)
    {
        const long Ext4 = 0xEF53, Xfs = 0x58465342, Btrfs = 0x9123683E, Tmpfs = 0x01021994, Ramfs = 0x858458F6;
        const long Proc = 0x9FA0, Sysfs = 0x62656572, Cgroup = 0x0027E0EB, Cgroup2 = 0x63677270, Debugfs = 0x64626720,
            Tracefs = 0x74726163, Securityfs = 0x73636673, Selinuxfs = 0xF97CFF8C, Smackfs = 0x43415D53,
            Configfs = 0x62656570, Binfmtfs = 0x42494E4D, Fusectl = 0x65735543, Nfsd = 0x6E667364,
            RpcPipefs = 0x67596969, Resctrl = 0x07655821, Xenfs = 0xABBA1974, Bpf = 0xCAFE4A11, Mqueue = 0x19800202;
        const long Fuse = 0x65735546, Plan9 = 0x01021997, Overlay = 0x794C7630;
        const long Nfs = 0x6969, Cifs = 0xFF534D42, Smb2 = 0xFE534D42, Ceph = 0x00C36400;
        return type switch
        {
            Ext4 or Xfs or Btrfs or Tmpfs or Ramfs => HostFileSystemKind.Quiet,
            Proc or Sysfs or Cgroup or Cgroup2 or Debugfs or Tracefs or Securityfs or Selinuxfs or Smackfs or Configfs
                or Binfmtfs or Fusectl or Nfsd or RpcPipefs or Resctrl or Xenfs or Bpf or Mqueue
                => HostFileSystemKind.Unsized,
            Fuse or Plan9 => HostFileSystemKind.Foreign,
            Overlay => HostFileSystemKind.Stacked,
            Nfs or Cifs or Smb2 or Ceph => HostFileSystemKind.Remote,
            _ => HostFileSystemKind.Ordinary,
        };
    }
}
