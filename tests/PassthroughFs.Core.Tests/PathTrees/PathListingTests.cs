using System;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths;
using Xunit;
using static PassthroughFs.Core.Tests.PathTrees.PathCalls;

namespace PassthroughFs.Core.Tests.PathTrees;

/// <summary>Listings of a file system by path.</summary>
public sealed class PathListingTests
{
    [Fact]
    public void Whoever_goes_back_to_the_start_of_a_listing_sees_what_is_new()
    {
        using var fs = new TreeFileSystem();
        Mkdir(fs, "a");
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, NodeId.Root, 0, out OpenReply reply));
        var list = new DirectoryList(3);
        Of(fs).ReadDir(Context, NodeId.Root, reply.Handle, 0, list);
        Assert.Equal([".", "..", "a"], list.Items.Select(item => item.Name));
        Mkdir(fs, "b");
        var rest = new DirectoryList();
        Of(fs).ReadDir(Context, NodeId.Root, reply.Handle, list.Offset, rest);
        Assert.Empty(rest.Items);
        var again = new DirectoryList();
        Of(fs).ReadDir(Context, NodeId.Root, reply.Handle, 0, again);
        Assert.Equal(4, again.Items.Count);
    }

    [Fact]
    public void A_listings_later_pieces_have_the_attributes_of_then()
    {
        using var fs = new TreeFileSystem();
        Create(fs, "aa", out _);
        Entry file = Create(fs, "bb", out OpenReply open);
        Create(fs, "cc", out _);
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, NodeId.Root, 0, out OpenReply reply));
        var list = new DirectoryList(3);
        Of(fs).ReadDirPlus(Context, NodeId.Root, reply.Handle, 0, list);
        Assert.Equal(Errno.OK, Of(fs).Write(Context, file.Node, open.Handle, 0, "12345"u8, out _));
        Assert.Equal(Errno.OK, Of(fs).Unlink(Context, NodeId.Root, "cc"u8));
        var rest = new DirectoryList();
        Of(fs).ReadDirPlus(Context, NodeId.Root, reply.Handle, list.Offset, rest);
        Assert.Equal(["bb"], rest.Items.Select(item => item.Name));
        Assert.Equal(5UL, rest.Items[0].Entry.Attributes.Size);
    }

    [Fact]
    public void Listed_names_beyond_the_limit_are_ENOMEM_until_a_directory_is_closed()
    {
        using var fs = new TreeFileSystem(new PathFileSystemOptions { MaxListedNames = 3 });
        Mkdir(fs, "a");
        Mkdir(fs, "b");
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, NodeId.Root, 0, out OpenReply first));
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, NodeId.Root, 0, out OpenReply second));
        Assert.Equal(Errno.OK, Of(fs).ReadDir(Context, NodeId.Root, first.Handle, 0, new DirectoryList()));
        Assert.Equal(Errno.OK, Of(fs).ReadDir(Context, NodeId.Root, first.Handle, 0, new DirectoryList()));
        Assert.Equal(Errno.ENOMEM, Of(fs).ReadDir(Context, NodeId.Root, second.Handle, 0, new DirectoryList()));
        Assert.Equal(Errno.OK, Of(fs).ReleaseDir(Context, NodeId.Root, first.Handle, 0));
        Assert.Equal(Errno.OK, Of(fs).ReadDir(Context, NodeId.Root, second.Handle, 0, new DirectoryList()));
    }

    [Fact]
    public void A_listing_without_room_for_one_name_is_no_empty_one()
    {
        using var fs = new TreeFileSystem();
        Mkdir(fs, "a");
        Assert.Equal(Errno.OK, Of(fs).OpenDir(Context, NodeId.Root, 0, out OpenReply reply));
        for (ulong offset = 0; offset < 3; offset++)
        {
            Assert.Equal(
                Errno.EINVAL, Of(fs).ReadDir(Context, NodeId.Root, reply.Handle, offset, new DirectoryList(0)));
        }

        Assert.Equal(Errno.OK, Of(fs).ReadDir(Context, NodeId.Root, reply.Handle, 3, new DirectoryList(0)));
    }

    [Fact]
    public void Half_a_character_is_no_name_and_a_size_is_not_negative()
    {
        var listing = new PathListing();
        Assert.Throws<ArgumentException>(() => listing.Add("\uD800"));
        Assert.Throws<ArgumentException>(() => listing.Add(new string('ä', 128)));
        listing.Add(new string('ä', 127));
        Assert.Throws<ArgumentOutOfRangeException>(() => PathAttributes.File(-1));
    }
}
