using System;
using System.IO;
using System.Text;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The socket by which front ends come: one that listens at a path, made here and removed at the end; one that was
/// inherited and listens already; or one that is connected to the one front end there is.
/// </summary>
/// <remarks>
/// The descriptor is this object's from then on, and is closed with it. All members may be called from any thread.
/// </remarks>
public sealed unsafe class VhostUserSocket : IDisposable
{
    private const int AddressBytes = 110; // struct sockaddr_un
    private const int PathOffset = 2;
    private const int Backlog = 8;

    // Its directory stays open: by its path it may be out of reach later, in a sandbox.
    private readonly SafeFileHandle? _directory;
    private readonly byte[] _name = [];
    private int _removed;

    private VhostUserSocket(SafeFileHandle handle, bool isListening, SafeFileHandle? directory, byte[] name)
    {
        Handle = handle;
        IsListening = isListening;
        _directory = directory;
        _name = name;
    }

    /// <summary>The descriptor, which stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Whether front ends connect to it; false if it is connected to one.</summary>
    public bool IsListening { get; }

    /// <summary>Takes over a socket that listens already, as a service manager hands it on.</summary>
    /// <param name="socket">
    /// Its descriptor, close-on-exec from here on. This object's if no exception is thrown.
    /// </param>
    /// <exception cref="VhostUserException">It is none.</exception>
    public static VhostUserSocket FromListening(SafeFileHandle socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ObjectDisposedException.ThrowIf(socket.IsClosed, socket);
        return IsListeningSocket(socket)
            ? Take(socket, isListening: true)
            : throw new VhostUserException(
                $"descriptor {Libc.Number(socket)} is no listening socket: let who made it call listen(2) on it",
                VhostUserFault.Usage);
    }

    /// <summary>Takes over a stream socket that a front end is connected to. The server ends with that.</summary>
    /// <param name="socket">
    /// Its descriptor, close-on-exec from here on. This object's if no exception is thrown.
    /// </param>
    /// <exception cref="VhostUserException">It is no socket, or one that listens.</exception>
    public static VhostUserSocket FromConnected(SafeFileHandle socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ObjectDisposedException.ThrowIf(socket.IsClosed, socket);
        return DescriptorKind.IsSocket(socket) && !IsListeningSocket(socket)
            ? Take(socket, isListening: false)
            : throw new VhostUserException(
                $"descriptor {Libc.Number(socket)} is no connected socket: give one that accept(2) or " +
                "socketpair(2) made",
                VhostUserFault.Usage);
    }

    /// <summary>
    /// Makes a socket that listens at a path; what a server that died left there is removed. From here on front ends
    /// may connect, and wait until they are served.
    /// </summary>
    /// <param name="path">At most 105 bytes of UTF-8; its directory must exist.</param>
    /// <exception cref="VhostUserException">It cannot be made; the message says why, and what to do.</exception>
    public static VhostUserSocket Listen(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Encoding.UTF8.GetByteCount(path) >= AddressBytes - PathOffset - 2)
        {
            throw new VhostUserException($"socket path {path} is too long: give at most 105 bytes");
        }

        RemoveStale(path);
        string parent = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        SafeFileHandle directory;
        fixed (byte* bytes = Libc.CString(parent))
        {
            directory = Libc.Own(Libc.open(bytes, Libc.O_PATH | Libc.O_CLOEXEC)); // SAFETY: pinned, ends with NUL.
        }

        SafeFileHandle handle = NewSocket();
        byte* address = stackalloc byte[AddressBytes];
        Fill(address, path);

        // SAFETY: the address is of this frame and has the length that is named.
        if (Libc.bind(Libc.Number(handle), address, AddressBytes) != 0
            || Libc.listen(Libc.Number(handle), Backlog) != 0)
        {
            Errno error = Libc.LastError;
            handle.Dispose();
            directory.Dispose();
            throw new VhostUserException(error switch
            {
                Errno.ENOENT => $"socket path {path}: its directory does not exist, create it",
                Errno.EACCES => $"socket path {path}: its directory cannot be written, choose another",
                _ => $"socket path {path} cannot be used: {Libc.Describe(error)}",
            });
        }

        return new VhostUserSocket(handle, isListening: true, directory, Libc.CString(Path.GetFileName(path)));
    }

    /// <summary>The next connection; invalid if it has gone away again.</summary>
    internal SafeFileHandle Accept() =>
        Libc.Own(Libc.accept4(Libc.Number(Handle), null, null, Libc.SOCK_CLOEXEC));

    /// <summary>
    /// Takes the socket out of its directory, once, if it was made here: no front end finds it from then on.
    /// </summary>
    public void Remove()
    {
        if (_directory is not null && Interlocked.Exchange(ref _removed, 1) == 0)
        {
            fixed (byte* name = _name)
            {
                _ = Libc.unlinkat(Libc.Number(_directory), name, 0); // SAFETY: pinned, ends with NUL.
            }
        }
    }

    /// <summary>Removes and closes it.</summary>
    public void Dispose()
    {
        Remove();
        Handle.Dispose();
        _directory?.Dispose();
    }

    private static VhostUserSocket Take(SafeFileHandle socket, bool isListening)
    {
        _ = Libc.fcntl(Libc.Number(socket), Libc.F_SETFD, Libc.FD_CLOEXEC);
        return new VhostUserSocket(socket, isListening, null, []);
    }

    private static bool IsListeningSocket(SafeFileHandle socket)
    {
        int listening = 0;
        uint length = sizeof(int);

        // SAFETY: the option is an int, of this frame.
        return Libc.getsockopt(Libc.Number(socket), Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN, &listening, &length) == 0
            && listening != 0;
    }

    private static void RemoveStale(string path)
    {
        Errno error = Libc.FileMode(path, out uint mode, followLinks: false);
        if (error == Errno.ENOENT)
        {
            return;
        }

        if (error != Errno.OK || (mode & Libc.S_IFMT) != Libc.S_IFSOCK)
        {
            throw new VhostUserException($"socket path {path} is taken by something that is no socket: choose another");
        }

        using SafeFileHandle handle = NewSocket();
        byte* address = stackalloc byte[AddressBytes];
        Fill(address, path);

        // Nobody listens to what a dead daemon left. SAFETY: as in Listen.
        if (Libc.connect(Libc.Number(handle), address, AddressBytes) == 0 || Libc.LastError != Libc.ECONNREFUSED)
        {
            throw new VhostUserException($"socket path {path} is in use by another program: choose another");
        }

        File.Delete(path);
    }

    private static SafeFileHandle NewSocket()
    {
        SafeFileHandle handle = Libc.Own(Libc.socket(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0));
        return handle.IsInvalid
            ? throw new VhostUserException(
                $"no socket can be made: {Libc.Describe(Libc.LastError)}", VhostUserFault.System)
            : handle;
    }

    // SAFETY: the caller has checked that the path and its NUL fit.
    private static void Fill(byte* address, string path)
    {
        var bytes = new Span<byte>(address, AddressBytes);
        bytes.Clear();
        *(ushort*)address = Libc.AF_UNIX;
        Encoding.UTF8.GetBytes(path, bytes[PathOffset..]);
    }
}
