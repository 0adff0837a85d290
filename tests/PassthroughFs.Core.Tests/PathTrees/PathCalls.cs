using PassthroughFs.Core.Api;
using PassthroughFs.Paths;
using Xunit;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>Calls that have to work.</summary>
internal static class PathCalls
{
    public static readonly RequestContext Context = new() { Pid = 1 };

    public static IFileSystem Of(IFileSystem fs) => fs;

    public static Entry Mkdir(PathFileSystem fs, string name, NodeId? parent = null)
    {
        Assert.Equal(Errno.OK, Of(fs).Mkdir(Context, parent ?? NodeId.Root, name, 0x1ED, 0, out Entry entry));
        return entry;
    }

    public static Entry Create(PathFileSystem fs, string name, out OpenReply reply)
    {
        var request = new CreateRequest { Flags = Linux.O_RDWR, Mode = 0x1A4 };
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(name);
        Assert.Equal(Errno.OK, Of(fs).Create(Context, NodeId.Root, bytes, request, out Entry entry, out reply));
        return entry;
    }
}
