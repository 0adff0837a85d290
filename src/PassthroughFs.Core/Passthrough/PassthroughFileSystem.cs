using System;
using System.IO;
using System.Text;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// A file system that mirrors a host directory: each request becomes the same request to the host.
/// </summary>
/// <remarks>
/// <para>
/// Every name of a request is one component and no symbolic link is followed, so that a client never leaves the
/// directory. Files are opened only if they are regular files or directories.
/// </para>
/// <para>
/// Files are made as the caller (<see cref="RequestContext.Uid"/>, <see cref="RequestContext.Gid"/>); everything else
/// is done as the server. Whether a caller may do it is the client's to check, as FUSE's <c>default_permissions</c> and
/// every virtio-fs guest do; for a client that does not, see <see cref="PassthroughConfig.CheckPermissions"/>.
/// </para>
/// </remarks>
public sealed partial class PassthroughFileSystem : IBackendFileSystem, IStatefulFileSystem, IDisposable
{
    private readonly ILogger _logger;
    private readonly Refusals _refusals;
    private readonly ProcSelfFd _proc;
    private readonly ProcessIdentity _identity;
    private readonly MountFds _mounts = new();
    private readonly InodeStore _inodes;
    private readonly ShownNumbers _shown = new();
    private readonly LinkIdentity _links;
    private readonly RootTree _tree;
    private readonly HostMounts _hostMounts;
    private readonly ForgottenNodes _forgotten;
    private readonly HandleStore _handles = new();
    private readonly KeptFiles _kept;
    private readonly BackedFiles _backed;
    private readonly DescriptorBudget _budget;
    private readonly bool _export;
    private readonly TimeSpan _entryTimeout;
    private readonly TimeSpan _dirEntryTimeout;
    private readonly TimeSpan _dirAttrTimeout;

    // What of the process's umask is in the way of a client's modes; 0 once it is cleared.
    private uint _umask;
    private volatile bool _takeHandles;
    private volatile bool _keepFds;

    private volatile Negotiated _negotiated;
    private SessionServices _services;

    /// <summary>A file system that serves nothing before <see cref="Import"/> or INIT.</summary>
    /// <param name="config">How it behaves; copied.</param>
    /// <param name="logger">Gets warnings and errors, or null.</param>
    /// <exception cref="ArgumentException">The configuration is invalid; the message says each fault.</exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux.</exception>
    /// <exception cref="IOException">
    /// RLIMIT_NOFILE is below 128, /proc is not there, or kernel handles are mandatory, or needed for ExportSupport,
    /// and not permitted.
    /// </exception>
    public PassthroughFileSystem(PassthroughConfig config, ILogger<PassthroughFileSystem>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        PassthroughConfigValidator.ThrowIfInvalid(config);
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException(
                "A passthrough file system needs Linux: it is made of its system calls.");
        }

        int limit = DescriptorReserve.Refresh();
        if (limit < DescriptorReserve.SmallestLimit)
        {
            throw new IOException(
                $"The limit of open files (RLIMIT_NOFILE) is {limit}, and serving takes {DescriptorReserve.SmallestLimit} " +
                "at least: raise it (ulimit -n) to 1,024 or more.");
        }

        _proc = new ProcSelfFd();
        _identity = new ProcessIdentity();
        _logger = GuardedLogger.Around(logger);
        _refusals = new Refusals(_logger);
        Config = Resolve(config.Clone()).Freeze();
        if (!_identity.CanOpenByHandle &&
            (Config.ExportSupport || Config.InodeFileHandles == InodeFileHandles.Mandatory))
        {
            _proc.Dispose();
            throw new IOException(Config.ExportSupport
                ? "ExportSupport needs CAP_DAC_READ_SEARCH, which this process does not have: run it as root or with " +
                    "that capability, or switch ExportSupport off."
                : "InodeFileHandles Mandatory needs CAP_DAC_READ_SEARCH, which this process does not have: run it as " +
                    "root or with that capability, or use Prefer.");
        }

