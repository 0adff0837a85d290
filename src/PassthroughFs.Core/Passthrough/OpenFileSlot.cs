using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What the store keeps of one Handle. Slots are reused, never freed; their Handles are not.</summary>
internal sealed class OpenFileSlot
{
    /// <summary>
    /// Held while the directory's position is moved and read: one listing at a time for each open directory.
    /// </summary>
    public readonly Lock Directory = new();

    public ulong Handle;
    public ulong Node;
    public int Fd;

    /// <summary>Users of <see cref="Fd"/>, and one for the store until the release. At 0 the fd is closed.</summary>
    public PinCount Pins;

    /// <summary>The host's open flags as they are now.</summary>
    public uint Flags;

    /// <summary>
    /// The cookie at which the directory's next entries will be read, guarded by <see cref="Directory"/>.
    /// </summary>
    public ulong Position;

    /// <summary>Not released yet; changes under the store's lock.</summary>
    public bool IsOpen;

    public int NextFree;

    /// <summary>Pins, unless the file is closed.</summary>
    public bool TryPin() => Pins.TryAdd();
}
