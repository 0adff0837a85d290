using System;
using System.Threading;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The eventfd by which a queue calls the guest. The VMM replaces it at any time, as the guest masks interrupts.
/// </summary>
internal sealed class CallEvent : IDisposable
{
    private readonly Lock _lock = new();
    private SafeFileHandle? _fd;

    /// <summary>Takes another descriptor over, or none: then the guest polls.</summary>
    public void Replace(SafeFileHandle? fd)
    {
        SafeFileHandle? old;
        lock (_lock)
        {
            old = _fd;
            _fd = fd;
        }

        old?.Dispose();
    }

    /// <summary>Calls.</summary>
    public void Signal()
    {
        // The lock keeps the number from being another file's by now. Writing to an eventfd does not wait: it was made
        // non-blocking when it came, and one that is full says all there is to say already.
        lock (_lock)
        {
            if (_fd is not null)
            {
                _ = Libc.Signal(Libc.Number(_fd));
            }
        }
    }

    public void Dispose() => Replace(null);
}
