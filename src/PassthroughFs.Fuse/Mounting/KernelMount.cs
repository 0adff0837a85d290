using System;
using System.Globalization;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>A mount made by mount(2): root's way.</summary>
internal sealed unsafe class KernelMount : ActiveMount
{
    private const string DevicePath = "/dev/fuse";

    private KernelMount(int deviceFd, string mountPoint)
        : base(deviceFd, mountPoint)
    {
    }

    /// <summary>A mount that another process has made.</summary>
    public KernelMount(int deviceFd, string mountPoint, uint? connection)
        : base(deviceFd, mountPoint, connection)
    {
    }

    public static KernelMount Create(FuseMountOptions options, string mountPoint)
    {
        int fd = Libc.Open(DevicePath, Libc.O_RDWR | Libc.O_CLOEXEC, out Errno error);
        if (error != Errno.OK)
        {
            throw NoDevice(error);
        }

        error = Mount(
            options.SourceName, mountPoint, Type(options), (nuint)options.Flags, Data(options, fd));
        if (error != Errno.OK)
        {
            _ = Libc.close(fd);
            throw NoMount(error, mountPoint);
        }

        return new KernelMount(fd, mountPoint);
    }

    /// <summary>The type in mount tables.</summary>
    private static string Type(FuseMountOptions options) =>
        options.Subtype is { } subtype ? "fuse." + subtype : "fuse";

    /// <summary>The options that FUSE itself understands, as mount(2) wants them.</summary>
    public static string Data(FuseMountOptions options, int fd)
    {
        string data = string.Create(
            CultureInfo.InvariantCulture,
            $"fd={fd},rootmode={ToOctal(Libc.S_IFDIR)},user_id={Libc.geteuid()},group_id={Libc.getegid()}");
        data += options.AllowOther ? ",allow_other" : "";
        return data + (options.DefaultPermissions ? ",default_permissions" : "");
    }

    /// <summary>Why the device could not be opened, and what to do.</summary>
    public static FuseMountException NoDevice(Errno error) => error switch
    {
        Errno.ENOENT or Errno.ENODEV or Errno.ENXIO => new FuseMountException(
            $"{DevicePath} does not exist: load FUSE with `modprobe fuse` (in a container, pass --device {DevicePath})",
            FuseMountFault.System),
        Errno.EACCES or Errno.EPERM => new FuseMountException(
            $"no permission to open {DevicePath}: grant it with `chmod 666 {DevicePath}` " +
            $"(in a container, pass --device {DevicePath})", FuseMountFault.Permission),
        _ => new FuseMountException($"{DevicePath} cannot be opened: {Libc.Describe(error)}", FuseMountFault.System),
    };

    /// <summary>
    /// Where the control file system is not mounted, it is opened without a place; and a forced unmount aborts the
    /// connection too, while there is a mount.
    /// </summary>
    public override bool Abort() =>
        base.Abort() || AbortUnseen() || (IsMounted() && Unmount(Libc.MNT_FORCE | Libc.MNT_DETACH));

    // Errors: the only one left is that somebody was faster.
    protected override void Detach() => _ = Unmount(Libc.MNT_DETACH);

    private bool AbortUnseen()
    {
        const int FSCONFIG_CMD_CREATE = 6, FSMOUNT_CLOEXEC = 1;
        fixed (byte* type = "fusectl\0"u8, name = Libc.CString($"{Connection}/abort"), data = "1"u8)
        {
            // Sound: pinned, and the names end with NUL.
            int context = (int)Libc.syscall(Libc.NrFsopen, (nint)type, Libc.FSOPEN_CLOEXEC, 0, 0, 0, 0);
            int root = context >= 0
                && Libc.syscall(Libc.NrFsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0, 0) == 0
                ? (int)Libc.syscall(Libc.NrFsmount, context, FSMOUNT_CLOEXEC, 0, 0, 0, 0)
                : -1;
            int file = root >= 0 ? Libc.openat(root, name, Libc.O_WRONLY | Libc.O_CLOEXEC) : -1;
            bool isDone = file >= 0 && Libc.write(file, data, 1) == 1;
            foreach (int fd in (ReadOnlySpan<int>)[context, root, file])
            {
                _ = fd >= 0 ? Libc.close(fd) : 0;
            }

            return isDone;
        }
    }

    private bool Unmount(int flags)
    {
        // Sound: the path is pinned and ends with NUL.
        fixed (byte* target = Libc.CString(MountPoint))
        {
            return Libc.umount2(target, flags) == 0;
        }
    }

    private static Errno Mount(string source, string mountPoint, string fsType, nuint flags, string data)
    {
        // Sound: all strings are pinned and end with NUL; the kernel copies them.
        fixed (byte* from = Libc.CString(source), target = Libc.CString(mountPoint),
            type = Libc.CString(fsType), text = Libc.CString(data))
        {
            return Libc.mount(from, target, type, flags, text) == 0 ? Errno.OK : Libc.LastError;
        }
    }

    private static FuseMountException NoMount(Errno error, string mountPoint) => error switch
    {
        Errno.EPERM or Errno.EACCES => new FuseMountException(
            $"no privilege to mount at {mountPoint}: CAP_SYS_ADMIN is needed " +
            "(in a container, pass --cap-add SYS_ADMIN)", FuseMountFault.Permission),
        Errno.EBUSY => new FuseMountException(
            $"mount point {mountPoint} is busy: unmount what is there, or choose another"),
        Errno.ENODEV => new FuseMountException("the kernel has no FUSE: load it with `modprobe fuse`", FuseMountFault.System),
        Errno.ENOMEM => new FuseMountException(
            $"mounting at {mountPoint} failed: {Libc.Describe(error)}", FuseMountFault.System),
        _ => new FuseMountException($"mounting at {mountPoint} failed: {Libc.Describe(error)}"),
    };

    private static string ToOctal(uint mode) => System.Convert.ToString(mode, 8);
}
