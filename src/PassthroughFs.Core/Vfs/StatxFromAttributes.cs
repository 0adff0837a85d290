using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>The answer to statx from what getattr gives.</summary>
internal static class StatxFromAttributes
{
    private const uint StatxBasicStats = 0x7ff;

    public static void Fill(in AttrReply from, out StatxReply reply)
    {
        ref readonly NodeAttributes attributes = ref from.Attributes;

        // The kernel's 32-bit encoding of a device number: the minor's low 8 bits are below the major, the rest above.
        reply = new StatxReply
        {
            Mask = StatxBasicStats,
            Blksize = attributes.Blksize,
            Nlink = attributes.Nlink,
            Uid = attributes.Uid,
            Gid = attributes.Gid,
            Mode = (ushort)attributes.Mode,
            Ino = attributes.Ino,
            Size = attributes.Size,
            Blocks = attributes.Blocks,
            Atime = attributes.Atime,
            Ctime = attributes.Ctime,
            Mtime = attributes.Mtime,
            RdevMajor = (attributes.Rdev >> 8) & 0xfff,
            RdevMinor = (attributes.Rdev & 0xff) | ((attributes.Rdev >> 12) & 0xfff00),
            Timeout = from.Timeout,
        };
    }
}
