using System;
using System.Threading;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;
using PassthroughFs.Shared;

namespace PassthroughFs.VhostUser;

/// <summary>
/// The way back: requests to the front end, by any thread, one after another, each until it is answered. A front end
/// that does not answer, or not to the question, is not asked again.
/// </summary>
/// <param name="patience">
/// How long an answer is waited for. A VMM asks while its guest runs; who waits here is a queue.
/// </param>
/// <param name="logger">Gets why it is not asked any more.</param>
internal sealed unsafe class BackendChannel(TimeSpan patience, ILogger logger) : IDisposable
{
    private const int LargestErrno = 4095;

    private readonly Lock _lock = new();
    private readonly VhostMessage _answer = new();
    private SafeFileHandle? _fd;
    private VhostSocket? _socket;
    private long _deadline;
    private bool _late;

    /// <summary>Whether there is a front end to ask.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock)
            {
                return _socket is not null;
            }
        }
    }

    /// <summary>Takes another socket over, or none.</summary>
    public void Replace(SafeFileHandle? fd)
    {
        lock (_lock)
        {
            _fd?.Dispose();
            _fd = fd;
            _socket = fd is null ? null : new VhostSocket(fd, Wait);
        }
    }

    /// <summary>
    /// Asks, and waits for the answer: as long as the patience lasts, and no longer than the front end is there.
    /// </summary>
    /// <param name="request">What is asked.</param>
    /// <param name="payload">With what.</param>
    /// <param name="fd">A descriptor to send along, borrowed; -1 for none.</param>
    /// <returns>What the front end says; EIO if it gives no reason, or cannot be asked.</returns>
    public Errno Ask(BackendRequest request, ReadOnlySpan<byte> payload, int fd = -1)
    {
        lock (_lock)
        {
            if (_socket is null)
            {
                return Errno.EIO;
            }

            try
            {
                _deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
                _late = false;
                _socket.Ask(request, payload, fd);
                if (!_socket.Receive(_answer))
                {
                    throw new BrokenConnectionException(_late ? "there is no answer" : "it has ended");
                }

                return Understand(request);
            }
            catch (ProtocolException e)
            {
                // What comes now could be the answer to this or to the next question.
                Log.BackendChannelClosed(logger, request, e.Message);
                Replace(null);
                return Errno.EIO;
            }
            finally
            {
                _answer.Dispose();
            }
        }
    }

    public void Dispose() => Replace(null);

    // An error is any number but 0; where it is a negated errno, that is the reason.
    private Errno Understand(BackendRequest request)
    {
        const uint reply = 4;
        if ((uint)_answer.Request != (uint)request || (_answer.Flags & reply) == 0)
        {
            throw new BrokenConnectionException($"what comes back is message {(uint)_answer.Request}");
        }

        long value = (long)_answer.Read<ulong>();
        return value switch
        {
            0 => Errno.OK,
            < 0 and >= -LargestErrno => (Errno)(-value),
            _ => Errno.EIO,
        };
    }

    private bool Wait()
    {
        var fd = new Libc.PollFd(Libc.Number(_fd!), Libc.POLLIN);
        while (true)
        {
            int left = (int)(_deadline - Environment.TickCount64);
            _late = left <= 0;
            if (_late || Libc.poll(&fd, 1, left) > 0) // SAFETY: one entry, of this frame.
            {
                return !_late;
            }
        }
    }
}
