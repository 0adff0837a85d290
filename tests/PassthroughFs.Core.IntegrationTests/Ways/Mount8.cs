using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>
/// Scripts for which the mount program is the helper of mount(8). Each has its own mounts, processes, /sbin, /run,
/// /dev/fuse for everybody and fstab, which end with it: the machine never sees them.
/// </summary>
internal sealed class Mount8 : IDisposable
{
    // SIGKILL ends all that a script started, the servers too; what it mounted goes with the last of them.
    private static readonly string[] s_alone =
        ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];

    private const string Prologue = """
        mount --bind "$SBIN" /sbin
        mount -t tmpfs run /run
        mknod -m 666 /run/fuse c 10 229
        mount --bind /run/fuse /dev/fuse
        printf '%s\n' "$FSTAB" > "$SBIN/fstab"
        mount --bind "$SBIN/fstab" /etc/fstab
        options() { findmnt -no VFS-OPTIONS "${1:-$AT}"; }
        fails() { code=$1; shift; rc=0; "$@" 2> "$SBIN/said" || rc=$?; cat "$SBIN/said" >&2; test $rc = $code; }
        said() { grep -qF -- "$1" "$SBIN/said"; }

        """;

    private readonly TempDirectory _sbin = new();
    private readonly TempDirectory _source = new();
    private readonly TempDirectory _at = new();

    public Mount8()
    {
        Require.Fuse();
        Require.Program("mount", "unshare", "findmnt", "setpriv");
        Require.That(File.Exists("/etc/fstab"), "/etc/fstab");
        string program = Path.ChangeExtension(MountProcess.Program, null);
        Require.That(File.Exists(program), "ptfs-mount as an executable");
        File.CreateSymbolicLink(_sbin["mount.fuse.ptfs"], program);
    }

    /// <summary>What the helper serves: $SOURCE of a script.</summary>
    public string Source => _source.Path;

    /// <summary>Where, as far as the script says so: $AT.</summary>
    public string At => _at.Path;

    /// <summary>The lines of fstab; {source} and {at} stand for the directories.</summary>
    public string Fstab { get; init; } = "";

    /// <summary>Runs a script that must succeed, in a strict shell.</summary>
    /// <returns>What it wrote.</returns>
    public string Run(string script)
    {
        // <dotnet>/shared/Microsoft.NETCore.App/<version>/
        string runtime = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));
        string fstab = Fstab.Replace("{source}", Source, StringComparison.Ordinal)
            .Replace("{at}", At, StringComparison.Ordinal);
        ShellResult result = Shell.Run(
            "unshare", [.. s_alone, "bash", "-euo", "pipefail", "-c", Prologue + script], Source, timeoutSeconds: 60,
            new Dictionary<string, string?>
            {
                ["SBIN"] = _sbin.Path,
                ["SOURCE"] = Source,
                ["AT"] = At,
                ["FSTAB"] = fstab,
                ["DOTNET_ROOT"] = runtime,
                ["PTFS"] = _sbin["mount.fuse.ptfs"],
            });
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out;
    }

    public void Dispose()
    {
        _at.Dispose();
        _source.Dispose();
        _sbin.Dispose();
    }
}
