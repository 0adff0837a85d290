namespace PassthroughFs.Core.Protocol;

/// <summary>What a request asks for, with the kernel's names and numbers.</summary>
public enum FuseOpcode : uint
{
    /// <summary>Finds a name.</summary>
    FUSE_LOOKUP = 1,

    /// <summary>Gives back lookups of a node.</summary>
    FUSE_FORGET = 2,

    /// <summary>Gets attributes.</summary>
    FUSE_GETATTR = 3,

    /// <summary>Changes attributes.</summary>
    FUSE_SETATTR = 4,

    /// <summary>Reads a symbolic link.</summary>
    FUSE_READLINK = 5,

    /// <summary>Makes a symbolic link.</summary>
    FUSE_SYMLINK = 6,

    /// <summary>Makes a file, FIFO, socket or device.</summary>
    FUSE_MKNOD = 8,

    /// <summary>Makes a directory.</summary>
    FUSE_MKDIR = 9,

    /// <summary>Removes a name.</summary>
    FUSE_UNLINK = 10,

    /// <summary>Removes a directory.</summary>
    FUSE_RMDIR = 11,

    /// <summary>Renames.</summary>
    FUSE_RENAME = 12,

    /// <summary>Adds a name.</summary>
    FUSE_LINK = 13,

    /// <summary>Opens a file.</summary>
    FUSE_OPEN = 14,

    /// <summary>Reads.</summary>
    FUSE_READ = 15,

    /// <summary>Writes.</summary>
    FUSE_WRITE = 16,

    /// <summary>Describes the file system.</summary>
    FUSE_STATFS = 17,

    /// <summary>Gives an open file back.</summary>
    FUSE_RELEASE = 18,

    /// <summary>Makes a file durable.</summary>
    FUSE_FSYNC = 20,

    /// <summary>Sets an extended attribute.</summary>
    FUSE_SETXATTR = 21,

    /// <summary>Gets an extended attribute.</summary>
    FUSE_GETXATTR = 22,

    /// <summary>Lists extended attributes.</summary>
    FUSE_LISTXATTR = 23,

    /// <summary>Removes an extended attribute.</summary>
    FUSE_REMOVEXATTR = 24,

    /// <summary>A file descriptor was closed.</summary>
    FUSE_FLUSH = 25,

    /// <summary>Starts a session.</summary>
    FUSE_INIT = 26,

    /// <summary>Opens a directory.</summary>
    FUSE_OPENDIR = 27,

    /// <summary>Lists a directory.</summary>
    FUSE_READDIR = 28,

    /// <summary>Gives an open directory back.</summary>
    FUSE_RELEASEDIR = 29,

    /// <summary>Makes a directory durable.</summary>
    FUSE_FSYNCDIR = 30,

    /// <summary>Tests a lock.</summary>
    FUSE_GETLK = 31,

    /// <summary>Sets a lock.</summary>
    FUSE_SETLK = 32,

    /// <summary>Sets a lock, waiting for it.</summary>
    FUSE_SETLKW = 33,

    /// <summary>Asks for permission.</summary>
    FUSE_ACCESS = 34,

    /// <summary>Makes and opens a file.</summary>
    FUSE_CREATE = 35,

    /// <summary>The client no longer waits for a request.</summary>
    FUSE_INTERRUPT = 36,

    /// <summary>Maps a block.</summary>
    FUSE_BMAP = 37,

    /// <summary>Ends a session.</summary>
    FUSE_DESTROY = 38,

    /// <summary>A device-specific operation.</summary>
    FUSE_IOCTL = 39,

    /// <summary>Asks for ready events.</summary>
    FUSE_POLL = 40,

    /// <summary>Data that a notification asked for.</summary>
    FUSE_NOTIFY_REPLY = 41,

    /// <summary>Gives back lookups of many nodes.</summary>
    FUSE_BATCH_FORGET = 42,

    /// <summary>Allocates or frees a range.</summary>
    FUSE_FALLOCATE = 43,

    /// <summary>Lists a directory with its nodes.</summary>
    FUSE_READDIRPLUS = 44,

    /// <summary>Renames, with flags.</summary>
    FUSE_RENAME2 = 45,

    /// <summary>Finds data or a hole.</summary>
    FUSE_LSEEK = 46,

    /// <summary>Copies between open files.</summary>
    FUSE_COPY_FILE_RANGE = 47,

    /// <summary>Maps a range into the DAX window.</summary>
    FUSE_SETUPMAPPING = 48,

    /// <summary>Unmaps ranges of the DAX window.</summary>
    FUSE_REMOVEMAPPING = 49,

    /// <summary>Makes a file system durable.</summary>
    FUSE_SYNCFS = 50,

    /// <summary>Makes a file with no name.</summary>
    FUSE_TMPFILE = 51,

    /// <summary>Gets extended attributes of <c>statx</c>.</summary>
    FUSE_STATX = 52,

    /// <summary>Copies between open files, with a 64-bit count.</summary>
    FUSE_COPY_FILE_RANGE_64 = 53,
}
