namespace PassthroughFs.VhostUser;

/// <summary>
/// Where the three parts of a split queue are, in the VMM's addresses (<see cref="GuestRegion.UserAddress"/>):
/// vhost-user names them so. A VMM that maps regions without addresses of its own gives the guest's, as the driver
/// wrote them.
/// </summary>
/// <param name="Descriptors">The table of descriptors, 16 bytes each.</param>
/// <param name="Available">The ring of what the driver makes available.</param>
/// <param name="Used">The ring of what the device has used.</param>
public readonly record struct RingAddresses(ulong Descriptors, ulong Available, ulong Used)
{
    /// <summary>Whether each part has the alignment that virtio demands, and atomic access needs.</summary>
    public bool AreAligned => Descriptors % 16 == 0 && Available % 2 == 0 && Used % 4 == 0;
}

/// <summary>What <see cref="SplitQueue.TryTake"/> found.</summary>
public enum TakeResult
{
    /// <summary>Nothing; the guest has not made anything available.</summary>
    Empty,

    /// <summary>A request; it has to be given back by <see cref="SplitQueue.Complete"/>.</summary>
    Request,

    /// <summary>
    /// A chain that breaks the rules. It has been given back already, with length 0; <see cref="SplitQueue.Fault"/>
    /// says why.
    /// </summary>
    BadChain,

    /// <summary>
    /// The ring itself makes no sense, as <see cref="SplitQueue.Fault"/> says; nothing more can be taken from it.
    /// </summary>
    Broken,
}
