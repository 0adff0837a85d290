using System;
using System.Collections.Generic;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>A server that stays holds nothing open that whoever started it had open.</summary>
public sealed class InheritedDescriptorTests : IDisposable
{
    // Each server is the one process with the mount point among its arguments, or, after an upgrade, another than before.
    private const string Script = """
        fail() { echo "$1"; exit 1; }
        server() { pgrep -f -- "$AT" | grep -vx "${1:-none}" || true; }
        check() {
          for fd in $(ls /proc/$1/fd | awk '$1 > 2'); do
            link=$(readlink "/proc/$1/fd/$fd") || continue
            case $link in "$PWD/kept" | "$AT"/*) fail "$2 has $link";; esac
          done
        }
        trap 'umount -l "$AT" 2>/dev/null || true' EXIT
        echo mine >kept
        exec 8<kept
        "$HOST" "$PROGRAM" --background "$SOURCE" "$AT" >out
        first=$(server)
        check "$first" "the server in the background"

        exec 9<"$AT/file"
        "$HOST" "$PROGRAM" --upgrade "$AT" --background >out
        while [ -d "/proc/$first" ]; do sleep 0.05; done
        second=$(server)
        check "$second" "the upgrade in the background"

        "$HOST" "$PROGRAM" --upgrade "$AT" >out &
        third=$!
        while [ -d "/proc/$second" ]; do sleep 0.05; done
        check "$third" "the upgrade"
        exec 8<&- 9<&-
        umount "$AT" || fail "the mount is busy"
        wait "$third"
        """;

    private readonly TempDirectory _directory = new();
    private readonly TempDirectory _source = new();
    private readonly TempDirectory _at = new();

    public void Dispose()
    {
        _directory.Dispose();
        _source.Dispose();
        _at.Dispose();
    }

    [Fact]
    public void Nothing_that_the_caller_has_open_stays_open()
    {
        Require.Fuse();
        Require.Program("pgrep");
        System.IO.File.WriteAllText(_source["file"], "x");
        ShellResult result = Shell.Script(Script, _directory.Path, environment: new Dictionary<string, string?>
        {
            ["HOST"] = Vhost.DaemonProcess.Host,
            ["PROGRAM"] = MountProcess.Program,
            ["SOURCE"] = _source.Path,
            ["AT"] = _at.Path,
        });
        Assert.True(result.ExitCode == 0, result.All);
    }
}
