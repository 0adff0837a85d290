using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>The mount program as mount(8) calls it: `mount -t fuse.ptfs`, with the words of mount(8).</summary>
public sealed class MountHelperTests
{
    [Theory]
    [InlineData("dev,suid", "rw,relatime")]
    [InlineData("defaults", "rw,relatime")]
    [InlineData("nosuid", "rw,nosuid,relatime")]
    [InlineData("nodev", "rw,nodev,relatime")]
    [InlineData("nodev,nosuid,dev", "rw,nosuid,relatime")]
    [InlineData("ro,noexec", "ro,noexec,relatime")]
    [InlineData("user", "rw,nosuid,nodev,noexec,relatime")]
    [InlineData("user,suid,dev,exec", "rw,relatime")]
    [InlineData("nosymfollow,silent", "rw,relatime,nosymfollow")]
    [InlineData("loud,noiversion,nomand,symfollow,noowner,nogroup,_netdev,nofail", "rw,relatime")]
    [InlineData("auto_unmount", "rw,relatime")]
    [InlineData("auto_unmount,nodev", "rw,nodev,relatime")]
    public void The_mount_has_the_options_that_mount_8_gives_any_file_system(string words, string expected)
    {
        using var mount = new Mount8();
        Assert.Equal(expected, mount.Run($"""
            mount -t fuse.ptfs -o {words} "$SOURCE" "$AT"
            options
            """).TrimEnd());
    }

    [Fact]
    public void Devices_and_set_uid_programs_work_as_on_the_bare_directory()
    {
        using var mount = new Mount8();
        mount.Run("""
            mknod null c 1 3
            cp "$(command -v id)" id
            chown 65534 id
            chmod 4755 id
            for at in "$SOURCE" "$AT"; do
                test "$at" = "$SOURCE" || mount -t fuse.ptfs "$SOURCE" "$at"
                echo content > "$at/null"
                test "$("$at/id" -u)" = 65534
            done

            umount "$AT"
            mount -t fuse.ptfs -o nosuid,nodev "$SOURCE" "$AT"
            test "$("$AT/id" -u)" = 0
            fails 1 bash -c 'echo content > "$AT/null"'
            """);
    }

    [Fact]
    public void As_a_plain_program_it_gives_no_privilege_unless_asked()
    {
        using var mount = new Mount8();
        Assert.Equal("rw,nosuid,nodev,relatime\nrw,relatime\n", mount.Run("""
            program=$(readlink -f "$PTFS")
            "$program" --background "$SOURCE" "$AT" > /dev/null
            options
            umount "$AT"
            "$program" --background -o suid,dev --auto-unmount "$SOURCE" "$AT" > /dev/null
            options
            """));
    }

    [Fact]
    public void An_ordinary_user_of_fstab_gets_no_privilege()
    {
        Require.Program("fusermount3");
        using var mount = new Mount8 { Fstab = "{source} {at} fuse.ptfs noauto,user 0 0" };
        Assert.Equal("rw,nosuid,nodev,noexec,relatime\n", mount.Run("""
            chown 65534 "$AT"
            setpriv --reuid 65534 --regid 65534 --clear-groups mount "$AT"
            options
            """));
    }

    [Fact]
    public void What_fstab_gives_to_users_and_FUSE_does_not_is_refused()
    {
        Require.Program("fusermount3");
        using var mount = new Mount8 { Fstab = "{source} {at} fuse.ptfs noauto,user=65534,suid,dev 0 0" };
        mount.Run("""
            chown 65534 "$AT"
            fails 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$PTFS" "$SOURCE" "$AT" -o user=65534,suid,dev
            said "-o suid and -o dev are for root alone"
            fails 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$PTFS" "$SOURCE" "$AT" -o nosymfollow
            said "does not know -o nosymfollow"
            """);
    }

    [Theory]
    [InlineData("mand", "-o mand cannot be had: Linux has no mandatory locks")]
    [InlineData("iversion", "-o iversion cannot be had: a FUSE mount counts no changes")]
    [InlineData("uid=5", "unknown mount option uid")]
    [InlineData("nonsense", "unknown mount option nonsense")]
    public void What_cannot_be_had_is_refused_with_the_exit_code_of_wrong_usage(string words, string message)
    {
        using var mount = new Mount8();
        mount.Run($"""
            fails 1 mount -t fuse.ptfs -o {words} "$SOURCE" "$AT"
            said "{message}"
            fails 1 mountpoint -q "$AT" || fails 32 mountpoint -q "$AT"
            mount -s -t fuse.ptfs -o {words} "$SOURCE" "$AT"
            """);
    }

    [Fact]
    public void Exit_codes_are_those_of_mount_8()
    {
        using var mount = new Mount8();
        mount.Run("""
            nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
            m() { mount -t fuse.ptfs "$@"; }

            fails 1 m -o cache=sometimes "$SOURCE" "$AT"
            fails 1 m -o read_only,writeback "$SOURCE" "$AT"
            fails 1 nobody "$PTFS" "$SOURCE" "$AT"
            said "not yours"
            fails 32 m "$SOURCE/missing" "$AT"
            fails 32 m "$SOURCE" "$SOURCE"
            m "$SOURCE" "$AT"
            fails 32 m "$SOURCE" "$AT"
            said busy
            umount "$AT"
            m -f "$SOURCE" "$AT"

            mount -t tmpfs dev /dev
            mknod -m 666 /dev/null c 1 3
            fails 2 m "$SOURCE" "$AT"
            said "/dev/fuse does not exist"

            # Without mount(8): as ever.
            program=$(readlink -f "$PTFS")
            fails 2 "$program" --cache sometimes "$SOURCE" "$AT"
            fails 1 "$program" "$SOURCE/missing" "$AT"
            fails 1 "$program" "$SOURCE" "$AT"
            """);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void Who_breaks_it_off_is_told_and_nothing_stays(string signal)
    {
        using var mount = new Mount8();
        Directory.CreateDirectory(Path.Combine(mount.Source, "in"));

        // A source that does not answer: its own server stands still.
        mount.Run($"""
            mkdir "$SBIN/hangs"
            "$PTFS" "$SOURCE" "$SBIN/hangs" -o attr_timeout=0,entry_timeout=0
            server=$(pgrep -f "^[^ ]*mount.fuse.ptfs $SOURCE $SBIN/hangs")
            mountpoint -q /sys/fs/fuse/connections || mount -t fusectl fusectl /sys/fs/fuse/connections
            waiting=/sys/fs/fuse/connections/$(mountpoint -d "$SBIN/hangs" | cut -d: -f2)/waiting
            kill -STOP $server
            env --default-signal=INT,TERM,HUP "$PTFS" "$SBIN/hangs/in" "$AT" 2> "$SBIN/said" &
            helper=$!
            until test "$(cat $waiting)" != 0; do sleep 0.05; done
            child=$(pgrep -P $helper)

            kill -{signal} $helper
            rc=0
            wait $helper || rc=$?
            test $rc = 8
            said interrupted
            fails 1 kill -0 $child
            kill -CONT $server
            fails 32 mountpoint -q "$AT"
            """);
    }
}
