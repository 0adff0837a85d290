using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>An inode as a C program would keep it: by an O_PATH descriptor, or by its kernel handle.</summary>
internal sealed unsafe class BareInode
{
    private readonly int _fd;
    private readonly int _mountFd;
    private FileHandleBuffer _handle;

    /// <param name="fd">An O_PATH descriptor, taken over.</param>
    /// <param name="mountFd">A descriptor on its mount if it shall be kept by handle, -1 otherwise.</param>
    public BareInode(int fd, int mountFd)
    {
        _fd = fd;
        _mountFd = mountFd;
        _handle.handle_bytes = FileHandleBytes.MaxBytes;
        int mount;

        // Sound: the field's owner is alive, and does not move while it is pinned.
        fixed (FileHandleBuffer* handle = &_handle)
        {
            Must(Sys.NameToHandleAt(fd, Literal(""u8), handle, &mount, Constants.AT_EMPTY_PATH));
        }
    }

    /// <summary>A descriptor for one call: give it back by <see cref="Put"/>.</summary>
    public int Take() => _mountFd >= 0 ? Open(Linux.O_PATH) : _fd;

    public void Put(int fd)
    {
        if (fd != _fd)
        {
            Must(Sys.Close(fd));
        }
    }

    /// <summary>Opens it for more than O_PATH.</summary>
    public int Open(CallRig rig, uint flags) => _mountFd >= 0 ? Open(flags) : rig.Reopen(_fd, flags);

    public void Close() => _ = Sys.Close(_fd);

    private int Open(uint flags)
    {
        fixed (FileHandleBuffer* handle = &_handle)
        {
            return Must(Sys.OpenByHandleAt(_mountFd, handle, flags | Linux.O_CLOEXEC));
        }
    }
}
