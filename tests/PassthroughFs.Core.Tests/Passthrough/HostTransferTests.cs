using System;
using System.IO;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Files of the host that fail half-way, or give less than they have.</summary>
public sealed unsafe partial class HostTransferTests
{
    private const int Page = 4096;

    private delegate Errno Transfer(int fd, long offset, byte* buffer, long length);

    [Theory]
    [InlineData(false, Errno.EIO)]
    [InlineData(true, Errno.OK)]
    public void A_read_that_fails_half_way_is_an_error_unless_a_part_will_do(bool mayBePart, Errno expected)
    {
        long done = 0;
        Errno result = OnHalfReadableMemory(FileAccess.Read, (fd, offset, buffer, length) =>
        {
            var segment = new IoSegment(buffer, (nuint)length);
            DataSink sink = new(new ReadOnlySpan<IoSegment>(in segment), length);
            Errno errno = HostTransfer.Read(fd, offset, false, mayBePart, ref sink);
            done = sink.Written;
            return errno;
        });
        Assert.Equal((expected, Page), (result, done));
    }

    [Theory]
    [InlineData(false, Errno.EIO)]
    [InlineData(true, Errno.OK)]
    public void A_write_that_fails_half_way_is_an_error_unless_a_part_will_do(bool mayBePart, Errno expected)
    {
        long done = 0;
        Errno result = OnHalfReadableMemory(FileAccess.Write, (fd, offset, buffer, length) =>
        {
            var segment = new IoSegment(buffer, (nuint)length);
            DataSource source = new(new ReadOnlySpan<IoSegment>(in segment), length);
            Errno errno = HostTransfer.Write(fd, offset, 0, mayBePart, ref source);
            done = source.Consumed;
            return errno;
        });
        Assert.Equal((expected, Page), (result, done));
    }

    [Fact]
    public void A_host_that_gives_less_than_it_has_is_read_on()
    {
        const string Path = "/proc/kallsyms";
        const int Length = 300_000;
        if (!File.Exists(Path))
        {
            Assert.Skip($"needs {Path}, a file that is read in small pieces");
        }

        using FileStream file = File.OpenRead(Path);
        byte[] data = new byte[Length];
        fixed (byte* buffer = data)
        {
            var segment = new IoSegment(buffer, Length);
            DataSink sink = new(new ReadOnlySpan<IoSegment>(in segment), Length);
            int fd = (int)file.SafeFileHandle.DangerousGetHandle();
            Assert.Equal(Errno.OK, HostTransfer.Read(fd, 0, false, false, ref sink));
            Assert.Equal(Length, sink.Written);
        }
    }

    // This process's own memory as a file: a page of a file, and one behind the file's end, which cannot be reached.
    private static Errno OnHalfReadableMemory(FileAccess access, Transfer transfer)
    {
        using var directory = new HostDirectory();
        using FileStream file = new(directory.File("page", new string('x', Page)), FileMode.Open);
        byte* buffer = (byte*)NativeMemory.AllocZeroed(2 * Page);
        int fileFd = (int)file.SafeFileHandle.DangerousGetHandle();
        byte* pages = (byte*)mmap(null, 2 * Page, 3, 1, fileFd, 0);
        Assert.NotEqual(-1, (nint)pages);
        try
        {
            using FileStream memory = new("/proc/self/mem", FileMode.Open, access, FileShare.ReadWrite, 0);
            int fd = (int)memory.SafeFileHandle.DangerousGetHandle();
            return transfer(fd, (long)pages, buffer, 2 * Page);
        }
        finally
        {
            _ = munmap(pages, 2 * Page);
            NativeMemory.Free(buffer);
        }
    }

    [LibraryImport("libc")]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);
}
