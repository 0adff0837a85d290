using System.Runtime.CompilerServices;
using System.Threading;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>What a request needs to know of the index in its NodeId. Immutable but for the count.</summary>
internal sealed class MountSlot
{
    /// <summary>Index 0: the directories down to the mounts.</summary>
    public static MountSlot OfPseudo(PseudoFileSystem pseudo) => new(pseudo, null, 0)
    {
        IsPseudo = true,
        Accepted = InitFlags.FUSE_DO_READDIRPLUS,
    };

    /// <summary>An index that no mount has.</summary>
    public static MountSlot Unused { get; } = new(new RefusingFileSystem(Errno.EBADF), null, 0);

    /// <summary>A mount; over index 0 it is the whole tree, and everything passes as it is.</summary>
    public static MountSlot Of(VfsMount mount, ulong parent, InitFlags negotiated, InitFlags accepted) =>
        new(mount.FileSystem, mount, mount.Root.Node.Value)
        {
            Parent = parent,
            Negotiated = negotiated,
            Accepted = accepted,
        };

    private MountSlot(IFileSystem fileSystem, VfsMount? mount, ulong root)
    {
        FileSystem = fileSystem;
        Mount = mount;
        Root = root;
        Prefix = (ulong)(mount?.Index ?? 0) << Vfs.IndexShift;
    }

    /// <summary>Who answers.</summary>
    public IFileSystem FileSystem { get; }

    public VfsMount? Mount { get; }

    /// <summary>The index, in place.</summary>
    public ulong Prefix { get; }

    /// <summary>The root's number without the index; 0 for none.</summary>
    public ulong Root { get; }

    /// <summary>The directory that the mount point is in; 0 for none.</summary>
    public ulong Parent { get; private init; }

    /// <summary>What the client does.</summary>
    public InitFlags Negotiated { get; private init; }

    /// <summary>What the file system acts on.</summary>
    public InitFlags Accepted { get; private init; }

    public bool IsPseudo { get; private init; }

    /// <summary>Whether this is the only mount there can be, so that what it says of itself is true of all.</summary>
    public bool IsAlone => Prefix == 0;

    /// <summary>How many lookups of its nodes the client holds.</summary>
    public HoldCount Holds { get; private init; } = new();

    /// <summary>The same index after the mount is gone: no request gets to the file system.</summary>
    public MountSlot Revoked() => new(RefusingFileSystem.Stale, Mount, Root) { Holds = Holds };

    /// <summary>The inode number that the client shows: apart from those of other mounts.</summary>
    /// <remarks>
    /// A number of more than 56 bits does not fit beside the index: a hash stands for it.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong ShownIno(ulong ino) => Prefix == 0
        ? ino
        : Prefix | (ino <= Vfs.MaxNodeIdValue ? ino : NumberHash.Of(Prefix, ino));

    /// <summary>Counts a hold of an entry's node and makes its numbers the client's.</summary>
    /// <returns>False if the number has more than 56 bits.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryPublish(ref Entry entry)
    {
        ulong number = entry.Node.Value;
        if (number - 1 >= Vfs.MaxNodeIdValue)
        {
            // No node, or, from the pseudo file system, a mount's root that has its index already.
            return number == 0 || IsPseudo;
        }

        Holds.Add();
        entry.Node = new NodeId(Prefix | number);
        entry.Attributes.Ino = ShownIno(entry.Attributes.Ino);
        return true;
    }

    /// <summary>An answer that the client takes for this request alone: ENOSYS in other words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Errno Said(Errno error, Errno unsupported) =>
        error == Errno.ENOSYS && !IsAlone ? unsupported : error;

    /// <summary>Whether ENOSYS is what was agreed on, or what it says is true of all.</summary>
    public bool MaySayENOSYS(InitFlags agreed) => IsAlone || (Negotiated & agreed) != 0;

    /// <summary>Gives back holds. At zero, a mount that waited for it ends.</summary>
    public void Return(ulong count)
    {
        if (Holds.Return(count) && Mount is { State: MountState.Detached } mount)
        {
            ThreadPool.UnsafeQueueUserWorkItem(mount, preferLocal: false);
        }
    }
}
