using System;
using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// How a <see cref="PassthroughFileSystem"/> behaves. Set the properties, hand it over; the file system works on a
/// copy of its own that is frozen (see <see cref="PassthroughFileSystem.Config"/>).
/// </summary>
/// <remarks>
/// Two conflicts are resolved, each with a warning in the log: <see cref="NoOpen"/> is switched off unless
/// <see cref="CachePolicy"/> is <see cref="CachePolicy.Always"/>, and <see cref="Writeback"/> is switched off with
/// <see cref="CachePolicy.Never"/> and <see cref="CachePolicy.Metadata"/>. Every other conflict is refused by
/// <see cref="PassthroughConfigValidator"/>.
/// </remarks>
public sealed partial class PassthroughConfig
{
    private bool _frozen;

    /// <summary>The directory to serve. Default "/".</summary>
    public string RootDir { get; set => field = Changed(value); } = "/";

    /// <summary>
    /// A descriptor of the directory to serve, for a process whose root is elsewhere by the time that INIT comes (a
    /// sandbox). Default null: <see cref="RootDir"/> is opened by its path. With it <see cref="RootDir"/> is only what
    /// messages call the directory.
    /// </summary>
    /// <remarks>
    /// The descriptor stays the caller's, who keeps it open for as long as the file system lives; O_PATH is enough.
    /// Nothing is ever opened by a path then, except <c>/proc/self/fd</c> and <c>/proc/self/status</c>, which the
    /// constructor and <see cref="PassthroughFileSystem.Import"/> read.
    /// </remarks>
    public int? RootFd { get; set => field = Changed(value); }

    /// <summary>How long the client may take a name for granted. Default 5 s.</summary>
    public TimeSpan EntryTimeout { get; set => field = Changed(value); } = TimeSpan.FromSeconds(5);

    /// <summary>How long the client may take attributes for granted. Default 5 s.</summary>
    public TimeSpan AttrTimeout { get; set => field = Changed(value); } = TimeSpan.FromSeconds(5);

    /// <summary><see cref="EntryTimeout"/> for directories. Default: the same as for the rest.</summary>
    public TimeSpan? DirEntryTimeout { get; set => field = Changed(value); }

    /// <summary><see cref="AttrTimeout"/> for directories. Default: the same as for the rest.</summary>
    public TimeSpan? DirAttrTimeout { get; set => field = Changed(value); }

    /// <summary>
    /// How long the client may take it for granted that a name does not exist. Default 0: not at all.
    /// </summary>
    public TimeSpan NegativeTimeout { get; set => field = Changed(value); }

    /// <summary>What the client may cache. Default <see cref="CachePolicy.Auto"/>.</summary>
    public CachePolicy CachePolicy { get; set => field = Changed(value); }

    /// <summary>
    /// Let the client collect writes before it sends them. Only where nobody but the client changes the directory.
    /// Default off.
    /// </summary>
    public bool Writeback { get; set => field = Changed(value); }

    /// <summary>Support extended attributes. Default off: ENOSYS, and the client does not ask again.</summary>
    public bool Xattr { get; set => field = Changed(value); }

    /// <summary>Support POSIX ACLs; needs <see cref="Xattr"/>. Default off.</summary>
    public bool PosixAcl { get; set => field = Changed(value); }

    /// <summary>
    /// Prepare the root when INIT comes. Default on. Off under a Vfs, which prepares it earlier by
    /// <see cref="PassthroughFileSystem.Import"/> and has negotiated already: then what INIT offers is honoured as it
    /// is.
    /// </summary>
    public bool DoImport { get; set => field = Changed(value); } = true;

    /// <summary>
    /// Do without OPEN and RELEASE of files where the client can. Needs <see cref="CachePolicy.Always"/>. Default off.
    /// </summary>
    public bool NoOpen { get; set => field = Changed(value); }

    /// <summary>
    /// How many files stay open with <see cref="NoOpen"/> after they were read or written, so that the next request
    /// need not open them again: each counts against the limit of open files. Default 256; 0 opens for each request.
    /// </summary>
    /// <remarks>
    /// A file is closed when the client forgets it, when another one takes its place, and when the limit of open files
    /// is met. Until then the host does not run it as a program if it was written (ETXTBSY). With
    /// <see cref="CheckPermissions"/> nothing stays open: each caller is checked by opening.
    /// </remarks>
    public int NoOpenFiles { get; set => field = Changed(value); } = 256;

