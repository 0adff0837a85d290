using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace Hello;

/// <summary>A file or a directory.</summary>
internal sealed class Node(ulong id, uint mode, uint uid, uint gid)
{
    private const ulong MostBytes = 1 << 28;

    public NodeAttributes Attributes = new()
    {
        Ino = id,
        Mode = mode,
        Nlink = 1,
        Uid = uid,
        Gid = gid,
        Mtime = Now(),
        Ctime = Now(),
        Atime = Now(),
    };

    public ulong Id => id;

    /// <summary>What the client holds: one for each entry it was told, until it forgets them.</summary>
    public ulong Lookups { get; set; }

    public byte[] Data { get; private set; } = [];

    /// <summary>What is in it, if it is a directory.</summary>
    public SortedDictionary<string, Node>? Names { get; } =
        (mode & Linux.S_IFMT) == Linux.S_IFDIR ? new(StringComparer.Ordinal) : null;

    public Entry ToEntry()
    {
        Lookups++;
        return new Entry { Node = new NodeId(id), Attributes = Attributes };
    }

    public Errno Resize(ulong size)
    {
        if (size > MostBytes)
        {
            return Errno.EFBIG;
        }

        byte[] data = Data;
        Array.Resize(ref data, (int)size);
        SetData(data);
        return Errno.OK;
    }

    public void SetData(byte[] data)
    {
        Data = data;
        Attributes.Size = (ulong)data.Length;
        Attributes.Mtime = Now();
    }

    public static Timestamp Now()
    {
        long ticks = DateTimeOffset.UtcNow.Ticks - DateTimeOffset.UnixEpoch.Ticks;
        return new Timestamp(ticks / TimeSpan.TicksPerSecond, (uint)(ticks % TimeSpan.TicksPerSecond) * 100);
    }
}
