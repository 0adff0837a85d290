using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>What programs find on a mount as they find it in the bare directory.</summary>
public sealed class BareDirectoryTests
{
    private const string Nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";

    [Theory]
    [InlineData("never")]
    [InlineData("prefer")]
    public void Where_the_host_checks_who_may_run_a_program_need_not_read_it(string handles)
    {
        Require.Program("setpriv");
        using var fixture = new MountFixture(Backing.Disk, "--allow-other", "--inode-file-handles", handles);
        string script = $$"""
            cp /bin/true runs && chmod 111 runs
            cp /bin/true group && chmod 710 group
            cp /bin/true reads && chmod 644 reads
            printf '#!/bin/sh\n' > script && chmod 111 script
            for name in runs group reads script; do
              code=0; {{Nobody}} sh -c "./$name; exit \$?" 2>/dev/null || code=$?
              echo "$name: $code"
            done
            {{Nobody}} cat runs >/dev/null 2>&1 && echo 'runs: read' || true
            """;
        ShellResult bare = Shell.Script(script, fixture.Source);
        ShellResult mount = Shell.Script(script, fixture.Path);
        Assert.True(mount.ExitCode == 0, mount.All);
        Assert.StartsWith("runs: 0\ngroup: 126\n", bare.Out, System.StringComparison.Ordinal);
        Assert.Equal(bare.Out, mount.Out);
    }
}
