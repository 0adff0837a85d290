using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Testing;
using Xunit;

namespace PassthroughFs.Core.Tests.Properties;

/// <summary>Descriptors of /dev/null.</summary>
internal sealed unsafe class TestDescriptors : IDescriptors
{
    private const int F_GETFD = 1;

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

    public bool IsOpen(int fd) => Sys.Fcntl(fd, F_GETFD, 0) >= 0;
}
