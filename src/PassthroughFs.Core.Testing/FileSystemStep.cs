namespace PassthroughFs.Core.Testing;

/// <summary>A request to a file system.</summary>
public enum FileSystemStep
{
    /// <summary>LOOKUP, of bad names and "." too.</summary>
    Lookup,

    /// <summary>LOOKUP of "." or ".." on a NodeId that was given once, and may be forgotten.</summary>
    LookupByNode,

    /// <summary>FORGET of some or too many lookups.</summary>
    Forget,

    /// <summary>GETATTR.</summary>
    GetAttr,

    /// <summary>SETATTR of the mode.</summary>
    SetMode,

    /// <summary>SETATTR of the size.</summary>
    SetSize,

    /// <summary>MKDIR.</summary>
    Mkdir,

    /// <summary>MKNOD of a file or FIFO.</summary>
    Mknod,

    /// <summary>SYMLINK.</summary>
    Symlink,

    /// <summary>READLINK.</summary>
    ReadLink,

    /// <summary>LINK.</summary>
    Link,

    /// <summary>UNLINK.</summary>
    Unlink,

    /// <summary>RMDIR.</summary>
    Rmdir,

    /// <summary>RENAME, with RENAME_NOREPLACE or RENAME_EXCHANGE at times.</summary>
    Rename,

    /// <summary>CREATE, with O_EXCL, O_TRUNC or O_APPEND at times.</summary>
    Create,

    /// <summary>OPEN.</summary>
    Open,

    /// <summary>READ by a handle that was given once.</summary>
    Read,

    /// <summary>WRITE by a handle that was given once.</summary>
    Write,

    /// <summary>RELEASE of a handle that was given once.</summary>
    Release,

    /// <summary>READDIR from beginning to end.</summary>
    List,

    /// <summary>READDIRPLUS from beginning to end.</summary>
    ListPlus,

    /// <summary>Another file system goes on with the state.</summary>
    HandOver,
}
