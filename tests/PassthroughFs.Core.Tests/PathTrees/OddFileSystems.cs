using System;
using System.Threading;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;

namespace PassthroughFs.Core.Tests.PathTrees;

internal sealed class ThrowingFileSystem : TreeFileSystem
{
    public bool Throws { get; set; }

    protected override Errno GetAttributes(string path, out NodeAttributes attributes) =>
        Throws ? throw new InvalidOperationException() : base.GetAttributes(path, out attributes);
}

internal sealed class StrictFileSystem : TreeFileSystem
{
    protected override Errno SetAttributes(string path, in SetAttrRequest changes) => Errno.EPERM;
}

/// <summary>Takes a directory away with all there is in it, as one whose content changes behind its back.</summary>
internal sealed class LooseFileSystem : TreeFileSystem
{
    protected override Errno RemoveDirectory(string path) => Errno.OK;
}

internal sealed class SlowFileSystem : PathFileSystem
{
    public SlowFile File { get; } = new();

    protected override Errno GetAttributes(string path, out NodeAttributes attributes)
    {
        attributes = PathAttributes.File(1);
        return Errno.OK;
    }

    protected override Errno List(string path, PathListing listing) => Errno.OK;

    protected override Errno Create(
        in RequestContext context, string path, uint mode, uint flags, out PathFile? file) =>
        Open(path, flags, out file);

    protected override Errno Open(string path, uint flags, out PathFile? file)
    {
        file = File;
        return Errno.OK;
    }
}

internal sealed class SlowFile : PathFile
{
    public bool Throws { get; set; }

    public bool IsEndless { get; set; }

    public override OpenReplyFlags ReplyFlags => Throws ? throw new InvalidOperationException() : default;

    public ManualResetEventSlim Began { get; } = new();

    public ManualResetEventSlim MayEnd { get; } = new();

    public bool IsClosed { get; private set; }

    public override Errno Read(long offset, Span<byte> buffer, out int count)
    {
        Began.Set();
        MayEnd.Wait();
        count = IsEndless ? buffer.Length : 0;
        return Errno.OK;
    }

    protected override void Dispose(bool disposing)
    {
        IsClosed = true;
        base.Dispose(disposing);
    }
}

internal sealed class LeastFileSystem : PathFileSystem
{
    public uint Mode { get; init; } = Linux.S_IFDIR | 0x1ED;

    protected override Errno GetAttributes(string path, out NodeAttributes attributes)
    {
        attributes = PathAttributes.Directory();
        attributes.Mode = Mode;
        return path == "/" ? Errno.OK : Errno.ENOENT;
    }

    protected override Errno List(string path, PathListing listing) => Errno.OK;

    protected override Errno Open(string path, uint flags, out PathFile? file)
    {
        file = null;
        return Errno.ENOENT;
    }
}
