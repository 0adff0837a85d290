namespace PassthroughFs.Core.Api;

/// <summary>Where to read. How much is the room in the <see cref="DataSink"/>.</summary>
public struct ReadRequest
{
    /// <summary>Byte offset in the file.</summary>
    public ulong Offset;

    /// <summary>
    /// The open file's flags as they are now in the client (<see cref="Linux"/>); null for as it was opened.
    /// </summary>
    public uint? Flags;

    /// <summary>Who reads; 0 if the client did not say.</summary>
    public LockOwner LockOwner;
}
