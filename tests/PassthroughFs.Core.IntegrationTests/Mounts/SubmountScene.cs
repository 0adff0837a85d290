using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>
/// A directory with file systems of many kinds below it, in each of which the same names are hard links of each other and
/// the numbers begin anew.
/// </summary>
internal sealed class SubmountScene : IDisposable
{
    // In the order in which they are mounted.
    private const string Build = """
        fill() {
          mkdir -p "$1/d"
          echo "data of $1" >"$1/f" && ln "$1/f" "$1/g" && ln -s f "$1/l"
          echo "deep in $1" >"$1/d/f" && ln "$1/d/f" "$1/d/h"
          head -c 100000 /dev/zero >"$1/big" && ln "$1/big" "$1/d/big"
        }
        mkdir source outside at out
        cd source && fill . && mkdir a b disk over bind foreign
        mount -t tmpfs a a && fill a && mkdir a/in && mount -t tmpfs in a/in && fill a/in
        mount -t tmpfs b b && fill b
        truncate -s 200M ../outside/image && mkfs.btrfs -q ../outside/image >../outside/log
        mount -o loop ../outside/image disk && fill disk
        for volume in one d/two one/inner; do
          btrfs subvolume create "disk/$volume" >>../outside/log && fill "disk/$volume"
        done
        btrfs subvolume snapshot disk/one disk/snap >>../outside/log
        fill ../outside/lower && mkdir ../outside/t && mount -t tmpfs t ../outside/t
        mkdir ../outside/t/upper ../outside/t/work && fill ../outside/t/foreign
        mount -t overlay over -o lowerdir=../outside/lower,upperdir=../outside/t/upper,workdir=../outside/t/work over
        echo new >over/new && ln over/new over/again && echo more >>over/d/f
        mount --bind b/d bind && mount --bind ../outside/t/foreign foreign
        """;

    private readonly TempDirectory _files = new();
    private MountProcess? _server;

    public SubmountScene()
    {
        Require.Fuse();
        Require.Program("mkfs.btrfs", "btrfs", "losetup", "mount", "umount");
        Require.FileSystem("btrfs", "overlay", "tmpfs");
        ShellResult built = Shell.Script(Build, _files.Path);
        if (built.ExitCode != 0)
        {
            Dispose();
            Assert.Fail(built.All);
        }
    }

    public string Source => _files["source"];

    public string At => _files["at"];

    /// <summary>For what programs make.</summary>
    public string Out => _files["out"];

    public MountProcess Server => _server!;

    public void Mount(params string[] options)
    {
        Unmount();
        _server = MountProcess.Start(Source, At, options);
    }

    /// <summary>Mounts some other directory.</summary>
    public void MountOf(string source, params string[] options)
    {
        Unmount();
        _server = MountProcess.Start(source, At, options);
    }

    public void MountTree(string[] mounts, params string[] options)
    {
        Unmount();
        _server = MountProcess.StartTree(mounts, At, options);
    }

    public void Upgrade(params string[] options)
    {
        MountProcess before = Server;
        _server = before.Upgrade(options);
        before.Dispose();
    }

    public void Unmount()
    {
        _server?.Dispose();
        _server = null;
    }

    /// <summary>Makes the kernel forget what it can, and waits until the server has heard of it.</summary>
    public void Forget()
    {
        // The root itself stays, and those that are mount points of the host's.
        int Held() => Server.OpenBelow(Source).Length;
        int before = Held();
        for (int attempt = 0; attempt < 300 && Held() >= Math.Max(before, 20); attempt++)
        {
            File.WriteAllText("/proc/sys/vm/drop_caches", "2");
            Thread.Sleep(100);
        }

        Assert.True(Held() < Math.Max(before, 20), "the kernel keeps files");
    }

    /// <summary>The number of each path, as its device and its inode number.</summary>
    public static Dictionary<string, string> Numbers(string directory)
    {
        ShellResult found = Shell.Run("find", [".", "-printf", "%p %D:%i\n"], directory);
        Assert.True(found.ExitCode == 0, found.All);
        return found.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .ToDictionary(fields => fields[0], fields => fields[1]);
    }

    /// <summary>The paths that lead to one file each, in a text.</summary>
    public static string Files(Dictionary<string, string> numbers) => string.Join(
        '\n',
        numbers.GroupBy(item => item.Value, item => item.Key)
            .Select(group => string.Join(' ', group.Order(StringComparer.Ordinal))).Order(StringComparer.Ordinal));

    public void Dispose()
    {
        try
        {
            Unmount();
        }
        finally
        {
            // The last mounted first.
            string[] mounted =
            [
                .. File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4])
                    .Where(path => path.StartsWith(_files.Path + '/', StringComparison.Ordinal)).Reverse(),
            ];
            Array.ForEach(mounted, path => Shell.Run("umount", ["-l", path]));
            _files.Dispose();
        }
    }
}
