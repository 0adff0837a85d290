using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests.Protocol;

/// <summary>Keeps what was asked of it.</summary>
internal sealed class RecordingWindow : IDaxWindow
{
    public ulong Length { get; init; } = 16UL * (uint)Environment.SystemPageSize;

    public List<DaxRange> Unmapped { get; } = [];

    public Errno Map(int fd, in DaxMapping mapping) => Errno.OK;

    public Errno Unmap(in DaxRange range)
    {
        Unmapped.Add(range);
        return Errno.OK;
    }
}
