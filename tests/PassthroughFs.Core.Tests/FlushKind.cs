using System.IO;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Tests;

/// <summary>Whether closing a file does something on the file system that a test runs on.</summary>
internal static class FlushKind
{
    /// <summary>What an open for writing says of it.</summary>
    public static OpenReplyFlags Of(string directory) => new DriveInfo(directory).DriveFormat
        is "ext2" or "ext3" or "ext4" or "xfs" or "btrfs" or "tmpfs" or "ramfs"
        ? OpenReplyFlags.FOPEN_NOFLUSH
        : OpenReplyFlags.None;
}
