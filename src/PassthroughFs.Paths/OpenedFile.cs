using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>A file that the client has open; closed after the calls that use it.</summary>
internal sealed class OpenedFile(PathNode node, PathFile file, uint flags) : IOpened
{
    private int _uses = 1;

    public PathNode Node => node;

    public bool MayRead => (flags & Linux.O_ACCMODE) != Linux.O_WRONLY;

    public bool MayWrite => (flags & Linux.O_ACCMODE) != Linux.O_RDONLY;

    /// <summary>Begins a call of the file; false if it is closed.</summary>
    public bool TryUse()
    {
        int uses = Volatile.Read(ref _uses);
        while (uses > 0)
        {
            int seen = Interlocked.CompareExchange(ref _uses, uses + 1, uses);
            if (seen == uses)
            {
                return true;
            }

            uses = seen;
        }

        return false;
    }

    public PathFile File => file;

    /// <summary>Ends a call, or the client's use: the last one closes the file.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _uses) == 0)
        {
            file.Dispose();
        }
    }
}

/// <summary>An open file for the time of a call: it is not closed before this is disposed of.</summary>
internal readonly struct FileUse(OpenedFile? opened) : IDisposable
{
    public OpenedFile? Opened => opened;

    public PathFile? File => opened?.File;

    public void Dispose() => opened?.Dispose();
}
