using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Fuse.Ring;
using PassthroughFs.Shared;

namespace PassthroughFs.Fuse;

/// <summary>
/// A file system that is mounted at a directory: requests come from the kernel's /dev/fuse, threads of its own answer them.
/// </summary>
/// <remarks>
/// <para>
/// Root mounts by mount(2), others by <c>fusermount3</c>. The file system is the caller's: it must live until
/// <see cref="Completion"/> has ended with <see cref="FuseMountEnd.Unmounted"/>, or <see cref="DisposeAsync"/> has.
/// </para>
/// <para>
/// The mount goes with <see cref="DisposeAsync"/>, by <c>umount</c> from outside, by a signal
/// (<see cref="FuseMountOptions.HandleSignals"/>), at the end of the process, and when an exception that nobody catches ends
/// it. Nothing removes it when the process is killed, but for <see cref="FuseMountOptions.AutoUnmount"/>: then `umount` or
/// `fusermount3 -u` does.
/// </para>
/// <para>All members may be called from any thread.</para>
/// </remarks>
public sealed partial class FuseMount : IAsyncDisposable, IDisposable
{
    private static readonly TimeSpan s_initLimit = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource<FuseMountEnd> _completion =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly FuseMountOptions _options;
    private readonly ILogger _logger;
    private readonly ServerStatus _status = new();
    private readonly DeviceTransport _transport = new();
    private readonly FuseSession _session;
    private readonly HangWatch _watch;
    private readonly Signals _signals;
    private readonly Lazy<Task> _usersEnd;
    private ActiveMount _mount = null!;
    private Server _server = null!;
    private RingServer? _ring;
    private volatile bool _isEndOurs;

    private FuseMount(IFileSystem fileSystem, FuseMountOptions options, ILoggerFactory loggers)
    {
        _options = options;
        _logger = loggers.CreateLogger<FuseMount>();
        _session = new FuseSession(
            fileSystem, options.SessionOptions, _transport, loggers.CreateLogger<FuseSession>());
        _status.Attach(_session);
        _watch = new HangWatch(
            new RequestWatch(_session), options.PathOf ?? (_ => null),
            new HangEpisode(
                options.HangWarning, options.Threads + options.StandbyThreads, () => MountPoint, options.HangHint, _logger));
        _signals = new Signals(_status, _logger, options.HandleSignals);
        _usersEnd = new Lazy<Task>(() => Task.Run(EndUsers));
    }

    /// <summary>
    /// Ends with the mount. It fails with a <see cref="FuseMountException"/> if the mount did not end by order: its
    /// connection was aborted from outside, or a thread has failed.
    /// </summary>
    public Task<FuseMountEnd> Completion => _completion.Task;

    /// <summary>Where it is, without symbolic links.</summary>
    public string MountPoint => _mount.MountPoint;

    /// <summary>What client and server have agreed on.</summary>
    public InitFlags NegotiatedFlags => _session.NegotiatedFlags;

    /// <summary>Mounts, and returns when the mount can be used.</summary>
    /// <param name="fileSystem">What is seen there. The caller's.</param>
    /// <param name="mountPoint">An existing directory.</param>
    /// <param name="options">How; null for the defaults. Changes made to it later have no effect.</param>
    /// <param name="loggers">For what happens at run time; null for nothing.</param>
    /// <exception cref="FuseMountException">It did not work; the message says why, and what to do.</exception>
    public static FuseMount Start(
        IFileSystem fileSystem, string mountPoint, FuseMountOptions? options = null, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(mountPoint);
        options = Checked(options);
        mountPoint = CheckMountPoint(mountPoint);
        var mount = new FuseMount(fileSystem, options, loggers ?? NullLoggerFactory.Instance);
        mount.Begin(() => Libc.geteuid() == 0 && !options.AutoUnmount
            ? KernelMount.Create(options, mountPoint)
            : FusermountHelper.Create(options, mountPoint));
        return mount;
    }

