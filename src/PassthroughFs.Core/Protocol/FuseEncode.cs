using System;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>From the contract's values to the wire's; each in this one place.</summary>
internal static class FuseEncode
{
    /// <summary>An entry, as the answer to a lookup and as part of a READDIRPLUS record.</summary>
    public static void Entry(in Entry entry, NodeAttributeFlags allowed, out FuseEntryOut wire)
    {
        wire = default;
        wire.NodeId = entry.Node.Value;
        wire.Generation = entry.Generation;
        Timeout(entry.EntryTimeout, out wire.EntryValid, out wire.EntryValidNsec);
        Timeout(entry.AttributesTimeout, out wire.AttrValid, out wire.AttrValidNsec);
        Attr(entry.Attributes, allowed, out wire.Attr);
    }

    /// <summary>The answer to GETATTR and SETATTR.</summary>
    public static void AttrReply(in AttrReply reply, NodeAttributeFlags allowed, out FuseAttrOut wire)
    {
        wire = default;
        Timeout(reply.Timeout, out wire.AttrValid, out wire.AttrValidNsec);
        Attr(reply.Attributes, allowed, out wire.Attr);
    }

    /// <summary>Attributes; flags the client has not agreed to are left out.</summary>
    public static void Attr(in NodeAttributes attributes, NodeAttributeFlags allowed, out FuseAttr wire)
    {
        wire.Ino = attributes.Ino;
        wire.Size = attributes.Size;
        wire.Blocks = attributes.Blocks;
        wire.Atime = attributes.Atime.Seconds;
        wire.Mtime = attributes.Mtime.Seconds;
        wire.Ctime = attributes.Ctime.Seconds;
        wire.AtimeNsec = attributes.Atime.Nanoseconds;
        wire.MtimeNsec = attributes.Mtime.Nanoseconds;
        wire.CtimeNsec = attributes.Ctime.Nanoseconds;
        wire.Mode = attributes.Mode;
        wire.Nlink = attributes.Nlink;
        wire.Uid = attributes.Uid;
        wire.Gid = attributes.Gid;
        wire.Rdev = attributes.Rdev;
        wire.Blksize = attributes.Blksize;
        wire.Flags = attributes.Flags & allowed;
    }

    /// <summary>The answer to an open; a backing file only where the client has agreed to have one.</summary>
    public static void Open(in OpenReply reply, OpenReplyFlags allowed, out FuseOpenOut wire)
    {
        wire.Fh = reply.Handle.Value;
        wire.OpenFlags = reply.Flags & allowed;
        wire.BackingId = (wire.OpenFlags & OpenReplyFlags.FOPEN_PASSTHROUGH) != 0 ? reply.BackingId : 0;
    }

    /// <summary>The answer to STATFS.</summary>
    public static void Statfs(in StatfsReply reply, out FuseStatfsOut wire)
    {
        wire = default;
        wire.Blocks = reply.Blocks;
        wire.Bfree = reply.Bfree;
        wire.Bavail = reply.Bavail;
        wire.Files = reply.Files;
        wire.Ffree = reply.Ffree;
        wire.Bsize = reply.Bsize;
        wire.Namelen = reply.Namelen;
        wire.Frsize = reply.Frsize;
    }

    /// <summary>The answer to STATX.</summary>
    public static void Statx(in StatxReply reply, out FuseStatxOut wire)
    {
        wire = default;
        Timeout(reply.Timeout, out wire.AttrValid, out wire.AttrValidNsec);
        wire.Stat.Mask = reply.Mask;
        wire.Stat.Blksize = reply.Blksize;
        wire.Stat.Attributes = reply.Attributes;
        wire.Stat.Nlink = reply.Nlink;
        wire.Stat.Uid = reply.Uid;
        wire.Stat.Gid = reply.Gid;
        wire.Stat.Mode = reply.Mode;
        wire.Stat.Ino = reply.Ino;
        wire.Stat.Size = reply.Size;
        wire.Stat.Blocks = reply.Blocks;
        wire.Stat.AttributesMask = reply.AttributesMask;
        Time(reply.Atime, out wire.Stat.Atime);
        Time(reply.Btime, out wire.Stat.Btime);
        Time(reply.Ctime, out wire.Stat.Ctime);
        Time(reply.Mtime, out wire.Stat.Mtime);
        wire.Stat.RdevMajor = reply.RdevMajor;
        wire.Stat.RdevMinor = reply.RdevMinor;
        wire.Stat.DevMajor = reply.DevMajor;
        wire.Stat.DevMinor = reply.DevMinor;
    }

    /// <summary>A timeout; a negative one is none.</summary>
    public static void Timeout(TimeSpan timeout, out ulong seconds, out uint nanoseconds)
    {
        ulong ticks = (ulong)Math.Max(timeout.Ticks, 0);
        seconds = ticks / TimeSpan.TicksPerSecond;
        nanoseconds = (uint)(ticks - (seconds * TimeSpan.TicksPerSecond)) * (uint)TimeSpan.NanosecondsPerTick;
    }

    private static void Time(Timestamp time, out FuseSxTime wire)
    {
        wire.Sec = time.Seconds;
        wire.Nsec = time.Nanoseconds;
        wire.Reserved = 0;
    }
}