    /// <summary>Do without OPENDIR and RELEASEDIR where the client can. Default off.</summary>
    public bool NoOpendir { get; set => field = Changed(value); }

    /// <summary>
    /// Remove set-id bits and capabilities in the server, in the same system call as the change that costs the file
    /// them. Default off: the client asks before each write.
    /// </summary>
    public bool KillprivV2 { get; set => field = Changed(value); }

    /// <summary>
    /// Whether inodes are kept by file descriptor or by kernel handle. Default <see cref="InodeFileHandles.Never"/>.
    /// </summary>
    public InodeFileHandles InodeFileHandles { get; set => field = Changed(value); }

    /// <summary>
    /// With <see cref="InodeFileHandles.Adaptive"/>: how many file descriptors inodes, open files and mounts may take
    /// together. Above that, descriptors of inodes are closed; open files stay open. Default null: as many as the soft
    /// RLIMIT_NOFILE has left when the root is prepared, less a quarter of it or 1,024 for requests and for the rest of
    /// the process, and 1,000,000 at most.
    /// </summary>
    /// <remarks>
    /// With null, all file systems of the process have one budget together, and the one with most descriptors gives way
    /// first; a number is for one file system alone. A larger number than the limit leaves counts as what it leaves, with
    /// a warning in the log.
    /// </remarks>
    public int? FdBudget { get; set => field = Changed(value); }

    /// <summary>
    /// How many nodes (files and directories that it has looked up and not forgotten) the client may know at once, the
    /// root included; at least 2. Beyond that a lookup of another one, and whatever would make one, is ENOMEM, and
    /// listings give names without nodes, until the client forgets some. Default null: a quarter of the memory that the
    /// process may use, at 256 bytes a node, for all its file systems together.
    /// </summary>
    public int? MaxNodes { get; set => field = Changed(value); }

    /// <summary>Show every directory as empty. Default off.</summary>
    public bool NoReaddir { get; set => field = Changed(value); }

    /// <summary>READDIRPLUS: deliver attributes together with names. Default on.</summary>
    public bool Readdirplus { get; set => field = Changed(value); } = true;

    /// <summary>Refuse with EPERM everything that would change a file's size. Default off.</summary>
    public bool SealSize { get; set => field = Changed(value); }

    /// <summary>
    /// Tell inodes apart by mount as well, so that two bind mounts of one file are two nodes. Default off.
    /// </summary>
    public bool EnableMntid { get; set => field = Changed(value); }

    /// <summary>
    /// The client uses DAX for regular files of at least this many bytes (0: for all), if it offered DAX for each
    /// file. Default null: for none.
    /// </summary>
    public long? DaxFileSize { get; set => field = Changed(value); }

    /// <summary>
    /// Make NodeIds from the host's inode numbers where they fit into 47 bits, instead of counting. Default off.
    /// </summary>
    public bool UseHostIno { get; set => field = Changed(value); }

    /// <summary>Pass O_DIRECT on to the host. Default on; off drops the flag from every open.</summary>
    public bool AllowDirectIo { get; set => field = Changed(value); } = true;

    /// <summary>
    /// Let the client read, write and map open files by itself, at the host's speed (FUSE_PASSTHROUGH), where client
    /// and transport can (<see cref="IBackingFiles"/>) and the server has CAP_SYS_ADMIN; a line in the log where they
    /// cannot. Default off.
    /// </summary>
    /// <remarks>
    /// The client caches nothing of such a file's contents, whatever <see cref="CachePolicy"/> says: there is one
    /// cache, the host's. Conflicts with <see cref="Writeback"/>, <see cref="NoOpen"/>, <see cref="SealSize"/>,
    /// <see cref="DaxFileSize"/>, and with <see cref="AllowDirectIo"/> off. What reads and writes a wrapper looks at do
    /// not come by any more.
    /// </remarks>
    public bool BackingFiles { get; set => field = Changed(value); }

