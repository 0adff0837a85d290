using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Guest;

/// <summary>
/// What a guest boots: a distribution's kernel, and a first file system with a shell, the modules for virtio-fs, and
/// the work to do.
/// </summary>
internal static partial class GuestImage
{
    /// <summary>Names the directory with an unpacked kernel package: boot/vmlinuz-*, lib/modules/*.</summary>
    public const string KernelVariable = "PTFS_GUEST_KERNEL";

    private static string? Directory => Environment.GetEnvironmentVariable(KernelVariable);

    public static void RequireAll()
    {
        Require.Program("qemu-system-x86_64", "busybox", "gcc");
        Require.That(
            Directory is not null && System.IO.Directory.Exists(Directory),
            $"{KernelVariable}, the directory of an unpacked kernel package");
    }

    public static string Kernel =>
        System.IO.Directory.GetFiles(Path.Combine(Directory!, "boot"), "vmlinuz-*").Single();

    /// <summary>Builds the first file system; gives its path.</summary>
    /// <param name="directory">Where it is made.</param>
    /// <param name="work">The script of the work to do.</param>
    public static string Build(TempDirectory directory, string work = "work.sh")
    {
        string sources = Path.Combine(AppContext.BaseDirectory, "Vhost", "Guest");
        ShellResult compiled = Shell.Run(
            "gcc", ["-O1", "-Wall", "-static", "-o", directory["probe"], Path.Combine(sources, "probe.c")]);
        Assert.True(compiled.ExitCode == 0, compiled.All);

        string image = directory["initrd"];
        using var file = new GZipStream(File.Create(image), CompressionLevel.Fastest);
        var archive = new CpioArchive(file);
        archive.AddDirectory("bin");
        archive.AddDirectory("modules");
        archive.AddFile("bin/busybox", File.ReadAllBytes(Require.FindProgram("busybox")!));
        archive.AddFile("bin/probe", File.ReadAllBytes(directory["probe"]));
        archive.AddFile("init", File.ReadAllBytes(Path.Combine(sources, "init.sh")));
        archive.AddFile("work.sh", File.ReadAllBytes(Path.Combine(sources, work)));
        string[] modules = InOrder("virtio_pci", "virtiofs");
        foreach (string module in modules)
        {
            archive.AddFile("modules/" + Path.GetFileName(module), File.ReadAllBytes(module));
        }

        archive.AddFile(
            "modules/order", Encoding.ASCII.GetBytes(string.Concat(modules.Select(m => Path.GetFileName(m) + "\n"))));
        archive.Finish();
        return image;
    }

    /// <summary>Modules with all they depend on, each behind what it needs.</summary>
    private static string[] InOrder(params string[] wanted)
    {
        var files = System.IO.Directory
            .EnumerateFiles(Path.Combine(Directory!, "lib", "modules"), "*.ko", SearchOption.AllDirectories)
            .ToDictionary(path => Name(Path.GetFileNameWithoutExtension(path)));
        var order = new List<string>();
        void Add(string name)
        {
            // What is no file is built into the kernel.
            if (!files.TryGetValue(name, out string? path) || order.Contains(path))
            {
                return;
            }

            Match depends = Depends().Match(Encoding.Latin1.GetString(File.ReadAllBytes(path)));
            foreach (string other in depends.Groups[1].Value.Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                Add(Name(other));
            }

            order.Add(path);
        }

        Array.ForEach(wanted, Add);
        return [.. order];
    }

    private static string Name(string module) => module.Replace('-', '_');

    [GeneratedRegex(@"\0depends=([^\0]*)\0")]
    private static partial Regex Depends();
}
