namespace PassthroughFs.PtfsVirtiofsd.Virtio;

/// <summary>Where the three parts of a split queue are, in the VMM's addresses.</summary>
internal readonly record struct RingAddresses(ulong Descriptors, ulong Available, ulong Used)
{
    /// <summary>Whether each part has the alignment that virtio demands, and atomic access needs.</summary>
    public bool AreAligned => Descriptors % 16 == 0 && Available % 2 == 0 && Used % 4 == 0;
}

/// <summary>What <see cref="SplitQueue.TryTake"/> found.</summary>
internal enum TakeResult
{
    /// <summary>Nothing; the guest has not made anything available.</summary>
    Empty,

    /// <summary>A request; it has to be given back by <see cref="SplitQueue.Complete"/>.</summary>
    Request,

    /// <summary>A chain that breaks the rules. It has been given back already, with length 0.</summary>
    BadChain,

    /// <summary>The ring itself makes no sense; nothing more can be taken from it.</summary>
    Broken,
}
