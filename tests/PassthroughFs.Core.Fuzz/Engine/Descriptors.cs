using System;
using System.Buffers.Binary;
using System.Threading;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Open descriptors of this process.</summary>
internal static class Descriptors
{
    public static int Count()
    {
        int fd = Native.OpenDirectory("/proc/self/fd");
        Span<byte> buffer = stackalloc byte[8192];
        int count = 0;
        for (int length; (length = Native.ListDirectory(fd, buffer)) > 0;)
        {
            for (int at = 0; at < length; at += BinaryPrimitives.ReadUInt16LittleEndian(buffer[(at + 16)..]))
            {
                count++;
            }
        }

        Native.Close(fd);
        return count;
    }

    /// <summary>None is left over, at the latest when threads that end have ended.</summary>
    public static void CheckBack(int before)
    {
        int now = Count();
        for (int tries = 0; now > before && tries < 100; tries++)
        {
            Thread.Sleep(5);
            now = Count();
        }

        if (now > before)
        {
            throw new FindingException("descriptors left", $"{now - before}");
        }
    }
}
