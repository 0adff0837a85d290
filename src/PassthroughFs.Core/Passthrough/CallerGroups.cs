using System;
using System.Buffers.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Reads the supplementary groups of a caller that is a process of this host.</summary>
internal static unsafe class CallerGroups
{
    /// <summary>
    /// More than any login has; the kernel's own limit of 65,536 would not fit into the line that is read.
    /// </summary>
    public const int Max = 512;

    private const int BufferSize = 8192;

    /// <summary>Puts the groups of a process into <paramref name="groups"/>.</summary>
    /// <returns>How many there are; 0 if the process is gone or not known. More than fit are left out.</returns>
    public static int Read(uint pid, Span<uint> groups)
    {
        if (pid == 0)
        {
            return 0;
        }

        byte* path = stackalloc byte[ProcSelfFd.PathSize];
        FormatPath(pid, path);
        int fd = Sys.OpenAt(Constants.AT_FDCWD, path, Linux.O_RDONLY | Linux.O_CLOEXEC);
        if (fd < 0)
        {
            return 0;
        }

        byte* buffer = stackalloc byte[BufferSize];
        long length = Sys.Pread(fd, buffer, BufferSize, 0);
        _ = Sys.Close(fd);

        // Sound: the kernel says how much of the buffer it has filled.
        return length <= 0 ? 0 : Parse(new ReadOnlySpan<byte>(buffer, (int)length), groups);
    }

    /// <summary>Finds the line "Groups:" of /proc/PID/status.</summary>
    internal static int Parse(ReadOnlySpan<byte> status, Span<uint> groups)
    {
        int start = status.IndexOf("\nGroups:"u8);
        if (start < 0)
        {
            return 0;
        }

        ReadOnlySpan<byte> rest = status[(start + "\nGroups:"u8.Length)..];
        int end = rest.IndexOf((byte)'\n');
        rest = end < 0 ? rest : rest[..end];
        int count = 0;
        while (count < groups.Length)
        {
            rest = rest.TrimStart(" \t"u8);
            if (!Utf8Parser.TryParse(rest, out uint group, out int consumed))
            {
                break;
            }

            groups[count++] = group;
            rest = rest[consumed..];
        }

        return count;
    }

    private static void FormatPath(uint pid, byte* path)
    {
        var target = new Span<byte>(path, ProcSelfFd.PathSize);
        "/proc/"u8.CopyTo(target);

        // Sound: 6 bytes, at most 10 digits, 7 bytes and the NUL.
        Utf8Formatter.TryFormat(pid, target["/proc/"u8.Length..], out int digits);
        "/status\0"u8.CopyTo(target[("/proc/"u8.Length + digits)..]);
    }
}