    /// <summary>
    /// Let programs map files with MAP_SHARED that are open for direct I/O (<see cref="CachePolicy.Never"/> and
    /// <see cref="CachePolicy.Metadata"/>, FUSE_DIRECT_IO_ALLOW_MMAP). Such a mapping is the client's cache: it does not
    /// see what others write, and they see its stores late. Off, such an <c>mmap(2)</c> is ENODEV. Files that the client
    /// reads and writes by itself (<see cref="BackingFiles"/>) are mapped as the host maps them, either way. Default on.
    /// </summary>
    public bool DirectMappings { get; set => field = Changed(value); } = true;

    /// <summary>Refuse every change with EROFS. Default off.</summary>
    public bool ReadOnly { get; set => field = Changed(value); }

    /// <summary>
    /// Let the host check what each caller may do, for a client that does not: every operation is made as the caller,
    /// with the supplementary groups of its process. Default off: the client checks (<c>default_permissions</c>, every
    /// virtio-fs guest).
    /// </summary>
    /// <remarks>
    /// Callers must be processes of this host, in the server's pid namespace; the server must be able to change its
    /// identity (CAP_SETUID, CAP_SETGID), or callers other than itself get EPERM. Names are never cached then
    /// (<see cref="EntryTimeout"/> counts as 0): a cached one would be used without asking. <see cref="KillprivV2"/> is
    /// on. What the client opens by itself, FIFOs and devices, nobody checks. An open of which the client says that it
    /// runs the file takes the right to execute it and no other; no program can say so, only a client's kernel.
    /// </remarks>
    public bool CheckPermissions { get; set => field = Changed(value); }

    /// <summary>
    /// Let the client's administrator show the mount elsewhere under other ids (an idmapped mount,
    /// <c>mount_setattr(2)</c>; FUSE_ALLOW_IDMAP, Linux 6.12). Default off.
    /// </summary>
    /// <remarks>
    /// The client must check permissions itself (<c>default_permissions</c>), or it refuses to mount; so it conflicts with
    /// <see cref="CheckPermissions"/>. It says who calls only where something is made. What the host decides by the caller
    /// elsewhere (set-id bits after <c>fallocate(2)</c> and <c>copy_file_range(2)</c>) then goes by the caller's process,
    /// where callers are processes of this host, and else as for a caller without privileges.
    /// </remarks>
    public bool IdMappedMounts { get; set => field = Changed(value); }

    /// <summary>
    /// Let the client name files by handles of its own (<c>name_to_handle_at(2)</c>, NFS) that stay good after it has
    /// forgotten the file, and over a restart with <see cref="PassthroughFileSystem.SaveNodes"/>. Default off: the client
    /// makes none (FUSE_NO_EXPORT_SUPPORT).
    /// </summary>
    /// <remarks>
    /// Needs CAP_DAC_READ_SEARCH and a host file system with kernel handles. A forgotten file is found again while it
    /// is remembered: <see cref="RetainedMappings"/> should be as many files as clients hold handles of. What is not
    /// found again is ESTALE, and so is a file that was deleted.
    /// </remarks>
    public bool ExportSupport { get; set => field = Changed(value); }

    /// <summary>
    /// Make the client's POSIX record locks (<c>fcntl(2)</c>) the host's, so that the host's programs and other clients
    /// of the directory meet them. Needs a transport that can reply later. Default off: the client keeps them to itself.
    /// </summary>
    /// <remarks>
    /// Each owner of a lock on a file costs a file descriptor. Deadlocks are found (EDEADLK) among the processes of one
    /// client. Not with <see cref="NoOpen"/>: there the client does not tell of the end of an open file, and so not of its
    /// locks'.
    /// </remarks>
    public bool PosixLocks { get; set => field = Changed(value); }

    /// <summary>The same for <c>flock(2)</c>, at no cost. Default off. Not with <see cref="NoOpen"/>.</summary>
    public bool FlockLocks { get; set => field = Changed(value); }

    /// <summary>
    /// Tell the client where other mounts, and with Linux 6.10 btrfs subvolumes, begin below the root
    /// (FUSE_ATTR_SUBMOUNT), if it can mount them by itself; if it cannot, a warning says so. Inode numbers are different
    /// for different files either way. Default off.
    /// </summary>
    public bool AnnounceSubmounts { get; set => field = Changed(value); }

