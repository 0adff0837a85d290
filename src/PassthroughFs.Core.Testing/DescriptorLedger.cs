using System.Collections.Generic;

namespace PassthroughFs.Core.Testing;

/// <summary>Which descriptors must be open, and which must not, as a model sees it.</summary>
/// <remarks>
/// The host gives the lowest free number: a number that comes again while it is still owed to somebody was closed too
/// early, and one that stays open after it was given back was not closed.
/// </remarks>
internal sealed class DescriptorLedger(IDescriptors? descriptors)
{
    private readonly HashSet<int> _open = [];

    /// <summary>What is wrong, or null.</summary>
    public string? Fault { get; private set; }

    /// <summary>A new descriptor, or -1 where there are none.</summary>
    public int Open()
    {
        if (descriptors is null)
        {
            return -1;
        }

        int fd = descriptors.Open();
        if (!_open.Add(fd))
        {
            Fault ??= $"descriptor {fd} was closed while it was in use";
        }

        return fd;
    }

    /// <summary>The descriptor must be closed by now.</summary>
    public void Closed(int fd)
    {
        if (descriptors is null || fd < 0)
        {
            return;
        }

        _open.Remove(fd);
        if (descriptors.IsOpen(fd))
        {
            Fault ??= $"descriptor {fd} was not closed";
        }
    }

    /// <summary>The descriptor must be open still.</summary>
    public void Used(int fd)
    {
        if (descriptors is not null && fd >= 0 && !descriptors.IsOpen(fd))
        {
            Fault ??= $"descriptor {fd} is closed";
        }
    }
}
