using PassthroughFs.Shared;
using Xunit;

namespace PassthroughFs.Core.Tests.MountProgram;

public sealed class MountTableTests
{
    [Theory]
    [InlineData("36 35 0:98 / /mnt rw,noatime - fuse.ptfs /home rw,user_id=0", "/mnt", "fuse.ptfs", "/home", 98, true)]
    [InlineData("36 35 0:98 / /mnt rw shared:1 master:2 - fuse me rw", "/mnt", "fuse", "me", 98, true)]
    [InlineData("25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw", "/", "ext4", "/dev/sda1", 1, false)]
    [InlineData("36 35 0:9 / /mnt rw - fuseblk /dev/sdb rw", "/mnt", "fuseblk", "/dev/sdb", 9, false)]
    [InlineData("36 35 0:9 / /- rw - tmpfs - rw", "/-", "tmpfs", "-", 9, false)]
    [InlineData("36 35 0:9 / /mnt rw - fuse  rw", "/mnt", "fuse", "", 9, true)]
    public void A_line_says_where_what_and_which_connection(
        string line, string path, string type, string source, uint minor, bool isFuse)
    {
        MountTable.Entry? entry = MountTable.Parse(line);
        Assert.NotNull(entry);
        Assert.Equal((path, type, source, minor), (entry.Path, entry.Type, entry.Source, entry.Minor));
        Assert.Equal(isFuse, entry.IsFuse);
    }

    [Fact]
    public void A_line_says_the_options_of_the_mount_and_of_its_file_system()
    {
        MountTable.Entry entry = MountTable.Parse("36 35 0:98 / /mnt rw,nosuid shared:1 - fuse me ro,user_id=0,allow_other")!;
        Assert.Equal(["rw", "nosuid"], entry.Options);
        Assert.Equal(["ro", "user_id=0", "allow_other"], entry.FileSystemOptions);
    }

    [Theory]
    [InlineData(@"/a\040b", "/a b")]
    [InlineData(@"/a\011b\012c\134d", "/a\tb\nc\\d")]
    [InlineData(@"/\134040", @"/\040")]
    [InlineData("/äöü", "/äöü")]
    public void What_the_kernel_has_escaped_is_read_as_it_was(string written, string path)
    {
        MountTable.Entry? entry = MountTable.Parse($"36 35 0:98 / {written} rw - fuse.ptfs {written} rw");
        Assert.Equal(path, entry!.Path);
        Assert.Equal(path, entry.Source);
    }

    [Theory]
    [InlineData("")]
    [InlineData("36 35")]
    [InlineData("36 35 0:98 / /mnt rw shared:1 fuse source rw")]
    [InlineData("36 35 0:98 / /mnt rw -")]
    [InlineData("36 35 0:98 / /mnt rw - fuse")]
    [InlineData("36 35 0:x / /mnt rw - fuse source rw")]
    public void A_line_of_another_form_is_none(string line) => Assert.Null(MountTable.Parse(line));

    [Fact]
    public void The_mount_of_proc_is_found() =>
        Assert.Contains(MountTable.At("/proc"), mount => mount.Type == "proc" && !mount.IsFuse);
}
