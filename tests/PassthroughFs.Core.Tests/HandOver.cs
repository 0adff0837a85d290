using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Tests;

/// <summary>What goes from one file system to its successor, as between two processes.</summary>
internal static class HandOver
{
    /// <summary>The state, and duplicates of the descriptors.</summary>
    public static byte[] Save(IStatefulFileSystem fileSystem, out KeptFds fds)
    {
        using var stream = new MemoryStream();
        List<int> kept = [];
        fileSystem.SaveState(stream, kept);
        fds = Duplicate(kept);
        return stream.ToArray();
    }

    public static KeptFds Duplicate(IEnumerable<int> fds) =>
        new([.. fds.Select(fd => Sys.Fcntl(fd, Constants.F_DUPFD_CLOEXEC, 0))]);

    public static void Restore(IStatefulFileSystem fileSystem, byte[] state, KeptFds fds)
    {
        using var stream = new MemoryStream(state);
        fileSystem.RestoreState(stream, fds);
    }

    /// <summary>A successor; the file system itself is closed.</summary>
    public static PassthroughFileSystem Succeed(PassthroughFileSystem fileSystem)
    {
        byte[] state = Save(fileSystem, out KeptFds fds);
        using (fds)
        {
            fileSystem.Dispose();
            var next = new PassthroughFileSystem(fileSystem.Config.Clone());
            Restore(next, state, fds);
            return next;
        }
    }
}
