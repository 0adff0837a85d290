using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>Numbers of the FUSE protocol that a transport needs.</summary>
public static class FuseProtocol
{
    /// <summary>The protocol's major version.</summary>
    public const uint MajorVersion = 7;

    /// <summary>The newest minor version this library speaks.</summary>
    public const uint MinorVersion = 45;

    /// <summary>The oldest minor version this library speaks.</summary>
    public const uint MinimumMinorVersion = 27;

    /// <summary>Bytes of a request's header.</summary>
    public const int RequestHeaderSize = 40;

    /// <summary>Bytes of a reply's header, and of a notification's.</summary>
    public const int ReplyHeaderSize = 16;

    /// <summary>
    /// Bytes of a WRITE request ahead of its data. A transport that receives into one buffer can place it so that the
    /// data begin on a page.
    /// </summary>
    public const int WriteRequestOverhead = RequestHeaderSize + 40;

    /// <summary>The page by which the protocol counts, in bytes, whatever the machine's is.</summary>
    internal const int PageSize = 4096;

    /// <summary>Pages of one request where FUSE_MAX_PAGES was not agreed on.</summary>
    internal const int DefaultMaxPages = 32;

    /// <summary>The longest name and its NUL.</summary>
    internal const int NameBytes = Linux.NAME_MAX + 1;

    /// <summary>The largest value of an extended attribute, and the largest list of their names.</summary>
    internal const int XattrBytes = Linux.XATTR_SIZE_MAX;

    /// <summary>The most that an ioctl passes in or out here; a well-formed command says less than 16 KiB.</summary>
    internal const int IoctlBytes = 64 * 1024;

    /// <summary>How many supplementary groups of a request are kept.</summary>
    internal const int MaxGroups = 32;

    /// <summary>The minor version since when a header tells of extensions.</summary>
    internal const uint ExtensionsMinorVersion = 38;

    /// <summary>Extension: supplementary groups. Smaller numbers are security contexts.</summary>
    internal const uint FUSE_EXT_GROUPS = 32;

    internal const uint FUSE_GETATTR_FH = 1 << 0;

    internal const uint FUSE_READ_LOCKOWNER = 1 << 1;

    internal const uint FUSE_FSYNC_FDATASYNC = 1 << 0;

    internal const uint FUSE_IOCTL_UNRESTRICTED = 1 << 1;

    internal const uint FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0;

    internal const uint FUSE_EXPIRE_ONLY = 1 << 0;

    internal const ulong FUSE_SETUPMAPPING_FLAG_WRITE = 1 << 0;

    internal const ulong FUSE_SETUPMAPPING_FLAG_READ = 1 << 1;

    internal const int FUSE_NOTIFY_INVAL_INODE = 2;

    internal const int FUSE_NOTIFY_INVAL_ENTRY = 3;

    internal const int FUSE_NOTIFY_STORE = 4;

    internal const int FUSE_NOTIFY_DELETE = 6;

    internal const int FUSE_NOTIFY_RESEND = 7;

    internal const int FUSE_NOTIFY_PRUNE = 9;
}
