using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Attributes under other names on the host, in both samples.</summary>
public sealed class XattrMapTests
{
    private const string Map = ":map::user.guest.:";

    [Fact]
    public void A_mount_keeps_attributes_under_other_names()
    {
        Require.Program("setfattr", "getfattr", "setcap", "getcap");
        using var fixture = new MountFixture(Backing.Disk, "--xattr", "--xattrmap", Map, "--killpriv-v2");
        ShellResult result = Shell.Script(
            $"""
            printf x > f && setfattr -n user.host -v secret '{fixture.Source}/f'
            setfattr -n trusted.a -v 1 f && setfattr -n user.b -v 2 f
            test "$(getfattr --absolute-names -d -m - f | grep -v '^#' | sort | tr '\n' ' ')" = ' trusted.a="1" user.b="2" '
            getfattr -d -m user.guest '{fixture.Source}/f' 2>/dev/null | grep -q 'user.guest.trusted.a="1"'

            # Capabilities are the client's own affair: it takes them from a file that is written to.
            setcap cap_net_raw+ep f && getcap f | grep -q cap_net_raw
            test -z "$(getcap '{fixture.Source}/f')"
            printf y >> f
            test -z "$(getcap f)"
            """,
            fixture.Path);
        Assert.True(result.ExitCode == 0, result.All);
    }

    [Fact]
    public void A_guest_keeps_attributes_under_other_names()
    {
        Require.Root();
        using var shared = new TempDirectory(Backing.Disk);
        File.WriteAllText(shared["f"], "x");
        using var daemon = new DaemonProcess(shared.Path, "--num-request-queues", "2", "--xattrmap", Map);
        using (var posix = new DispatchPosix(new VhostChannel(daemon.SocketPath)))
        {
            posix.SetXattr("f", "trusted.a", "1"u8, 0).IsOk();
        }

        ShellResult host = Shell.Run("getfattr", ["--absolute-names", "-d", "-m", "-", shared["f"]]);
        Assert.Contains("user.guest.trusted.a=\"1\"", host.Out, System.StringComparison.Ordinal);
    }
}
