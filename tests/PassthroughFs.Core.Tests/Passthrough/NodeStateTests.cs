using System;
using System.Collections.Generic;
using System.IO;
using System.Numerics;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

/// <summary>Nodes that outlive the file system that gave them.</summary>
public sealed class NodeStateTests : DescriptorCheck
{
    private readonly HostDirectory _directory = new();

    public NodeStateTests() => Privileges.RequireRoot();

    [Theory]
    [InlineData(InodeFileHandles.Never, false)]
    [InlineData(InodeFileHandles.Never, true)]
    [InlineData(InodeFileHandles.Prefer, false)]
    [InlineData(InodeFileHandles.Mandatory, true)]
    public void A_successor_knows_the_nodes_by_number_and_by_name(InodeFileHandles handles, bool useHostIno)
    {
        _directory.Folder("d");
        string deleted = _directory.File("deleted");
        string replaced = _directory.File("replaced");
        string[] names = ["d", "d/live", "d/forgotten", "deleted", "replaced"];
        var entries = new Dictionary<string, Entry>();
        _directory.File("d/live");
        _directory.File("d/forgotten");
        byte[] state;
        ulong largest = 0;
        using (PassthroughFileSystem fs = New(handles, useHostIno))
        {
            foreach (string name in names)
            {
                Assert.Equal(Errno.OK, fs.LookupPath(default, name, out Entry entry));
                entries[name] = entry;
                largest = Math.Max(largest, entry.Node.Value);
            }

            fs.Forget(default, entries["d/forgotten"].Node, 1);
            state = Save(fs);
        }

        File.Delete(deleted);
        File.Delete(replaced);
        _directory.File("filler");
        _directory.File("replaced");
        using PassthroughFileSystem next = New(handles, useHostIno);
        Assert.Equal(names.Length, Restore(next, state));

        // By number first, so that no name helps.
        foreach (string name in new[] { "d/forgotten", "d", "d/live" })
        {
            Assert.Equal(Errno.OK, next.Lookup(default, entries[name].Node, ".", out Entry entry));
            Assert.Equal((entries[name].Node, entries[name].Generation), (entry.Node, entry.Generation));
            Assert.Equal(entries[name].Attributes.Ino, entry.Attributes.Ino);
            Assert.Equal(Errno.OK, next.LookupPath(default, name, out Entry byName));
            Assert.Equal(entry.Node, byName.Node);
        }

        Assert.Equal(Errno.ESTALE, next.Lookup(default, entries["deleted"].Node, ".", out _));
        Assert.Equal(Errno.ESTALE, next.Lookup(default, entries["replaced"].Node, ".", out _));
        Assert.Equal(Errno.OK, next.LookupPath(default, "replaced", out Entry other));
        Assert.NotEqual(
            (entries["replaced"].Node, entries["replaced"].Generation), (other.Node, other.Generation));
        Assert.True(useHostIno || other.Node.Value > largest, "a number that was given is given again");
    }

    [Fact]
    public void By_name_a_file_gets_its_node_again_from_a_successor()
    {
        _directory.File("f");
        byte[] state;
        NodeId node;
        using (PassthroughFileSystem fs = New())
        {
            _directory.File("first");
            Assert.Equal(Errno.OK, fs.LookupPath(default, "first", out _));
            Assert.Equal(Errno.OK, fs.LookupPath(default, "f", out Entry entry));
            node = entry.Node;
            state = Save(fs);
        }

        using PassthroughFileSystem next = New();
        Restore(next, state);
        Assert.Equal(Errno.OK, next.LookupPath(default, "f", out Entry again));
        Assert.Equal(node, again.Node);
    }

    [Fact]
    public void Without_the_state_a_number_that_means_another_file_has_another_generation()
    {
        _directory.File("f");
        Entry before;
        using (PassthroughFileSystem fs = New())
        {
            Assert.Equal(Errno.OK, fs.LookupPath(default, "f", out before));
        }

        _directory.File("g");
        using PassthroughFileSystem next = New();
        Assert.Equal(Errno.ESTALE, next.Lookup(default, before.Node, ".", out _));
        Assert.Equal(Errno.OK, next.LookupPath(default, "g", out Entry other));
        Assert.Equal(before.Node, other.Node);
        Assert.Equal(Errno.OK, next.Lookup(default, before.Node, ".", out Entry named));
        Assert.NotEqual(before.Generation, named.Generation);
    }

    [Fact]
    public void What_was_restored_is_saved_again()
    {
        _directory.File("f");
        byte[] state;
        Entry file;
        using (PassthroughFileSystem fs = New())
        {
            Assert.Equal(Errno.OK, fs.LookupPath(default, "f", out file));
            state = Save(fs);
        }

        for (int i = 0; i < 3; i++)
        {
            using PassthroughFileSystem fs = New();
            Assert.Equal(1, Restore(fs, state));
            state = Save(fs);
        }

        using PassthroughFileSystem last = New();
        Restore(last, state);
        Assert.Equal(Errno.OK, last.Lookup(default, file.Node, ".", out Entry again));
        Assert.Equal(file.Generation, again.Generation);
    }

