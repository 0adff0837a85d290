using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>What the store keeps of one Handle. Slots are reused, never freed; their Handles are not.</summary>
internal sealed class OpenFileSlot
{
    /// <summary>
    /// Of <see cref="Flags"/>, of no meaning to the host: a read that stops inside a page has met the end of the file.
    /// </summary>
    public const uint EndsShort = 1u << 31;

    /// <summary>The same: the client gives its programs what a read answers, and does not cache it.</summary>
    public const uint AnswersParts = 1u << 30;

    /// <summary>
    /// Held while the directory's position is moved and read: one listing at a time for each open directory.
    /// </summary>
    public readonly Lock Directory = new();

    public ulong Handle;
    public ulong Node;
    public int Fd;

    /// <summary>Users of <see cref="Fd"/>, and one for the store until the release. At 0 the fd is closed.</summary>
    public PinCount Pins;

    /// <summary>
    /// The flags it was opened with, which never change, and what else is known of it. O_APPEND is the client's alone.
    /// </summary>
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
