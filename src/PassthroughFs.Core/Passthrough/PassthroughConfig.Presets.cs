using System;

namespace PassthroughFs.Core.Passthrough;

/// <remarks>What follows from who else changes the directory.</remarks>
public sealed partial class PassthroughConfig
{
    /// <summary>
    /// Sets what a directory needs that others change as well: programs of the host, other mounts, other clients. What
    /// they write is seen by the next read, what they rename by the next open, their locks are met, and nothing that is
    /// written is lost: what holds on the bare directory among its programs holds for the client's too.
    /// </summary>
    /// <remarks>
    /// <para>
    /// <see cref="PosixLocks"/>, <see cref="FlockLocks"/> and <see cref="BackingFiles"/> on; all timeouts 0;
    /// <see cref="CachePolicy.Never"/>, with <see cref="DirectMappings"/> off, for what the client cannot read and write
    /// by itself.
    /// </para>
    /// <para>
    /// Shared mappings (MAP_SHARED, SQLite's WAL) need <see cref="BackingFiles"/> to work; where client, transport or
    /// host file system cannot do that, such an <c>mmap(2)</c> is ENODEV. Locks need a transport that can reply later.
    /// </para>
    /// </remarks>
    /// <returns>This configuration.</returns>
    public PassthroughConfig UseSharedDirectory()
    {
        SetTimeouts(TimeSpan.Zero, TimeSpan.Zero);
        (PosixLocks, FlockLocks) = (true, true);
        (BackingFiles, CachePolicy, DirectMappings, Writeback) = (true, CachePolicy.Never, false, false);
        return this;
    }

    /// <summary>
    /// Sets what a directory allows that nobody but this one client changes, for as long as it is served: the client
    /// keeps everything that it has read, collects writes, and asks again after a day.
    /// </summary>
    /// <remarks>
    /// <see cref="CachePolicy.Always"/>, <see cref="Writeback"/>, all timeouts a day, <see cref="NegativeTimeout"/>
    /// included; locks are the client's own. What somebody else changes meanwhile is seen late or never, and may be
    /// overwritten. Who reads the directory on the host sees what is written when the client has sent it: after
    /// <c>fsync(2)</c> or a close, at the latest when the file system is unmounted.
    /// </remarks>
    /// <returns>This configuration.</returns>
    public PassthroughConfig UseExclusiveDirectory()
    {
        var day = TimeSpan.FromDays(1);
        SetTimeouts(day, day);
        (PosixLocks, FlockLocks) = (false, false);
        (BackingFiles, CachePolicy, Writeback) = (false, CachePolicy.Always, true);
        return this;
    }

    private void SetTimeouts(TimeSpan known, TimeSpan absent)
    {
        (EntryTimeout, AttrTimeout, NegativeTimeout) = (known, known, absent);
        (DirEntryTimeout, DirAttrTimeout) = (null, null);
    }
}