    /// <summary>
    /// For how many forgotten inodes the NodeId is remembered, so that they get it again. Default 65,536; 0 forgets at
    /// once. Does not matter with <see cref="UseHostIno"/>, save for inode numbers above 47 bits and with
    /// <see cref="ExportSupport"/>. Each costs about 150 bytes.
    /// </summary>
    public int RetainedMappings { get; set => field = Changed(value); } = 65_536;

    /// <summary>
    /// Set the process's umask to 0 on import. Default off: the mask is the embedding program's, and modes that it
    /// would cut are put right after each creation, at the cost of one more system call. On is right for a program that
    /// does nothing but serve.
    /// </summary>
    public bool ClearUmask { get; set => field = Changed(value); }

    /// <summary>
    /// What is agreed on with a client that offers it, under this configuration; also what a Vfs over such file systems
    /// should agree on (<c>VfsOptions.Flags</c>).
    /// </summary>
    public InitFlags WantedFlags
    {
        get
        {
            InitFlags wanted = InitFlags.FUSE_ASYNC_READ | InitFlags.FUSE_ATOMIC_O_TRUNC | InitFlags.FUSE_ASYNC_DIO |
                InitFlags.FUSE_PARALLEL_DIROPS | InitFlags.FUSE_DONT_MASK | InitFlags.FUSE_CREATE_SUPP_GROUP |
                InitFlags.FUSE_ABORT_ERROR;

            // What is opened for direct I/O, by the policy or by a program, programs still want to map.
            wanted |= If(DirectMappings, InitFlags.FUSE_DIRECT_IO_ALLOW_MMAP);
            if (Readdirplus)
            {
                wanted |= InitFlags.FUSE_DO_READDIRPLUS | InitFlags.FUSE_READDIRPLUS_AUTO;
            }

            if (CachePolicy is not CachePolicy.Always)
            {
                // Others may change files: what the client has cached is dropped when mtime or size say so.
                wanted |= InitFlags.FUSE_AUTO_INVAL_DATA;
            }

            if (CachePolicy is CachePolicy.Auto or CachePolicy.Always)
            {
                wanted |= InitFlags.FUSE_CACHE_SYMLINKS;
            }

            wanted |= If(Writeback, InitFlags.FUSE_WRITEBACK_CACHE);
            wanted |= If(NoOpen, InitFlags.FUSE_NO_OPEN_SUPPORT);
            wanted |= If(NoOpendir, InitFlags.FUSE_NO_OPENDIR_SUPPORT);

            // Where the host checks, a client that removes set-id bits itself would do so in the name of a caller who
            // may write to the file and not change its mode.
            wanted |= If(KillprivV2 || CheckPermissions, InitFlags.FUSE_HANDLE_KILLPRIV_V2);
            wanted |= If(DaxFileSize is not null, InitFlags.FUSE_HAS_INODE_DAX);
            wanted |= If(AnnounceSubmounts, InitFlags.FUSE_SUBMOUNTS);

            // A client that is told nothing makes handles all the same, and they last as long as it has the file cached.
            wanted |= ExportSupport ? InitFlags.FUSE_EXPORT_SUPPORT : InitFlags.FUSE_NO_EXPORT_SUPPORT;
            wanted |= If(BackingFiles, InitFlags.FUSE_PASSTHROUGH);
            wanted |= If(IdMappedMounts, InitFlags.FUSE_ALLOW_IDMAP);
            wanted |= If(PosixLocks, InitFlags.FUSE_POSIX_LOCKS);
            wanted |= If(FlockLocks, InitFlags.FUSE_FLOCK_LOCKS);
            return wanted | If(PosixAcl, InitFlags.FUSE_POSIX_ACL);
        }
    }

    /// <summary>A copy that can be changed.</summary>
    public PassthroughConfig Clone()
    {
        var copy = (PassthroughConfig)MemberwiseClone();
        copy._frozen = false;
        return copy;
    }

    internal PassthroughConfig Freeze()
    {
        _frozen = true;
        return this;
    }

    private static InitFlags If(bool condition, InitFlags flag) => condition ? flag : InitFlags.None;

    private T Changed<T>(T value, [CallerMemberName] string property = "") => _frozen
        ? throw new InvalidOperationException(
            $"{property} cannot be changed: this configuration is in use by a file system. Change a Clone() of it.")
        : value;
}
