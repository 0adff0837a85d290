using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>`mount -o remount` on a mount whose helper is the mount program.</summary>
public sealed class RemountTests
{
    [Theory]
    [InlineData("")]
    [InlineData("allow_other,default_permissions")]
    [InlineData("ro")]
    [InlineData("nosuid,nodev,noexec,allow_other,cache=always,fsname=name")]
    [InlineData("auto_unmount")]
    public void A_mount_becomes_read_only_and_writable_again(string options)
    {
        using var mount = new Mount8();
        mount.Run($"""
            mount -t fuse.ptfs -o "{options}" "$SOURCE" "$AT"
            others=$(options | cut -d, -f2-)
            mount -o remount,ro "$AT"
            test "$(options)" = "ro,$others"
            fails 1 touch "$AT/new"
            said "Read-only file system"
            fails 1 test -w "$AT"
            mount -o remount,rw "$AT"
            test "$(options)" = "rw,$others"
            echo content > "$AT/new"
            test "$(cat new)" = content
            """);
    }

    [Fact]
    public void The_other_flags_change_as_on_any_file_system()
    {
        using var mount = new Mount8();
        Assert.Equal("rw,nosuid,noexec,relatime\nrw,nodev,relatime\nrw,relatime\nro,relatime\n", mount.Run("""
            mount -t fuse.ptfs "$SOURCE" "$AT"
            mount -o remount,nosuid,noexec "$AT"
            options
            mount -o remount,suid,exec,nodev "$AT"
            options
            mount -o remount,dev "$AT"
            options
            mount -f -o remount,noexec "$AT"
            mount -t fuse.ptfs -o remount,ro "$SOURCE" "$AT"
            options
            """));
    }

    [Fact]
    public void Fstabs_options_are_those_of_the_mount()
    {
        using var mount = new Mount8 { Fstab = "{source} {at} fuse.ptfs noauto,cache=always,xattr 0 0" };
        mount.Run("""
            mount "$AT"
            mount -o remount,ro "$AT"
            mount -o remount "$AT"
            options | grep -q ^rw,

            # One that was changed in fstab meanwhile.
            sed s/always/never/ /etc/fstab > /run/fstab
            mount --bind /run/fstab /etc/fstab
            fails 32 mount -o remount,ro "$AT"
            said "cannot change cache=never"
            options | grep -q ^rw,
            """);
    }

    [Theory]
    [InlineData("", "remount,noatime", "cannot change how access times are kept")]
    [InlineData("", "remount,cache=never", "cannot change cache=never")]
    [InlineData("", "remount,allow_other", "cannot change allow_other")]
    [InlineData("", "remount,nonsense", "cannot change nonsense")]
    [InlineData("read_only", "remount,rw", "served with --read-only")]
    public void What_a_remount_cannot_change_is_refused(string options, string words, string message)
    {
        using var mount = new Mount8();
        mount.Run($"""
            mount -t fuse.ptfs -o "{options}" "$SOURCE" "$AT"
            before=$(options)
            fails 32 mount -o {words} "$AT"
            said "{message}"
            test "$(options)" = "$before"
            """);
    }

    [Fact]
    public void What_is_read_only_on_the_host_cannot_be_made_writable()
    {
        using var mount = new Mount8();
        mount.Run("""
            mount --bind "$SOURCE" "$SOURCE"
            mount -o remount,bind,ro "$SOURCE"
            mount -t fuse.ptfs "$SOURCE" "$AT" 2> /dev/null
            fails 32 mount -o remount,rw "$AT"
            said "read-only on the host"
            mount -o remount,bind,rw "$SOURCE"
            mount -o remount,rw "$AT"
            touch "$AT/new"
            """);
    }

    [Fact]
    public void A_file_that_is_open_for_writing_keeps_it_writable()
    {
        using var mount = new Mount8();
        mount.Run("""
            mount -t fuse.ptfs "$SOURCE" "$AT"
            exec 7> "$AT/file"
            fails 32 mount -o remount,ro "$AT"
            said "busy"
            exec 7>&-
            until mount -o remount,ro "$AT" 2> /dev/null; do sleep 0.05; done
            """);
    }

    [Fact]
    public void Several_directories_and_a_successor_are_remounted_too()
    {
        using var mount = new Mount8();
        mount.Run("""
            mount -t fuse.ptfs -o "mount=/in=$SOURCE,control=/run/c" none "$AT"
            fails 32 mount -o remount,ro "$AT"
            said "takes orders"
            mount -o remount,ro,control=/run/c "$AT"
            mount -o remount,rw,control=/run/c "$AT"
            touch "$AT/in/file"
            "$PTFS" --upgrade --background --control /run/c "$AT" > /dev/null
            mount -o remount,ro,control=/run/c "$AT"
            fails 1 touch "$AT/in/file"
            mount -o remount,rw,control=/run/c "$AT"
            touch "$AT/in/file"
            """);
    }

    [Fact]
    public void Only_a_mount_of_this_program_can_be_remounted_by_it()
    {
        using var mount = new Mount8();
        mount.Run("""
            fails 32 "$PTFS" "$SOURCE" "$AT" -o remount,ro
            said "is no mount of ptfs-mount"
            mount -t fuse.ptfs -o allow_other,control=/run/c "$SOURCE" "$AT"
            nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
            fails 1 $nobody "$PTFS" "$SOURCE" "$AT" -o remount,ro,control=/run/c
            said "no permission"
            chmod 666 /run/c
            fails 1 $nobody "$PTFS" "$SOURCE" "$AT" -o remount,ro,control=/run/c
            said "no privilege to remount"
            options | grep -q ^rw,
            """);
    }
}
