using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>A system call by its numbers.</summary>
/// <param name="Name">As the kernel's headers have it.</param>
/// <param name="X64">Its number on x86-64; -1 if it is not there.</param>
/// <param name="Arm64">Its number on arm64; -1 if it is not there.</param>
internal readonly record struct SystemCall(string Name, short X64, short Arm64)
{
    /// <summary>The last call that the tables here know, of Linux 6.17; the same on every architecture.</summary>
    public const int Newest = 469; // file_setattr

    /// <summary>Its number on an architecture; -1 if it is not there.</summary>
    public int Number(Architecture architecture) => architecture switch
    {
        Architecture.X64 => X64,
        Architecture.Arm64 => Arm64,
        _ => throw new NotSupportedException($"no table of system calls for {architecture}"),
    };
}
