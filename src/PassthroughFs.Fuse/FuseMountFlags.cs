using System;

namespace PassthroughFs.Fuse;

/// <summary>The kernel's options for any mount, by mount(2)'s bits.</summary>
[Flags]
public enum FuseMountFlags : uint
{
    /// <summary>None of these.</summary>
    None = 0,

    /// <summary>Nothing can be written: "ro".</summary>
    ReadOnly = 0x1,

    /// <summary>Set-uid and set-gid bits and file capabilities give nothing: "nosuid".</summary>
    NoSuid = 0x2,

    /// <summary>Device nodes cannot be opened: "nodev".</summary>
    NoDev = 0x4,

    /// <summary>Nothing can be executed: "noexec".</summary>
    NoExec = 0x8,

    /// <summary>Writes are synchronous: "sync".</summary>
    Sync = 0x10,

    /// <summary>Changes of directories are synchronous: "dirsync".</summary>
    DirSync = 0x80,

    /// <summary>Symbolic links are not followed: "nosymfollow".</summary>
    NoSymFollow = 0x100,

    /// <summary>"noatime". Access times of FUSE are the server's: it is shown, and obeyed by the server or nobody.</summary>
    NoAtime = 0x400,

    /// <summary>"nodiratime", as <see cref="NoAtime"/>.</summary>
    NoDirAtime = 0x800,

    /// <summary>The kernel logs less: "silent".</summary>
    Silent = 0x8000,

    /// <summary>"relatime", as <see cref="NoAtime"/>.</summary>
    RelAtime = 0x20_0000,

    /// <summary>"strictatime", as <see cref="NoAtime"/>.</summary>
    StrictAtime = 0x100_0000,

    /// <summary>"lazytime".</summary>
    LazyTime = 0x200_0000,
}
