using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    /// <summary>command: one of F_OFD_GETLK and F_OFD_SETLK, which do not wait.</summary>
    public static int Fcntl(int fd, int command, Flock64* argument)
    {
        int result;
        while ((result = Fcntl(fd, command, (nint)argument)) == -EINTR)
        {
        }

        return result;
    }

    /// <summary>operation: with LOCK_NB, so that it does not wait.</summary>
    public static int Flock(int fd, int operation)
    {
        int result;
        while ((result = Result(flock(fd, operation))) == -EINTR)
        {
        }

        return result;
    }

    [LibraryImport(Libc)]
    private static partial int flock(int fd, int operation);
}
