using System;
using System.Globalization;
using System.IO;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>What whoever started this program had open, beside the first three descriptors.</summary>
internal static class InheritedDescriptors
{
    /// <summary>
    /// Closes them: a program that stays would keep files open that nobody knows of, and after an upgrade its own mount busy.
    /// </summary>
    /// <remarks>Nothing that is open here on purpose comes over execve(2): all of it is close-on-exec.</remarks>
    public static void Close()
    {
        try
        {
            foreach (string name in Directory.GetFileSystemEntries("/proc/self/fd"))
            {
                int fd = int.Parse(Path.GetFileName(name), CultureInfo.InvariantCulture);
                if (fd > 2 && Libc.fcntl(fd, Libc.F_GETFD, 0) == 0)
                {
                    _ = Libc.close(fd);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without /proc nobody can tell which they are.
        }
    }
}
