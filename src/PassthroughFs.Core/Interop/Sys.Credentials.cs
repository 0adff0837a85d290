using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

/// <summary>
/// Identity. Those that change it are raw system calls on purpose: they change the calling thread alone, where libc's
/// functions would change every thread of the process.
/// </summary>
internal static unsafe partial class Sys
{
    private const uint CapabilityVersion3 = 0x2008_0522;

    public static uint Geteuid() => geteuid();

    public static uint Getegid() => getegid();

    /// <summary>With size 0 returns how many there are.</summary>
    public static int Getgroups(int size, uint* groups) => Result(getgroups(size, groups));

    public static int SetEffectiveUid(uint uid)
    {
        int refusal = 0;
        Refuse("setresuid", ref refusal);
        return refusal != 0 ? refusal : (int)Result(syscall(IsArm64 ? 147 : 117, -1, (nint)uid, -1, 0, 0, 0));
    }

    public static int SetEffectiveGid(uint gid)
    {
        int refusal = 0;
        Refuse("setresgid", ref refusal);
        return refusal != 0 ? refusal : (int)Result(syscall(IsArm64 ? 149 : 119, -1, (nint)gid, -1, 0, 0, 0));
    }

    public static int SetGroups(int count, uint* groups)
    {
        int refusal = 0;
        Refuse("setgroups", ref refusal);
        return refusal != 0 ? refusal : (int)Result(syscall(IsArm64 ? 159 : 116, count, (nint)groups, 0, 0, 0, 0));
    }

    public static int CapGet(CapabilityData* data)
    {
        var header = new CapabilityHeader { version = CapabilityVersion3 };
        return (int)Result(syscall(IsArm64 ? 90 : 125, (nint)(&header), (nint)data, 0, 0, 0, 0));
    }

    public static int CapSet(CapabilityData* data)
    {
        var header = new CapabilityHeader { version = CapabilityVersion3 };
        return (int)Result(syscall(IsArm64 ? 91 : 126, (nint)(&header), (nint)data, 0, 0, 0, 0));
    }

    /// <summary>A place where a test can have the host refuse; nothing in a build without tests.</summary>
    static partial void Refuse(string call, ref int refusal);

    public static uint Umask(uint mask) => umask(mask);

    [LibraryImport(Libc)]
    private static partial uint geteuid();

    [LibraryImport(Libc)]
    private static partial uint getegid();

    [LibraryImport(Libc)]
    private static partial int getgroups(int size, uint* groups);

    [LibraryImport(Libc)]
    private static partial uint umask(uint mask);
}
