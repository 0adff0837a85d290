using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Mounts;

/// <summary>Other file systems below the root: a client takes all for one, and no two files for one.</summary>
public sealed class SubmountTests
{
    [Theory]
    [InlineData("")]
    [InlineData("--inode-file-handles never")]
    [InlineData("--inode-file-handles prefer")]
    [InlineData("--inode-file-handles adaptive --fd-budget 8")]
    [InlineData("--use-host-ino")]
    [InlineData("--use-host-ino --inode-file-handles prefer")]
    [InlineData("--enable-mntid --no-readdirplus")]
    [InlineData("--no-open --cache always --no-opendir")]
    [InlineData("--io-uring")]
    public void Paths_lead_to_one_file_where_they_do_on_the_bare_directory_and_nowhere_else(string options)
    {
        using var scene = new SubmountScene();
        string[] words = options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string bare = SubmountScene.Files(SubmountScene.Numbers(scene.Source));
        scene.Mount(words);
        Dictionary<string, string> numbers = SubmountScene.Numbers(scene.At);
        Assert.Equal(bare, SubmountScene.Files(numbers));
        Assert.Single(numbers.Values.Select(number => number.Split(':')[0]).Distinct());

        // The root's own numbers are the host's.
        Assert.Equal(NumberOf(scene.Source + "/f"), numbers["./f"].Split(':')[1]);

        string before = Inodes(numbers);
        scene.Forget();
        Assert.Equal(before, Inodes(SubmountScene.Numbers(scene.At)));
        if (!words.Contains("--io-uring"))
        {
            scene.Upgrade();
            Assert.Equal(before, Inodes(SubmountScene.Numbers(scene.At)));
        }

        scene.Mount(words);
        Assert.Equal(before, Inodes(SubmountScene.Numbers(scene.At)));
    }

    [Fact]
    public void In_a_tree_of_several_directories_all_files_have_numbers_of_their_own()
    {
        using var scene = new SubmountScene();
        string bare = SubmountScene.Files(SubmountScene.Numbers(scene.Source));
        string volume = scene.Source + "/disk";
        string bareVolume = SubmountScene.Files(SubmountScene.Numbers(volume));
        scene.MountTree([$"/x={scene.Source}", $"/y={scene.Source}", $"/z={volume}"]);
        Dictionary<string, string> all = SubmountScene.Numbers(scene.At);
        Dictionary<string, string> x = SubmountScene.Numbers(scene.At + "/x"), y = SubmountScene.Numbers(scene.At + "/y"),
            z = SubmountScene.Numbers(scene.At + "/z");
        Assert.Equal(bare, SubmountScene.Files(x));
        Assert.Equal(bare, SubmountScene.Files(y));
        Assert.Equal(bareVolume, SubmountScene.Files(z));
        Assert.Equal(
            all.Values.Distinct().Count() - 1,
            new[] { x, y, z }.Sum(numbers => numbers.Values.Distinct().Count()));
    }

    [Theory]
    [InlineData("never")]
    [InlineData("mandatory")]
    [InlineData("adaptive")]
    public void Volumes_below_a_volume_are_told_apart(string handles)
    {
        using var scene = new SubmountScene();
        string source = scene.Source + "/disk/one";
        Assert.Equal(0, Shell.Script("mkdir -p deep && btrfs subvolume create deep/er && cp -a f deep/er", source).ExitCode);
        string bare = SubmountScene.Files(SubmountScene.Numbers(source));
        scene.MountOf(source, "--inode-file-handles", handles);
        Assert.Equal(bare, SubmountScene.Files(SubmountScene.Numbers(scene.At)));
    }

    [Theory]
    [InlineData]
    [InlineData("--use-host-ino")]
    [InlineData("--use-host-ino", "--inode-file-handles", "prefer")]
    public void Hundreds_of_volumes_are_no_more_than_few(params string[] options)
    {
        using var scene = new SubmountScene();
        string source = scene.Source + "/disk/d";
        ShellResult made = Shell.Script(
            "for i in $(seq 300); do btrfs subvolume create v$i && echo $i >v$i/f && ln v$i/f v$i/g; done >../log", source);
        Assert.True(made.ExitCode == 0, made.All);
        string bare = SubmountScene.Files(SubmountScene.Numbers(source));
        scene.MountOf(source, options);
        Dictionary<string, string> numbers = SubmountScene.Numbers(scene.At);
        Assert.Equal(bare, SubmountScene.Files(numbers));
        File.WriteAllText("/proc/sys/vm/drop_caches", "2");
        Assert.Equal(Inodes(numbers), Inodes(SubmountScene.Numbers(scene.At)));
        string content = Shell.Script("cat $(seq -f 'v%g/f' 300)", scene.At).Out;
        Assert.Equal(string.Concat(Enumerable.Range(1, 300).Select(i => $"{i}\n")), content);
    }

