using System;
using System.IO;
using System.Text;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>The socket to which a VMM connects: made here and removed at the end, or inherited.</summary>
internal sealed unsafe class ListeningSocket : IDisposable
{
    private const int AddressBytes = 110; // struct sockaddr_un
    private const int PathOffset = 2;
    private const int Backlog = 8;

    // Its directory stays open: by its path it may be out of reach later, in a sandbox.
    private readonly SafeFileHandle? _directory;
    private readonly byte[] _name = [];
    private int _removed;

    private ListeningSocket(SafeFileHandle handle, SafeFileHandle? directory, byte[] name)
    {
        Handle = handle;
        _directory = directory;
        _name = name;
    }

    public SafeFileHandle Handle { get; }

    /// <summary>Takes an inherited one over.</summary>
    /// <exception cref="DaemonException">It is none.</exception>
    public static ListeningSocket Inherit(int fd)
    {
        int listening = 0;
        uint length = sizeof(int);

        // Sound: the option is an int, of this frame.
        if (Libc.getsockopt(fd, Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0)
        {
            throw new DaemonException($"--fd {fd} is no listening socket: let the parent call listen(2) on it");
        }

        _ = Libc.fcntl(fd, Libc.F_SETFD, Libc.FD_CLOEXEC);
        return new ListeningSocket(Libc.Own(fd), null, []);
    }

    /// <summary>Makes one at a path; what a daemon that died left there is removed.</summary>
    /// <exception cref="DaemonException">It cannot be made.</exception>
    public static ListeningSocket Create(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) >= AddressBytes - PathOffset - 2)
        {
            throw new DaemonException($"socket path {path} is too long: give at most 105 bytes");
        }

        RemoveStale(path);
        string parent = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        SafeFileHandle directory;
        fixed (byte* bytes = Libc.CString(parent))
        {
            directory = Libc.Own(Libc.open(bytes, Libc.O_PATH | Libc.O_CLOEXEC)); // Sound: pinned, ends with NUL.
        }

        SafeFileHandle handle = NewSocket();
        byte* address = stackalloc byte[AddressBytes];
        Fill(address, path);

        // Sound: the address is of this frame and has the length that is named.
        if (Libc.bind(Libc.Number(handle), address, AddressBytes) != 0
            || Libc.listen(Libc.Number(handle), Backlog) != 0)
        {
            Errno error = Libc.LastError;
            handle.Dispose();
            directory.Dispose();
            throw new DaemonException(error switch
            {
                Errno.ENOENT => $"socket path {path}: its directory does not exist, create it",
                Errno.EACCES => $"socket path {path}: its directory cannot be written, choose another",
                _ => $"socket path {path} cannot be used: {Libc.Describe(error)}",
            });
        }

        return new ListeningSocket(handle, directory, Libc.CString(Path.GetFileName(path)));
    }

    /// <summary>The next connection; invalid if it has gone away again.</summary>
    public SafeFileHandle Accept() =>
        Libc.Own(Libc.accept4(Libc.Number(Handle), null, null, Libc.SOCK_CLOEXEC));

    /// <summary>Takes the socket out of its directory, once.</summary>
    public void Remove()
    {
        if (_directory is not null && Interlocked.Exchange(ref _removed, 1) == 0)
        {
            fixed (byte* name = _name)
            {
                _ = Libc.unlinkat(Libc.Number(_directory), name, 0); // Sound: pinned, ends with NUL.
            }
        }
    }

    public void Dispose()
    {
        Remove();
        Handle.Dispose();
        _directory?.Dispose();
    }

    private static void RemoveStale(string path)
    {
        Errno error = Libc.FileMode(path, out uint mode);
        if (error == Errno.ENOENT)
        {
            return;
        }

        if (error != Errno.OK || (mode & Libc.S_IFMT) != Libc.S_IFSOCK)
        {
            throw new DaemonException($"socket path {path} is taken by something that is no socket: choose another");
        }

        using SafeFileHandle handle = NewSocket();
        byte* address = stackalloc byte[AddressBytes];
        Fill(address, path);

        // Nobody listens to what a dead daemon left. Sound: as in Create.
        if (Libc.connect(Libc.Number(handle), address, AddressBytes) == 0 || Libc.LastError != Libc.ECONNREFUSED)
        {
            throw new DaemonException($"socket path {path} is in use by another program: choose another");
        }

        File.Delete(path);
    }

    private static SafeFileHandle NewSocket()
    {
        SafeFileHandle handle = Libc.Own(Libc.socket(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0));
        return handle.IsInvalid
            ? throw new DaemonException($"no socket can be made: {Libc.Describe(Libc.LastError)}")
            : handle;
    }

    // Sound: the caller has checked that the path and its NUL fit.
    private static void Fill(byte* address, string path)
    {
        var bytes = new Span<byte>(address, AddressBytes);
        bytes.Clear();
        *(ushort*)address = Libc.AF_UNIX;
        Encoding.UTF8.GetBytes(path, bytes[PathOffset..]);
    }
}
