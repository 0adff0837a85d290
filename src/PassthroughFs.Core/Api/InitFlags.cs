using System;

namespace PassthroughFs.Core.Api;

/// <summary>
/// What client and server can do, with the kernel's names and numbers (<c>linux/fuse.h</c>, version 7.45): the low 32
/// bits are INIT's <c>flags</c>, the high 32 its <c>flags2</c>.
/// </summary>
[Flags]
public enum InitFlags : ulong
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Reads of one file may run at the same time.</summary>
    FUSE_ASYNC_READ = 1UL << 0,

    /// <summary>POSIX locks are the server's.</summary>
    FUSE_POSIX_LOCKS = 1UL << 1,

    /// <summary>Handles in getattr (historical).</summary>
    FUSE_FILE_OPS = 1UL << 2,

    /// <summary>The server truncates on open (O_TRUNC).</summary>
    FUSE_ATOMIC_O_TRUNC = 1UL << 3,

    /// <summary>Lookups of "." and ".." find nodes that were forgotten.</summary>
    FUSE_EXPORT_SUPPORT = 1UL << 4,

    /// <summary>Writes larger than a page.</summary>
    FUSE_BIG_WRITES = 1UL << 5,

    /// <summary>The server applies the umask.</summary>
    FUSE_DONT_MASK = 1UL << 6,

    /// <summary>Splice to the device.</summary>
    FUSE_SPLICE_WRITE = 1UL << 7,

    /// <summary>Splice moves pages.</summary>
    FUSE_SPLICE_MOVE = 1UL << 8,

    /// <summary>Splice from the device.</summary>
    FUSE_SPLICE_READ = 1UL << 9,

    /// <summary>flock locks are the server's.</summary>
    FUSE_FLOCK_LOCKS = 1UL << 10,

    /// <summary>ioctl on directories.</summary>
    FUSE_HAS_IOCTL_DIR = 1UL << 11,

    /// <summary>Cached data are dropped when mtime or size change.</summary>
    FUSE_AUTO_INVAL_DATA = 1UL << 12,

    /// <summary>READDIRPLUS.</summary>
    FUSE_DO_READDIRPLUS = 1UL << 13,

    /// <summary>READDIRPLUS where the client expects it to pay.</summary>
    FUSE_READDIRPLUS_AUTO = 1UL << 14,

    /// <summary>Direct I/O may be asynchronous.</summary>
    FUSE_ASYNC_DIO = 1UL << 15,

    /// <summary>The client caches writes.</summary>
    FUSE_WRITEBACK_CACHE = 1UL << 16,

    /// <summary>ENOSYS to OPEN means that none is needed (zero-message open).</summary>
    FUSE_NO_OPEN_SUPPORT = 1UL << 17,

    /// <summary>Lookups and listings of one directory may run at the same time.</summary>
    FUSE_PARALLEL_DIROPS = 1UL << 18,

    /// <summary>The server removes set-id bits (first version).</summary>
    FUSE_HANDLE_KILLPRIV = 1UL << 19,

    /// <summary>POSIX ACLs.</summary>
    FUSE_POSIX_ACL = 1UL << 20,

    /// <summary>Reading the device after an abort gives ECONNABORTED.</summary>
    FUSE_ABORT_ERROR = 1UL << 21,

    /// <summary>INIT's reply has max_pages.</summary>
    FUSE_MAX_PAGES = 1UL << 22,

    /// <summary>Symbolic links are cached.</summary>
    FUSE_CACHE_SYMLINKS = 1UL << 23,

    /// <summary>ENOSYS to OPENDIR means that none is needed (zero-message opendir).</summary>
    FUSE_NO_OPENDIR_SUPPORT = 1UL << 24,

    /// <summary>Cached data are dropped only when the server says so.</summary>
    FUSE_EXPLICIT_INVAL_DATA = 1UL << 25,

    /// <summary>INIT's reply has map_alignment.</summary>
    FUSE_MAP_ALIGNMENT = 1UL << 26,

    /// <summary>The client mounts submounts by itself.</summary>
    FUSE_SUBMOUNTS = 1UL << 27,

    /// <summary>The server removes set-id bits and capabilities (second version).</summary>
    FUSE_HANDLE_KILLPRIV_V2 = 1UL << 28,

    /// <summary>SETXATTR has flags of its own.</summary>
    FUSE_SETXATTR_EXT = 1UL << 29,

    /// <summary>INIT has flags2.</summary>
    FUSE_INIT_EXT = 1UL << 30,

    /// <summary>Reserved.</summary>
    FUSE_INIT_RESERVED = 1UL << 31,

    /// <summary>Create-type requests carry a security context.</summary>
    FUSE_SECURITY_CTX = 1UL << 32,

    /// <summary>DAX for each file by its attributes.</summary>
    FUSE_HAS_INODE_DAX = 1UL << 33,

    /// <summary>Create-type requests carry a supplementary group.</summary>
    FUSE_CREATE_SUPP_GROUP = 1UL << 34,

    /// <summary>Entries can be expired without being dropped.</summary>
    FUSE_HAS_EXPIRE_ONLY = 1UL << 35,

    /// <summary>mmap of files that are open for direct I/O.</summary>
    FUSE_DIRECT_IO_ALLOW_MMAP = 1UL << 36,

    /// <summary>The kernel reads and writes backing files by itself.</summary>
    FUSE_PASSTHROUGH = 1UL << 37,

    /// <summary>The server wants no NFS export.</summary>
    FUSE_NO_EXPORT_SUPPORT = 1UL << 38,

    /// <summary>The client can send requests again.</summary>
    FUSE_HAS_RESEND = 1UL << 39,

    /// <summary>
    /// Idmapped mounts, on a client that checks permissions itself. It says who calls only where something is made;
    /// elsewhere <see cref="RequestContext.Uid"/> and <see cref="RequestContext.Gid"/> are 4294967295.
    /// </summary>
    FUSE_ALLOW_IDMAP = 1UL << 40,

    /// <summary>FUSE over io_uring.</summary>
    FUSE_OVER_IO_URING = 1UL << 41,

    /// <summary>Requests time out.</summary>
    FUSE_REQUEST_TIMEOUT = 1UL << 42,
}