    [Fact]
    public void Programs_find_what_they_find_in_the_bare_directory()
    {
        Require.Program("git", "tar", "rsync", "du", "cp");
        using var scene = new SubmountScene();
        scene.Mount("--xattr");
        Same("tar", "tar -cf - . | tar -xf - -C \"$to\"");
        Same("rsync", "rsync -aH --no-specials ./ \"$to/\"");
        Same("cp", "cp -a . \"$to\"");
        Same("find", "for path in f a/d/f disk/one/big over/new bind/f; do find . -samefile $path | sort; done >\"$to/log\"");
        Same("du", "{ du -ab . | sort; du -sb a b disk over; du -sbl .; } >\"$to/log\"");
        Same("git", """
            export GIT_DIR=$to/git GIT_WORK_TREE=$PWD
            git init -q && git add -A . && git status --porcelain >"$to/log" && git ls-files -s >>"$to/log"
            git diff --stat >>"$to/log" && rm -r "$to/git"
            """);

        void Same(string name, string script)
        {
            string bare = Run(scene.Source, $"{scene.Out}/{name}-bare");
            Assert.Equal(bare, Run(scene.At, $"{scene.Out}/{name}-mount"));

            string Run(string from, string to)
            {
                ShellResult result = Shell.Script(
                    $"to={to}; mkdir \"$to\"; {script}\ncd \"$to\" && find . -type f -exec sha1sum {{}} + | sort -k2", from);
                Assert.True(result.ExitCode == 0, result.All);
                return result.Out + SubmountScene.Files(SubmountScene.Numbers(to));
            }
        }
    }

    [Fact]
    public void Listings_have_the_numbers_that_files_have()
    {
        Require.Program("python3");
        const string Differing = """
            import os, sys
            def differing(path):
                with os.scandir(path) as entries:
                    for entry in entries:
                        stat = os.lstat(entry.path)
                        if stat.st_ino != entry.inode():
                            print(entry.path)
                        if os.path.isdir(entry.path) and not entry.is_symlink():
                            differing(entry.path)
            differing('.')
            """;
        using var scene = new SubmountScene();

        // With attributes in the listing, everywhere; the bare directory lists what a mount or a volume covers.
        scene.Mount();
        Assert.Equal("", Shell.Run("python3", ["-c", Differing], scene.At).Out);
        scene.Mount("--no-readdirplus");
        string[] differing =
            [.. Shell.Run("python3", ["-c", Differing], scene.At).Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        Assert.Contains("./a/in", differing);
        Assert.All(
            differing.Where(path => !path.StartsWith("./over/", StringComparison.Ordinal)),
            path => Assert.Contains(path, s_begins));
    }

    [Fact]
    public void Submounts_that_the_client_cannot_be_told_of_are_said_to_be_so()
    {
        using var scene = new SubmountScene();
        string bare = SubmountScene.Files(SubmountScene.Numbers(scene.Source));
        scene.Mount("--announce-submounts");
        Assert.Equal(bare, SubmountScene.Files(SubmountScene.Numbers(scene.At)));
        Assert.Contains("AnnounceSubmounts: the client does not take it", scene.Server.Error, StringComparison.Ordinal);
    }

    // Where another device begins.
    private static readonly string[] s_begins =
    [
        "./a", "./a/in", "./b", "./bind", "./disk", "./disk/one", "./disk/d/two", "./disk/one/inner", "./disk/snap",
        "./disk/snap/inner", "./foreign", "./over",
    ];

    // To a directory of both layers overlayfs gives another number each time that it has forgotten it.
    private static string Inodes(Dictionary<string, string> numbers) => string.Join(
        '\n',
        numbers.Where(item => item.Key != "./over/d").OrderBy(item => item.Key, StringComparer.Ordinal).Select(item => $"{item.Key} {item.Value.Split(':')[1]}"));

    private static string NumberOf(string path) => Shell.Run("stat", ["-c", "%i", path]).Out.Trim();
}