    [Fact]
    public void Only_as_many_are_restored_as_are_remembered_and_live_ones_first()
    {
        byte[] state;
        var entries = new Entry[4];
        using (PassthroughFileSystem fs = New())
        {
            for (int i = 0; i < entries.Length; i++)
            {
                _directory.File($"{i}");
                Assert.Equal(Errno.OK, fs.LookupPath(default, $"{i}", out entries[i]));
            }

            fs.Forget(default, entries[3].Node, 1);
            fs.Forget(default, entries[2].Node, 1);
            state = Save(fs);
        }

        using PassthroughFileSystem next = New(retained: 3);
        Assert.Equal(3, Restore(next, state));
        Assert.Equal(Errno.ESTALE, next.Lookup(default, entries[3].Node, ".", out _));
        Assert.Equal(Errno.OK, next.Lookup(default, entries[2].Node, ".", out _));
        Assert.Equal(Errno.OK, next.Lookup(default, entries[0].Node, ".", out _));
    }

    [Fact]
    public void A_state_that_is_cut_off_or_changed_anywhere_is_refused_and_nothing_is_restored()
    {
        _directory.File("f");
        _directory.Folder("d");
        byte[] state;
        using (PassthroughFileSystem fs = New(useHostIno: true))
        {
            Assert.Equal(Errno.OK, fs.LookupPath(default, "f", out _));
            Assert.Equal(Errno.OK, fs.LookupPath(default, "d", out _));
            state = Save(fs);
        }

        using PassthroughFileSystem next = New(useHostIno: true);
        for (int length = 0; length < state.Length; length++)
        {
            string message = Refused(next, state[..length]);
            Assert.Contains(length < 12 ? "no saved state" : "cut off", message, StringComparison.Ordinal);
        }

        for (int i = 0; i < state.Length; i++)
        {
            byte[] changed = [.. state];
            changed[i] ^= 0x10;
            Refused(next, changed);
        }

        Assert.Contains("no saved state", Refused(next, new byte[1000]), StringComparison.Ordinal);
        byte[] later = [.. state];
        later[8]++;
        Assert.Contains("version 2", Refused(next, later), StringComparison.Ordinal);
        Assert.Equal(0, next.Inodes.RememberedCount);
        Assert.Equal(2, Restore(next, state));
    }

    [Fact]
    public void A_state_of_another_directory_is_refused()
    {
        using var elsewhere = new HostDirectory();
        byte[] state;
        using (PassthroughFileSystem fs = New())
        {
            state = Save(fs);
        }

        using PassthroughFileSystem other = New(root: elsewhere.Path);
        Assert.Contains("another directory", Refused(other, state), StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_sections_are_passed_over_and_what_follows_the_state_is_left_alone()
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New();
        Assert.Equal(Errno.OK, fs.LookupPath(default, "f", out _));
        byte[] state = Save(fs);

        // One more section behind the header, and the checksum that it makes.
        const int Header = 12;
        byte[] content = [.. state[..Header], .. "XTRA"u8, 3, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, .. state[Header..^4]];
        uint crc = 0;
        Array.ForEach(content, value => crc = BitOperations.Crc32C(crc, value));
        var stream = new MemoryStream();
        stream.Write(content);
        stream.Write(BitConverter.GetBytes(crc));
        long end = stream.Position;
        stream.Write("more"u8);
        stream.Position = 0;
        using PassthroughFileSystem next = New();
        Assert.Equal(1, next.RestoreNodes(stream));
        Assert.Equal(end, stream.Position);
    }

    [Fact]
    public void Wrong_use_is_said()
    {
        _directory.File("f");
        using PassthroughFileSystem fs = New();
        byte[] state = Save(fs);
        Assert.Equal(Errno.OK, fs.LookupPath(default, "f", out _));
        Assert.Throws<InvalidOperationException>(() => Restore(fs, state));
        using var without = new PassthroughFileSystem(new PassthroughConfig { RootDir = _directory.Path });
        Assert.Equal(Errno.OK, without.Import());
        Assert.Contains(
            "ExportSupport", Assert.Throws<InvalidOperationException>(() => Save(without)).Message,
            StringComparison.Ordinal);
        using var early = new PassthroughFileSystem(
            new PassthroughConfig { RootDir = _directory.Path, ExportSupport = true });
        Assert.Contains(
            "Import", Assert.Throws<InvalidOperationException>(() => Save(early)).Message, StringComparison.Ordinal);
    }

    protected override void Cleanup() => _directory.Dispose();

    private static byte[] Save(PassthroughFileSystem fs)
    {
        var stream = new MemoryStream();
        fs.SaveNodes(stream);
        return stream.ToArray();
    }

    private static int Restore(PassthroughFileSystem fs, byte[] state) => fs.RestoreNodes(new MemoryStream(state));

    private static string Refused(PassthroughFileSystem fs, byte[] state) =>
        Assert.Throws<InvalidDataException>(() => Restore(fs, state)).Message;

    private PassthroughFileSystem New(
        InodeFileHandles handles = InodeFileHandles.Never, bool useHostIno = false, int retained = 1000,
        string? root = null)
    {
        var fs = new PassthroughFileSystem(new PassthroughConfig
        {
            RootDir = root ?? _directory.Path,
            InodeFileHandles = handles,
            UseHostIno = useHostIno,
            RetainedMappings = retained,
            ExportSupport = true,
        });
        Assert.Equal(Errno.OK, fs.Import());
        return fs;
    }
}
