using System;
using PassthroughFs.Core.Api;
using static PassthroughFs.Core.Api.InitFlags;

namespace PassthroughFs.Core.Protocol;

/// <summary>What INIT's numbers mean and who owns each flag.</summary>
/// <remarks>
/// <para>A flag is returned only if the client offered it and its owner acts on it:</para>
/// <list type="table">
/// <listheader><term>owner</term><description>flags</description></listheader>
/// <item><term>the session, whenever offered</term><description>
/// BIG_WRITES, MAX_PAGES (sizes that fit <see cref="FuseSessionOptions.MaxWrite"/>), SETXATTR_EXT, INIT_EXT (parsed
/// here)
/// </description></item>
/// <item><term>the session, with a transport</term><description>
/// HAS_EXPIRE_ONLY, HAS_RESEND (what <see cref="INotificationSink"/> sends)
/// </description></item>
/// <item><term>the session, with a window of the transport's</term><description>
/// MAP_ALIGNMENT (pages of the host); and only then HAS_INODE_DAX is the file system's
/// </description></item>
/// <item><term>the file system, if it asks</term><description>
/// <see cref="FileSystemFlags"/>; PASSTHROUGH only if the transport is an <see cref="IBackingFiles"/> that notifies;
/// POSIX_LOCKS, FLOCK_LOCKS only if it can reply later
/// </description></item>
/// <item><term>the transport, if it says so</term><description><see cref="TransportFlags"/></description></item>
/// <item><term>nobody</term><description>
/// FILE_OPS, INIT_RESERVED (historical); SPLICE_*, SECURITY_CTX, REQUEST_TIMEOUT (not acted on); bits that have no name yet
/// </description></item>
/// </list>
/// </remarks>
internal static class FuseNegotiation
{
    /// <summary>What takes effect in a file system's operations, so that it is the file system's to accept.</summary>
    public const InitFlags FileSystemFlags =
        FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | FUSE_DONT_MASK | FUSE_HAS_IOCTL_DIR
        | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_WRITEBACK_CACHE
        | FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV | FUSE_POSIX_ACL | FUSE_ABORT_ERROR
        | FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT | FUSE_EXPLICIT_INVAL_DATA | FUSE_SUBMOUNTS
        | FUSE_HANDLE_KILLPRIV_V2 | FUSE_HAS_INODE_DAX | FUSE_CREATE_SUPP_GROUP | FUSE_DIRECT_IO_ALLOW_MMAP
        | FUSE_NO_EXPORT_SUPPORT | FUSE_PASSTHROUGH | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_ALLOW_IDMAP;

    /// <summary>What the session acts on by itself.</summary>
    public const InitFlags SessionFlags = FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_SETXATTR_EXT | FUSE_INIT_EXT;

    /// <summary>What the session acts on where a transport can notify.</summary>
    public const InitFlags NotificationFlags = FUSE_HAS_EXPIRE_ONLY | FUSE_HAS_RESEND;

    /// <summary>What the session acts on where the transport has a window to map files into.</summary>
    public const InitFlags WindowFlags = FUSE_MAP_ALIGNMENT;

    /// <summary>What is as good as not offered where there is none.</summary>
    public const InitFlags NeedsWindow = WindowFlags | FUSE_HAS_INODE_DAX;

    /// <summary>What is as good as not offered where the transport has no backing files.</summary>
    public const InitFlags NeedsBackingFiles = FUSE_PASSTHROUGH;

    /// <summary>
    /// What is as good as not offered where the transport cannot reply later: who waits for a lock would keep a worker.
    /// </summary>
    public const InitFlags NeedsLateReplies = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;

    /// <summary>What takes effect in the transport, so that it is the transport's to accept.</summary>
    public const InitFlags TransportFlags = FUSE_OVER_IO_URING;

    /// <summary>
    /// How deep file systems may be stacked with backing files in use: the host's below, ours on it. More would keep
    /// others from stacking one on ours.
    /// </summary>
    public const uint MaxStackDepth = 1;

    /// <summary>The client's flags. The second word counts only if the first says so and it was sent.</summary>
    public static InitFlags Offered(in FuseInitIn init, int length)
    {
        InitFlags offered = (InitFlags)init.Flags;
        if ((offered & FUSE_INIT_EXT) == 0)
        {
            return offered;
        }

        const int ThroughFlags2 = 20;
        return length >= ThroughFlags2 ? offered | (InitFlags)((ulong)init.Flags2 << 32) : offered & ~FUSE_INIT_EXT;
    }

    /// <summary>What both sides act on, out of an offer without what cannot be.</summary>
    public static InitFlags Agree(
        InitFlags offered, InitFlags accepted, InitFlags acceptedByTransport, bool canNotify)
    {
        InitFlags session = SessionFlags | WindowFlags | (canNotify ? NotificationFlags : None);
        return ((accepted & FileSystemFlags) | (acceptedByTransport & TransportFlags) | session) & offered;
    }

    /// <summary>
    /// The most data of one WRITE and READ, so that they fit the options and the transport's messages, and how many
    /// pages hold them.
    /// </summary>
    /// <exception cref="ArgumentException">The transport's messages hold not even one page.</exception>
    public static (int MaxWrite, int MaxPages) Sizes(FuseSessionOptions options, TransportLimits limits)
    {
        int request = limits.MaxRequestBytes == 0
            ? int.MaxValue
            : limits.MaxRequestBytes - FuseProtocol.WriteRequestOverhead;
        int reply = limits.MaxReplyBytes == 0 ? int.MaxValue : limits.MaxReplyBytes - FuseProtocol.ReplyHeaderSize;
        if (request < FuseProtocol.PageSize || reply < FuseProtocol.PageSize)
        {
            throw new ArgumentException(
                $"The transport's limits ({limits.MaxRequestBytes} bytes a request, {limits.MaxReplyBytes} a reply) " +
                $"do not hold {FuseProtocol.PageSize} bytes of data and the headers.",
                nameof(limits));
        }

        // A READ is counted in whole pages, so a reply must hold those.
        int pages = Math.Min(Pages(Math.Min(options.MaxWrite, request)), reply / FuseProtocol.PageSize);
        pages = Math.Min(pages, ushort.MaxValue);
        int maxWrite = Math.Min(Math.Min(options.MaxWrite, request), pages * FuseProtocol.PageSize);
        return (maxWrite, pages);
    }

    /// <summary>How many pages hold <paramref name="bytes"/>.</summary>
    public static int Pages(int bytes) => (int)(((long)bytes + FuseProtocol.PageSize - 1) / FuseProtocol.PageSize);
}
