namespace PassthroughFs.Core.Api;

/// <summary>What copy_file_range shall copy. Offsets and length in bytes.</summary>
public struct CopyFileRangeRequest
{
    /// <summary>Source node.</summary>
    public NodeId NodeIn;

    /// <summary>Open file of the source.</summary>
    public Handle HandleIn;

    /// <summary>Offset in the source.</summary>
    public ulong OffsetIn;

    /// <summary>Target node.</summary>
    public NodeId NodeOut;

    /// <summary>Open file of the target.</summary>
    public Handle HandleOut;

    /// <summary>Offset in the target.</summary>
    public ulong OffsetOut;

    /// <summary>How much.</summary>
    public ulong Length;

    /// <summary>The system call's flags; Linux defines none.</summary>
    public ulong Flags;
}