    /// <summary>As <see cref="Start"/>, on a thread of the pool: mounting waits for the kernel and may start a program.
    /// </summary>
    /// <param name="fileSystem">As above.</param>
    /// <param name="mountPoint">As above.</param>
    /// <param name="options">As above.</param>
    /// <param name="loggers">As above.</param>
    /// <param name="cancellationToken">Looked at before it begins; a mount that was made meanwhile is removed.</param>
    /// <exception cref="FuseMountException">As above.</exception>
    public static async Task<FuseMount> StartAsync(
        IFileSystem fileSystem, string mountPoint, FuseMountOptions? options = null, ILoggerFactory? loggers = null,
        CancellationToken cancellationToken = default)
    {
        FuseMount mount = await Task.Run(
            () => Start(fileSystem, mountPoint, options, loggers), cancellationToken).ConfigureAwait(false);
        if (cancellationToken.IsCancellationRequested)
        {
            await mount.DisposeAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return mount;
    }

    /// <summary>Takes the place of another process that serves a mount (<see cref="TryHandOver"/>).</summary>
    /// <param name="fileSystem">What is seen there from now on: of the same kind and options, with nothing in it.</param>
    /// <param name="options">How; what is about mounting has no effect, nor has <see cref="FuseMountOptions.IoUring"/>.
    /// </param>
    /// <param name="take">
    /// Gets state and descriptors from the predecessor, restores and connects them, and returns when the predecessor serves
    /// no more. What it throws is thrown on, and nothing is changed.
    /// </param>
    /// <param name="loggers">As above.</param>
    public static FuseMount TakeOver(
        IFileSystem fileSystem, FuseMountOptions options, Action<FuseTakeOver> take, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(take);
        options = Checked(options);
        options.IoUring = false;
        var mount = new FuseMount(fileSystem, options, loggers ?? NullLoggerFactory.Instance);
        mount.Begin(
            () =>
            {
                var taken = new FuseTakeOver(mount._session);
                take(taken);
                return taken.Mount ?? throw new InvalidOperationException(
                    $"{nameof(FuseTakeOver)}.{nameof(FuseTakeOver.Connect)} was not called.");
            },
            isNew: false);
        return mount;
    }

    /// <summary>A mount point without symbolic links, if something can be mounted there.</summary>
    /// <param name="mountPoint">The directory.</param>
    /// <exception cref="FuseMountException">Nothing can; the message says what to do.</exception>
    public static string CheckMountPoint(string mountPoint)
    {
        (string real, _) = DirectoryPath.Check(mountPoint, "mount point");
        IReadOnlyList<MountTable.Entry> mounts = MountTable.At(real);
        return mounts.Count > 0 && mounts[^1].IsFuse
            ? throw new FuseMountException(
                $"mount point {mountPoint} is busy: {mounts[^1].Source} ({mounts[^1].Type}) is mounted there, " +
                $"remove it first with `{DirectoryPath.UnmountCommand(real)}`")
            : real;
    }

    /// <summary>What this machine lets this process mount, what is missing, and what to do about it.</summary>
    public static FuseSupport CheckSupport() => FuseSupport.Find();

    /// <summary>A line for each request that is under way, the oldest first; empty if there is none.</summary>
    public string DescribeRequests() => _watch.Describe();

    /// <summary>
    /// Begins to take the mount away: it leaves the tree, and <see cref="Completion"/> ends when its threads have. Does not
    /// wait.
    /// </summary>
    public void Unmount()
    {
        _isEndOurs = true;
        _status.RequestEnd();
    }

    /// <summary>
    /// Takes the mount away, and waits until nothing is under way: what hangs is aborted after
    /// <see cref="FuseMountOptions.EndTimeout"/>, and who still has files open gets errors from now on.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        Unmount();
        await ((Task)_completion.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!IsQuiet)
        {
            await _usersEnd.Value.ConfigureAwait(false);
        }
    }

    /// <summary>As <see cref="DisposeAsync"/>, waiting.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Whether the mount has ended and nothing is under way, so that the file system may be disposed of.</summary>
    internal bool IsQuiet => _mount.Device.IsClosed;

    private static FuseMountOptions Checked(FuseMountOptions? options)
    {
        options = options?.Copy() ?? new FuseMountOptions();
        options.Validate();
        return options;
    }
}
