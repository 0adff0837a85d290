using System;
using System.Buffers.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Reads who a caller is that is a process of this host: what the client does not say of it.</summary>
internal static unsafe class CallerProcess
{
    /// <summary>
    /// More than any login has; the kernel's own limit of 65,536 would not fit into the line that is read.
    /// </summary>
    public const int MaxGroups = 512;

    private const int BufferSize = 8192;

    /// <summary>Puts the supplementary groups of a process into <paramref name="groups"/>.</summary>
    /// <returns>How many there are; 0 if the process is gone or not known. More than fit are left out.</returns>
    public static int ReadGroups(uint pid, Span<uint> groups)
    {
        byte* buffer = stackalloc byte[BufferSize];
        return ParseGroups(ReadStatus(pid, buffer), groups);
    }

    /// <summary>Reads the ids by which the kernel checks a process's files, fsuid and fsgid.</summary>
    /// <returns>Whether there is such a process.</returns>
    public static bool TryReadIds(uint pid, out uint uid, out uint gid)
    {
        byte* buffer = stackalloc byte[BufferSize];
        ReadOnlySpan<byte> status = ReadStatus(pid, buffer);
        gid = 0;
        return TryParseId(status, "\nUid:"u8, out uid) && TryParseId(status, "\nGid:"u8, out gid);
    }

    /// <summary>Finds the line "Groups:" of /proc/PID/status.</summary>
    internal static int ParseGroups(ReadOnlySpan<byte> status, Span<uint> groups)
    {
        ReadOnlySpan<byte> rest = Line(status, "\nGroups:"u8);
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

    /// <summary>Finds the last of the four ids of a line: real, effective, saved, and the file system's.</summary>
    internal static bool TryParseId(ReadOnlySpan<byte> status, ReadOnlySpan<byte> line, out uint id)
    {
        ReadOnlySpan<byte> rest = Line(status, line);
        int last = rest.LastIndexOf((byte)'\t');
        return Utf8Parser.TryParse(rest[(last + 1)..], out id, out int consumed) && consumed > 0;
    }

    /// <summary>What stands behind a line's name; empty without such a line.</summary>
    private static ReadOnlySpan<byte> Line(ReadOnlySpan<byte> status, ReadOnlySpan<byte> line)
    {
        int start = status.IndexOf(line);
        ReadOnlySpan<byte> rest = start < 0 ? default : status[(start + line.Length)..];
        int end = rest.IndexOf((byte)'\n');
        return end < 0 ? rest : rest[..end];
    }

    private static ReadOnlySpan<byte> ReadStatus(uint pid, byte* buffer)
    {
        if (pid == 0)
        {
            return default;
        }

        byte* path = stackalloc byte[ProcSelfFd.PathSize];
        FormatPath(pid, path);
        int fd = Sys.OpenAt(Constants.AT_FDCWD, path, Linux.O_RDONLY | Linux.O_CLOEXEC);
        if (fd < 0)
        {
            return default;
        }

        long length = Sys.Pread(fd, buffer, BufferSize, 0);
        _ = Sys.Close(fd);

        // SAFETY: the kernel says how much of the buffer it has filled, and the caller's buffer has BufferSize bytes.
        return length <= 0 ? default : new ReadOnlySpan<byte>(buffer, (int)length);
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
