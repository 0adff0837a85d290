using System;
using System.Collections.Generic;
using System.IO;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.Core.Api;

/// <summary>
/// The file descriptors that a process got with the state of its predecessor. Each is taken once, by what goes on with it;
/// the others are closed at the end.
/// </summary>
public sealed class KeptFds : IDisposable
{
    private const int Taken = -1;

    private readonly int[] _fds;

    /// <summary>Takes over descriptors.</summary>
    /// <param name="fds">In the order in which they were saved.</param>
    public KeptFds(IEnumerable<int> fds) => _fds = [.. fds];

    /// <summary>How many there were at first.</summary>
    public int Count => _fds.Length;

    /// <summary>A descriptor that nobody has taken yet. Borrowed.</summary>
    /// <exception cref="InvalidDataException">There is none with this index, or somebody has taken it.</exception>
    public int Peek(int index)
    {
        if ((uint)index >= (uint)_fds.Length)
        {
            throw new InvalidDataException(
                $"descriptor {index} of it is missing: {_fds.Length} came with it");
        }

        return _fds[index] != Taken ? _fds[index] : throw new InvalidDataException("it is damaged");
    }

    /// <summary>Takes a descriptor: it is the caller's from here on.</summary>
    /// <inheritdoc cref="Peek"/>
    public int Take(int index)
    {
        int fd = Peek(index);
        _fds[index] = Taken;
        return fd;
    }

    /// <summary>Closes what nobody has taken.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _fds.Length; i++)
        {
            if (_fds[i] != Taken)
            {
                new SafeFileHandle(_fds[i], ownsHandle: true).Dispose();
                _fds[i] = Taken;
            }
        }
    }
}
