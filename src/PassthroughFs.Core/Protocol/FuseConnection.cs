using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

/// <summary>What one INIT has agreed on. Immutable, so that workers read it without a lock.</summary>
internal sealed class FuseConnection
{
    public required InitFlags Flags { get; init; }

    public required uint Minor { get; init; }

    public required int MaxWrite { get; init; }

    public required int MaxRead { get; init; }

    /// <summary>Flags of attributes that the client has agreed to understand.</summary>
    public NodeAttributeFlags AttributeFlags =>
        (Has(InitFlags.FUSE_SUBMOUNTS) ? NodeAttributeFlags.FUSE_ATTR_SUBMOUNT : 0)
        | (Has(InitFlags.FUSE_HAS_INODE_DAX) ? NodeAttributeFlags.FUSE_ATTR_DAX : 0);

    /// <summary>Flags of open files that the client has agreed to understand.</summary>
    public OpenReplyFlags OpenFlags =>
        Has(InitFlags.FUSE_PASSTHROUGH) ? ~OpenReplyFlags.None : ~OpenReplyFlags.FOPEN_PASSTHROUGH;

    /// <summary>Whether headers tell of extensions; before, the field was padding.</summary>
    public bool HasExtensions => Minor >= FuseProtocol.ExtensionsMinorVersion;

    public bool Has(InitFlags flag) => (Flags & flag) != 0;
}
