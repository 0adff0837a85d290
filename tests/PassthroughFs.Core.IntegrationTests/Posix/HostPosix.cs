using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.IntegrationTests.Platform;

namespace PassthroughFs.Core.IntegrationTests.Posix;

/// <summary>Real system calls below a directory: a bare one, or one on a mount.</summary>
internal sealed unsafe partial class HostPosix(string root) : IPosix
{
    private readonly HashSet<int> _open = [];

    public Caller Caller { get; set; } = Caller.Root;

    public uint Umask { get; set; } = 0x12;

    public string Root { get; } = root;

    public void Dispose()
    {
        foreach (int fd in _open)
        {
            _ = Native.Close(fd);
        }

        _open.Clear();
    }

    public byte[] Resolve(PosixPath path) =>
        Bytes.Z([.. System.Text.Encoding.UTF8.GetBytes(Root + "/"), .. path.Bytes]);

    private static Errno Of(nint result) => result < 0 ? (Errno)Marshal.GetLastPInvokeError() : Errno.OK;

    private static Errno Count(nint result, out int count)
    {
        count = (int)Math.Max(result, 0);
        return Of(result);
    }

    /// <summary>Runs one call as the caller, with the caller's mask.</summary>
    private Errno As(Func<nint> call)
    {
        uint mask = Native.UMask(Umask);
        try
        {
            if (Caller.Uid == 0 && Caller.Gid == 0 && Caller.Groups.Length == 0)
            {
                return Of(call());
            }

            uint[] before = Groups();
            SetGroups(Caller.Groups);
            _ = Native.SetFsGid(Caller.Gid);
            _ = Native.SetFsUid(Caller.Uid);
            nint result = call();
            Errno errno = Of(result);
            _ = Native.SetFsUid(0);
            _ = Native.SetFsGid(0);
            SetGroups(before);
            return errno;
        }
        finally
        {
            _ = Native.UMask(mask);
        }
    }

    private static uint[] Groups()
    {
        uint[] groups = new uint[Math.Max(0, Native.GetGroups(0, null))];
        fixed (uint* pointer = groups)
        {
            _ = Native.GetGroups(groups.Length, pointer);
        }

        return groups;
    }

    private static void SetGroups(uint[] groups)
    {
        fixed (uint* pointer = groups)
        {
            if (Native.SysCall(Native.SysSetGroups, groups.Length, (nint)pointer, 0) != 0)
            {
                throw new InvalidOperationException("setgroups failed");
            }
        }
    }

    private static FileStat ParseStatx(ReadOnlySpan<byte> x)
    {
        static PosixTime Time(ReadOnlySpan<byte> t) =>
            new(BitConverter.ToInt64(t), BitConverter.ToUInt32(t[8..]));
        uint major = BitConverter.ToUInt32(x[128..]);
        uint minor = BitConverter.ToUInt32(x[132..]);
        return new FileStat(
            BitConverter.ToUInt64(x[32..]), BitConverter.ToUInt16(x[28..]), BitConverter.ToUInt32(x[16..]),
            BitConverter.ToUInt32(x[20..]), BitConverter.ToUInt32(x[24..]), BitConverter.ToUInt64(x[40..]),
            BitConverter.ToUInt64(x[48..]), (minor & 0xFF) | (major << 8) | ((minor & ~0xFFu) << 12), Time(x[64..]),
            Time(x[112..]), Time(x[96..]));
    }

    private Errno Statx(int fd, byte[] path, int flags, out FileStat stat)
    {
        byte* buffer = stackalloc byte[256];
        Errno errno = As(() => Native.Statx(fd, path, flags, 0x7FF, buffer));
        stat = ParseStatx(new ReadOnlySpan<byte>(buffer, 256));
        return errno;
    }
}
