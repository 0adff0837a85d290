namespace PassthroughFs.Core.Vfs;

/// <summary>What requests see of the mounts, at one moment. Never changes; a change is another one.</summary>
/// <param name="slots">One for each value of a NodeId's top byte.</param>
/// <param name="pseudo">The directories down to the mounts.</param>
internal sealed class MountSlots(MountSlot[] slots, PseudoFileSystem pseudo)
{
    public const int Size = 256;

    public MountSlot[] Slots { get; } = slots;

    public PseudoFileSystem Pseudo { get; } = pseudo;

    /// <summary>Whether a slot is still there.</summary>
    public bool Has(MountSlot slot) => Slots[slot.Prefix >> Vfs.IndexShift] == slot;
}