        _negotiated = Negotiate(InitFlags.None);
        _entryTimeout = Config.CheckPermissions ? TimeSpan.Zero : Config.EntryTimeout;
        _dirEntryTimeout = Config.CheckPermissions ? TimeSpan.Zero : Config.DirEntryTimeout ?? Config.EntryTimeout;
        _dirAttrTimeout = Config.DirAttrTimeout ?? Config.AttrTimeout;
        bool mayLackOpen = Config.NoOpen || !Config.DoImport;
        _kept = new KeptFiles(mayLackOpen && !Config.CheckPermissions ? Config.NoOpenFiles : 0);
        _export = Config.ExportSupport;
        _links = new LinkIdentity(_hostFileSystems);
        _inodes = new InodeStore(
            Config.UseHostIno ? new InodeAllocator() : null, Config.RetainedMappings, _mounts, _export,
            Config.InodeFileHandles == InodeFileHandles.Adaptive)
        {
            MostLive = Config.MaxNodes,
        };
        _tree = new RootTree(_inodes, _proc, Config.EnableMntid);
        _hostMounts = new HostMounts(_mounts, _tree, _proc, _logger, _export);
        _budget = new DescriptorBudget(
            Config, _logger, _refusals, _proc, _inodes, _handles, _kept, _locks, _mounts, _hostMounts);
        _forgotten = new ForgottenNodes(_inodes, _mounts, _hostMounts, _tree, _budget, Config.EnableMntid);
        _backed = new BackedFiles(Config, _logger, _inodes, _identity);
    }

    /// <summary>The configuration in force, with conflicts resolved. It cannot be changed any more.</summary>
    public PassthroughConfig Config { get; }

    /// <summary>The live inodes.</summary>
    public InodeStore Inodes => _inodes;

    /// <summary>How often clients were refused something because they have too much of it.</summary>
    public RefusalCounts Refused => _refusals.Counts;

    /// <summary>The open files.</summary>
    public HandleStore Handles => _handles;

    /// <summary>How many descriptors are open for longer than a request.</summary>
    internal int HeldFds => _budget.Held;

    /// <inheritdoc/>
    public void Attach(in SessionServices services) => _services = services;

    /// <summary>
    /// Prepares the root, with a lookup count of 2. INIT does it unless <see cref="PassthroughConfig.DoImport"/> is
    /// off.
    /// </summary>
    /// <returns>ENOENT or ENOTDIR for the root directory, EOPNOTSUPP or EPERM where kernel handles must work and do
    /// not, …</returns>
    public Errno Import()
    {
        Errno result = OpenRoot();
        if (result != Errno.OK)
        {
            PassthroughLog.ImportFailed(_logger, Config.RootDir, result);
        }

        return result;
    }

    /// <inheritdoc/>
    /// <remarks>The same as <see cref="Import"/>; for use under a Vfs.</remarks>
    public unsafe Errno Mount(out Entry root, out NodeId maxNode)
    {
        root = default;
        maxNode = new NodeId(InodeAllocator.MaxNodeId);
        Errno result = Import();
        if (result != Errno.OK)
        {
            return result;
        }

        result = GetNode(NodeId.Root, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            StatxBuffer stat;
            int status = HostStat.Of(fd.Value, &stat);
            if (status < 0)
            {
                return (Errno)(-status);
            }

            MakeEntry(NodeId.Root, stat, out root);
            return Errno.OK;
        }
    }

    /// <inheritdoc/>
    public int ListNodes(ulong start, Span<NodeId> nodes, out ulong next) =>
        _inodes.ListLive(start, nodes, out next);

    /// <inheritdoc/>
    public Errno Init(in RequestContext context, InitFlags offered, out InitFlags accepted)
    {
        accepted = InitFlags.None;
        if (Config.DoImport)
        {
            Errno result = Import();
            if (result != Errno.OK)
            {
                return result;
            }
        }

        InitFlags wanted = Config.WantedFlags;
        if (!Config.DoImport)
        {
            // Under a Vfs what is offered was negotiated already, and is honoured as it is.
            wanted |= InitFlags.FUSE_WRITEBACK_CACHE | InitFlags.FUSE_NO_OPEN_SUPPORT |
                InitFlags.FUSE_NO_OPENDIR_SUPPORT | InitFlags.FUSE_HANDLE_KILLPRIV_V2 | InitFlags.FUSE_POSIX_LOCKS |
                InitFlags.FUSE_FLOCK_LOCKS;
        }

        if (_services.BackingFiles is null)
        {
            wanted &= ~InitFlags.FUSE_PASSTHROUGH;
        }

        accepted = wanted & offered;
        if (accepted.HasFlag(InitFlags.FUSE_NO_OPEN_SUPPORT))
        {
            // Without opens nobody would truncate: the client must do it by a setattr of its own. Nor is there an open
            // file to be flock's owner.
            accepted &= ~(InitFlags.FUSE_ATOMIC_O_TRUNC | InitFlags.FUSE_FLOCK_LOCKS);
        }

        const InitFlags Conflicts =
            InitFlags.FUSE_NO_OPEN_SUPPORT | InitFlags.FUSE_WRITEBACK_CACHE | InitFlags.FUSE_HAS_INODE_DAX;
        if ((accepted & Conflicts) != 0)
        {
            // Only a Vfs that negotiated one of these for others comes here: the validator refuses the combinations.
            accepted &= ~InitFlags.FUSE_PASSTHROUGH;
        }

        if (Config.PosixLocks && !accepted.HasFlag(InitFlags.FUSE_POSIX_LOCKS))
        {
            PassthroughLog.NoLocks(_logger, nameof(Config.PosixLocks));
        }

        if (Config.FlockLocks && !accepted.HasFlag(InitFlags.FUSE_FLOCK_LOCKS))
        {
            PassthroughLog.NoLocks(_logger, nameof(Config.FlockLocks));
        }

        if (Config.AnnounceSubmounts && !accepted.HasFlag(InitFlags.FUSE_SUBMOUNTS))
        {
            PassthroughLog.NoSubmounts(_logger);
        }

        Agree(accepted);
        return Errno.OK;
    }

    /// <inheritdoc/>
    public void Destroy(in RequestContext context)
    {
        _handles.Clear();
        _backed.Clear();
        _kept.Clear();
        _locks.Clear();
        _inodes.ForgetAll();
        TestPoint("Destroy: cleared");

        // The root is there again for whoever comes next; if it cannot be, the log says so and every node is EBADF. In
        // a Vfs that is no fault: the directory may go when it has been unmounted, and a mount prepares the root anew.
        Errno result = Config.DoImport ? Import() : OpenRoot();
        if (result != Errno.OK && !Config.DoImport)
        {
            PassthroughLog.RootGone(_logger, Config.RootDir, result);
        }
    }

    /// <summary>
    /// The host's path of a node at this moment, from <c>/proc/self/fd</c>: for logs and tools, not for opening. A
    /// deleted file's path ends in " (deleted)".
    /// </summary>
    /// <param name="node">A live node.</param>
    /// <param name="path">The path; what is not UTF-8 in it is replaced.</param>
    /// <returns>EBADF for a node that is not known, ENAMETOOLONG for a path of 4096 bytes or more, …</returns>
    public unsafe Errno ReadLinkOfNode(NodeId node, out string path)
    {
        path = "";
        Errno result = GetNode(node, out NodeFd fd);
        if (result != Errno.OK)
        {
            return result;
        }

        using (fd)
        {
            byte* target = stackalloc byte[Linux.PATH_MAX];
            int length = _proc.ReadLink(fd.Value, target);
            if (length < 0)
            {
                return (Errno)(-length);
            }

            path = Encoding.UTF8.GetString(target, length);
            return Errno.OK;
        }
    }

    /// <summary>Closes every file descriptor. No call may be under way.</summary>
    public void Dispose()
    {
        _budget.End();
        _handles.Dispose();
        _backed.Clear();
        _kept.Dispose();
        _locks.Dispose();
        _inodes.Dispose();
        _proc.Dispose();
    }

    private Errno OpenRoot()
    {
        TakeUmask();
        int fd = OpenRootDirectory();
        return fd < 0 ? (Errno)(-fd) : AddRoot(fd);
    }

    /// <summary>An O_PATH fd of the directory to serve, or the error negated.</summary>
    private unsafe int OpenRootDirectory()
    {
        string name = Config.RootFd is null ? Config.RootDir : ".";
        fixed (byte* path = Encoding.UTF8.GetBytes(name + '\0'))
        {
            return Sys.OpenAt(
                Config.RootFd ?? Constants.AT_FDCWD, path, Linux.O_PATH | Linux.O_DIRECTORY | Linux.O_CLOEXEC);
        }
    }

    private void TakeUmask()
    {
        if (Config.ClearUmask)
        {
            _ = Sys.Umask(0);
            _umask = 0;
        }
        else
        {
            _umask = ProcessUmask.Read(_umask);
        }
    }

    /// <summary>From here on the client acts on these.</summary>
    private void Agree(InitFlags accepted)
    {
        _backed.Start(accepted, _services);
        _negotiated = Negotiate(accepted);
    }

    private Negotiated Negotiate(InitFlags accepted) => new(accepted, new SetIdBits(
        _identity, _services.Notifications, Config.CheckPermissions || _services.HasLocalCallers,
        accepted.HasFlag(InitFlags.FUSE_HANDLE_KILLPRIV_V2)));

    /// <summary>Whether a thread that has become the caller where the host checks is the server's still.</summary>
    private bool IsServerFor(in RequestContext context) =>
        !Config.CheckPermissions || _identity.IsServer(context.Uid);

    /// <summary>Makes this thread the caller, to make a new file.</summary>
    private Errno BecomeOwner(in RequestContext context, out ProcessIdentity.Switched switched) =>
        _identity.Become(context, Config.CheckPermissions, out switched);

    /// <summary>Makes this thread the caller if it is the host that checks what the caller may do.</summary>
    private Errno BecomeCaller(in RequestContext context, out ProcessIdentity.Switched switched)
    {
        switched = ProcessIdentity.Switched.Nothing;
        return Config.CheckPermissions ? _identity.Become(context, true, out switched) : Errno.OK;
    }

    private PassthroughConfig Resolve(PassthroughConfig config)
    {
        if (config.NoOpen && config.CachePolicy != CachePolicy.Always)
        {
            PassthroughLog.NoOpenSwitchedOff(_logger, config.CachePolicy);
            config.NoOpen = false;
        }

        if (config.Writeback && config.CachePolicy is CachePolicy.Never or CachePolicy.Metadata)
        {
            PassthroughLog.WritebackSwitchedOff(_logger, config.CachePolicy);
            config.Writeback = false;
        }

        return config;
    }
}
