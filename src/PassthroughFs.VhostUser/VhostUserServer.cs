using System;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// Serves a file system to virtual machines as a virtio-fs device: a vhost-user back end. Front ends (QEMU,
/// cloud-hypervisor, crosvm) come by a Unix socket, one after another; threads of the server's own answer the guest.
/// </summary>
/// <remarks>
/// <para>
/// The file system is the caller's: it must live until <see cref="Completion"/> has ended with
/// <see cref="VhostUserEnd.Quiet"/>. When a front end has gone, whatever its guest had open is closed
/// (<see cref="IFileSystem.Destroy"/>), and the next one may come. One that comes while another is served is turned
/// away.
/// </para>
/// <para>
/// From the first server on SIGBUS is answered in this process, in guest memory alone: a front end that shortens its
/// memory costs itself a queue, not this process. SIGXFSZ is ignored as long as a server lives: a write beyond
/// RLIMIT_FSIZE is the guest's error. Other signals are the program's.
/// </para>
/// <para>All members may be called from any thread.</para>
/// </remarks>
public sealed partial class VhostUserServer : IAsyncDisposable, IDisposable
{
    private const int SIGXFSZ = 25;

    private readonly TaskCompletionSource<VhostUserEnd> _completion =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Lock _lock = new();
    private readonly VhostUserServerOptions _options;
    private readonly VhostUserSocket _socket;
    private readonly FsDevice _device;
    private readonly Standby _standby = new();
    private readonly HangWatch _watch;
    private readonly ILogger _logger;
    private readonly SafeFileHandle _stop;
    private readonly PosixSignalRegistration _fileSize;
    private bool _isServing;
    private bool _isStopped;
    private bool _isClosed;

    private VhostUserServer(
        IFileSystem fileSystem, VhostUserSocket socket, VhostUserServerOptions options, ILoggerFactory loggers)
    {
        _options = options;
        _socket = socket;
        _logger = loggers.CreateLogger<VhostUserServer>();
        _device = new FsDevice(fileSystem, options.Device, loggers);
        _watch = new HangWatch(_device, _standby, options.HangWarning, options.HangHint, _logger);
        _stop = Libc.NewEvent();
        if (_stop.IsInvalid)
        {
            throw new VhostUserException(
                $"no eventfd can be made: {Libc.Describe(Libc.LastError)}", VhostUserFault.System);
        }

        _fileSize = PosixSignalRegistration.Create((PosixSignal)SIGXFSZ, context => context.Cancel = true);
        _watch.Start();
        if (!LostMemory.IsAnswered)
        {
            Log.LostMemoryUnanswered(_logger);
        }
    }

    /// <summary>
    /// Ends when the server does, with <see cref="StopAsync"/>, <see cref="DisposeAsync"/>, or the only front end there
    /// was to be (<see cref="VhostUserServerOptions.Once"/>, <see cref="VhostUserSocket.FromConnected"/>). It fails if
    /// serving has failed.
    /// </summary>
    public Task<VhostUserEnd> Completion => _completion.Task;

    /// <summary>How many requests are under way, those of former front ends that hang included.</summary>
    public int RequestsUnderWay => _watch.List().Count;

    /// <summary>Listens at a path and begins to serve.</summary>
    /// <param name="fileSystem">What the guests see. The caller's.</param>
    /// <param name="socketPath">
    /// The socket: at most 105 bytes of UTF-8. What a server that died left there is removed, and so is this one at the
    /// end.
    /// </param>
    /// <param name="options">How; null for the defaults. Changes made to it later have no effect.</param>
    /// <param name="loggers">For what happens at run time; null for nothing.</param>
    /// <exception cref="VhostUserException">It did not work; the message says why, and what to do.</exception>
    public static VhostUserServer Start(
        IFileSystem fileSystem, string socketPath, VhostUserServerOptions? options = null,
        ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        options?.Validate();
        VhostUserSocket socket = VhostUserSocket.Listen(socketPath);
        try
        {
            VhostUserServer server = Create(fileSystem, socket, options, loggers);
            server.Serve();
            return server;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Makes a server that takes no connection yet, for a process that has something to do in between: to shut itself
    /// in. <see cref="Serve"/> begins.
    /// </summary>
    /// <param name="fileSystem">As above.</param>
    /// <param name="socket">
    /// The socket. The server disposes of it at its end; if this throws it stays the caller's.
    /// </param>
    /// <param name="options">As above.</param>
    /// <param name="loggers">As above.</param>
    /// <exception cref="VhostUserException">As above.</exception>
    public static VhostUserServer Create(
        IFileSystem fileSystem, VhostUserSocket socket, VhostUserServerOptions? options = null,
        ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(socket);
        options ??= new VhostUserServerOptions();
        options.Validate();
        options = options.Copy();
        Prepare();
        return new VhostUserServer(fileSystem, socket, options, loggers ?? NullLoggerFactory.Instance);
    }

    /// <summary>
    /// Opens what the process needs of <c>/proc</c>, for one that loses sight of it before <see cref="Create"/>. Any
    /// number of times.
    /// </summary>
    /// <exception cref="VhostUserException">There is no /proc.</exception>
    public static void Prepare() => DescriptorKind.Prepare();

    /// <summary>
    /// Begins to take connections, on a thread of its own. Does nothing if the server was told to stop before.
    /// </summary>
    /// <exception cref="InvalidOperationException">The server serves already.</exception>
    public void Serve()
    {
        lock (_lock)
        {
            if (_isServing)
            {
                throw new InvalidOperationException("A server serves once.");
            }

            if (_isStopped)
            {
                return;
            }

            _isServing = true;
        }

        try
        {
            new Thread(Run) { Name = "ptfs-vhost", IsBackground = true }.Start();
        }
        catch (Exception e)
        {
            // Nobody else ends it.
            EndWith(e);
            throw;
        }
    }

    /// <summary>A line for each request that is under way, the oldest first; empty if there is none.</summary>
    public string DescribeRequests()
    {
        var text = new StringBuilder();
        foreach (RequestUnderWay request in _watch.List())
        {
            text.Append(RequestText.Describe(request)).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>
    /// Begins to end: no request is taken any more, and <see cref="Completion"/> ends when those under way have, or
    /// after <see cref="VhostUserServerOptions.EndTimeout"/>. Does not wait.
    /// </summary>
    public void Stop()
    {
        lock (_lock)
        {
            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
            if (_isServing)
            {
                _ = Libc.Signal(Libc.Number(_stop));
                return;
            }
        }

        End(null);
    }

    /// <summary>Ends the server and waits for it.</summary>
    /// <param name="cancellationToken">Ends the wait, not the end.</param>
    /// <returns>How it has ended.</returns>
    public Task<VhostUserEnd> StopAsync(CancellationToken cancellationToken = default)
    {
        Stop();
        return _completion.Task.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Ends the server and waits for it: the socket is gone, and requests that hang longer than
    /// <see cref="VhostUserServerOptions.EndTimeout"/> are nobody's.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        Stop();
        await ((Task)_completion.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            if (!_isClosed)
            {
                _isClosed = true;
                _stop.Dispose();
                _fileSize.Dispose();
            }
        }
    }

    /// <summary>As <see cref="DisposeAsync"/>, waiting.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();
}
