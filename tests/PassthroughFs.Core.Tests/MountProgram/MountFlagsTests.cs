using PassthroughFs.Shared;
using Xunit;

namespace PassthroughFs.Core.Tests.MountProgram;

public sealed class MountFlagsTests
{
    // Numbers of <sys/mount.h>.
    [Theory]
    [InlineData("ro", "rw", 1)]
    [InlineData("nosuid", "suid", 2)]
    [InlineData("nodev", "dev", 4)]
    [InlineData("noexec", "exec", 8)]
    [InlineData("sync", "async", 16)]
    [InlineData("dirsync", null, 128)]
    [InlineData("nosymfollow", "symfollow", 256)]
    [InlineData("silent", "loud", 1 << 15)]
    [InlineData("noatime", "atime", 1024)]
    [InlineData("nodiratime", "diratime", 2048)]
    [InlineData("relatime", "norelatime", 1 << 21)]
    [InlineData("strictatime", "nostrictatime", 1 << 24)]
    [InlineData("lazytime", "nolazytime", 1 << 25)]
    public void A_word_sets_its_bit_and_its_opposite_clears_it(string set, string? clear, int bit)
    {
        nuint flags = 0;
        Assert.True(MountFlags.TryApply(set, ref flags));
        Assert.Equal((nuint)bit, flags);
        Assert.Equal([set], MountFlags.Words(flags));

        if (clear is not null)
        {
            flags = nuint.MaxValue;
            Assert.True(MountFlags.TryApply(clear, ref flags));
            Assert.Equal(~(nuint)bit, flags);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("RO")]
    [InlineData("ro=1")]
    [InlineData("cache=never")]
    public void Another_word_changes_nothing(string word)
    {
        nuint flags = MountFlags.Default;
        Assert.False(MountFlags.TryApply(word, ref flags));
        Assert.Equal(MountFlags.Default, flags);
    }

    [Fact]
    public void Devices_and_set_uid_bits_are_off_unless_asked_for() =>
        Assert.Equal(["nosuid", "nodev"], MountFlags.Words(MountFlags.Default));

    [Theory]
    [InlineData("defaults", true)]
    [InlineData("_netdev", true)]
    [InlineData("x-systemd.automount", true)]
    [InlineData("comment=anything", true)]
    [InlineData("nomand", true)]
    [InlineData("mand", false)]
    [InlineData("user=somebody", true)]
    [InlineData("ro", false)]
    [InlineData("cache=never", false)]
    public void Words_for_other_programs_are_known(string word, bool isForOthers) =>
        Assert.Equal(isForOthers, MountFlags.IsForOthers(word));
}
