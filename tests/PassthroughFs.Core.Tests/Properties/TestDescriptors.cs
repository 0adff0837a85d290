using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Testing;
using Xunit;

namespace PassthroughFs.Core.Tests.Properties;

/// <summary>Descriptors of /dev/null.</summary>
internal sealed unsafe class TestDescriptors : IDescriptors
{
    private const uint NullMajor = 1;
    private const uint NullMinor = 3;

    public int Open()
    {
        // Sound: a literal ends with a NUL and does not move.
        fixed (byte* path = "/dev/null\0"u8)
        {
            int fd = Sys.OpenAt(-1, path, Linux.O_PATH | Linux.O_CLOEXEC);
            Assert.True(fd >= 0);
            return fd;
        }
    }

    /// <remarks>A number that was closed may be another file's already: the runtime opens some of its own.</remarks>
    public bool IsOpen(int fd)
    {
        // Sound: the buffer and the path live until the call returns.
        StatxBuffer stat;
        byte empty = 0;
        int result = Sys.Statx(fd, &empty, Constants.AT_EMPTY_PATH, Constants.STATX_BASIC_STATS, &stat);
        return result == 0 && stat.stx_rdev_major == NullMajor && stat.stx_rdev_minor == NullMinor;
    }
}
