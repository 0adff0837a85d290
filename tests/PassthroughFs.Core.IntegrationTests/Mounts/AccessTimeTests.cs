using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>noatime and its like: a mount of the source itself with the option is the measure.</summary>
public sealed class AccessTimeTests
{
    // What is old is read: after that, whose time is of today? Then the same is read again.
    private const string Measure = """
        measure() {
            find "$SOURCE" -depth -exec touch -h -a -d @1000000000 {} +
            cat "$1/file" "$1/sub/file" "$1/link" "$1/mounted/file" > /dev/null
            ls "$1/sub" "$1/mounted" > /dev/null
            readlink "$1/link" > /dev/null
            for name in file sub sub/file link mounted mounted/file; do
                test "$(stat -c %X "$SOURCE/$name")" -gt 1000000000 && echo "$name: new" || echo "$name: old"
            done

            # What relatime has changed once it leaves alone, as long as nothing is written.
            sleep 0.05
            cat "$1/sub/file" "$1/mounted/file" > /dev/null
            sleep 0.05
            before=$(stat -c %x "$SOURCE/sub/file" "$SOURCE/mounted/file")
            cat "$1/sub/file" "$1/mounted/file" > /dev/null
            test "$(stat -c %x "$SOURCE/sub/file" "$SOURCE/mounted/file")" = "$before" && echo kept || echo moved
        }

        mkdir sub mounted
        mount -t tmpfs -o "$SUBMOUNT" below mounted
        echo content | tee file sub/file mounted/file > /dev/null
        touch -d '2 days ago' file sub/file mounted/file
        ln -s file link

        """;

    [Theory]
    [InlineData("noatime", "")]
    [InlineData("nodiratime", "")]
    [InlineData("nodiratime,strictatime", "")]
    [InlineData("strictatime", "")]
    [InlineData("relatime", "")]
    [InlineData("noatime", "inode_file_handles=mandatory")]
    [InlineData("noatime", "inode_file_handles=never")]
    [InlineData("noatime", "allow_other")]
    [InlineData("noatime", "passthrough")]
    [InlineData("strictatime", "passthrough")]
    [InlineData("noatime", "no_opendir,cache=always,no_open")]
    public void What_is_read_has_the_access_time_that_it_has_on_the_source_mounted_so(string atime, string options)
    {
        using var mount = new Mount8();
        string submount = atime == "relatime" ? "noatime" : "relatime";
        mount.Run("SUBMOUNT=" + submount + "\n" + Measure + $"""
            mkdir /run/bare
            mount --rbind "$SOURCE" /run/bare
            for at in /run/bare /run/bare/mounted; do mount -o "remount,bind,atime,{atime}" $at; done
            measure /run/bare > /run/expected
            mount -t fuse.ptfs -o "{atime},{options},attr_timeout=0" "$SOURCE" "$AT"
            measure "$AT" > /run/seen
            diff /run/expected /run/seen >&2
            """);
    }

    [Fact]
    public void Without_such_an_option_the_sources_own_holds()
    {
        using var mount = new Mount8();
        mount.Run("SUBMOUNT=noatime\n" + Measure + """
            measure "$SOURCE" > /run/expected
            mount -t fuse.ptfs -o attr_timeout=0 "$SOURCE" "$AT"
            measure "$AT" > /run/seen
            diff /run/expected /run/seen >&2
            """);
    }

    [Fact]
    public void Mounts_of_the_host_come_and_go_below_it_and_no_other_is_held()
    {
        using var mount = new Mount8();
        mount.Run("""
            mkdir sub
            echo content > file
            mount --bind "$SOURCE" "$SOURCE"
            mount --make-shared "$SOURCE"
            mkdir /run/served /run/other
            "$PTFS" /run/served /run/other
            other=$(pgrep -f "^[^ ]*mount.fuse.ptfs /run/served /run/other")
            mount -t fuse.ptfs -o noatime,entry_timeout=0,attr_timeout=0 "$SOURCE" "$AT"
            mount -t tmpfs later "$SOURCE/sub"
            echo content > "$SOURCE/sub/file"
            test "$(cat "$AT/sub/file")" = content
            rm "$SOURCE/sub/file"
            umount -l "$SOURCE/sub"
            test -z "$(ls "$AT/sub")"

            # Its server ends with its last mount.
            umount /run/other
            while kill -0 $other 2> /dev/null && ! grep -q "State:.Z" /proc/$other/status; do sleep 0.05; done
            test "$(cat "$AT/file")" = content
            fails 32 "$PTFS" --upgrade "$AT"
            said "access times"
            """);
    }

    [Fact]
    public void Who_cannot_have_it_is_told()
    {
        using var mount = new Mount8();
        mount.Run("""
            chown 65534 "$AT"
            nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
            fails 1 $nobody "$PTFS" "$SOURCE" "$AT" -o noatime
            said "access times"
            fails 1 mount -t fuse.ptfs -o "noatime,mount=/in=$SOURCE" none "$AT"
            said "access times"
            mount --bind "$SOURCE" "$SOURCE"
            mount -o remount,bind,noatime "$SOURCE"
            $nobody "$PTFS" "$SOURCE" "$AT" -o noatime
            """);
    }
}
