using System.Collections.Generic;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>
/// mount -o remount: gives a mount other flags of the kernel's. The server is asked first, as it alone knows whether
/// what it serves can be written, and whether another option says something new, which no remount can do.
/// </summary>
internal static unsafe class Remount
{
    /// <summary>Carries it out.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(RemountOptions options)
    {
        Errno error = Libc.RealPath(options.MountPoint, out string mountPoint);
        if (error != Errno.OK)
        {
            throw new FuseMountException($"mount point {options.MountPoint} cannot be used: {Libc.Describe(error)}");
        }

        if (MountTable.At(mountPoint) is not [.., { Type: "fuse." + MountOptions.Subtype } mount])
        {
            throw new FuseMountException(
                $"{mountPoint} is no mount of ptfs-mount: name one of `mount -t {"fuse." + MountOptions.Subtype}`");
        }

        RefuseAtime(options.Flags, mount);
        IEnumerable<string> words = options.Words.Except(mount.FileSystemOptions)
            .Prepend((options.Flags & MountFlags.ReadOnly) != 0 ? "ro" : "rw");
        ControlClient.Order(
            options.Control ?? ControlClient.SocketOf(mountPoint), mountPoint,
            ControlOrders.Remount + string.Join(',', words.Select(OptionList.Escape)));
        if (!options.Fake)
        {
            Change(options.Flags, mount);
        }

        return 0;
    }

    // Words that mount(8) has from the mount itself ask for nothing new.
    private static void RefuseAtime(nuint flags, MountTable.Entry mount)
    {
        if (MountFlags.HasAtime(flags) &&
            MountFlags.Atime(flags) != MountFlags.Atime(MountFlags.Of(mount.Options)))
        {
            throw new FuseMountException(
                "a remount cannot change how access times are kept: unmount it, and mount it anew with that option");
        }
    }

    private static void Change(nuint flags, MountTable.Entry mount)
    {
        Errno error;

        // SAFETY: all strings are pinned and end with NUL; the kernel copies them.
        fixed (byte* from = Libc.CString(mount.Source), target = Libc.CString(mount.Path),
            type = Libc.CString(mount.Type), data = Libc.CString(""))
        {
            error = Libc.mount(from, target, type, flags | MountFlags.Remount, data) == 0 ? Errno.OK : Libc.LastError;
        }

        if (error != Errno.OK)
        {
            throw error switch
            {
                Errno.EPERM or Errno.EACCES => new FuseMountException(
                    $"no privilege to remount {mount.Path}: CAP_SYS_ADMIN is needed", FuseMountFault.Permission),
                Errno.EBUSY => new FuseMountException(
                    $"{mount.Path} is busy: somebody has a file open for writing there"),
                _ => new FuseMountException($"remounting {mount.Path} failed: {Libc.Describe(error)}"),
            };
        }
    }
}
