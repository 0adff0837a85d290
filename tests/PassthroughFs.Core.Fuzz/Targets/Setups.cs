using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Fuzz.Engine;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;
using PassthroughFs.Core.Vfs;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>The configurations that sessions are fuzzed in.</summary>
internal static class Setups
{
    public const string Directory = "directory";
    public const string Vfs = "vfs";
    public const string Sessions = "sessions";

    public static IReadOnlyList<Setup> All { get; } = [.. Directories(), .. Trees()];

    public static IReadOnlyList<Setup> Of(string target, string? name) =>
        [.. All.Where(setup => (setup.Target == target || target == Sessions) && (name is null || setup.Name == name)
            && (Native.IsRoot || !setup.NeedsRoot))];

    private static IEnumerable<Setup> Directories()
    {
        yield return Plain("fd", config => { });
        yield return Plain("bare", config => config.Xattr = false);
        yield return Plain("handles", config => config.InodeFileHandles = InodeFileHandles.Mandatory, needsRoot: true);
        yield return Plain("adaptive", config =>
        {
            config.InodeFileHandles = InodeFileHandles.Adaptive;
            config.FdBudget = 12;
        }, needsRoot: true);
        yield return Plain("prefer", config =>
        {
            config.InodeFileHandles = InodeFileHandles.Prefer;
            config.EnableMntid = true;
        });
        yield return Plain("writeback", config =>
        {
            config.CachePolicy = CachePolicy.Always;
            config.Writeback = true;
            config.KillprivV2 = true;
        });
        yield return Plain("no-open", config =>
        {
            config.CachePolicy = CachePolicy.Always;
            config.NoOpen = true;
            config.NoOpendir = true;
            config.NoOpenFiles = 4;
        });
        yield return Plain("check", config =>
        {
            config.CheckPermissions = true;
            config.KillprivV2 = true;
            config.PosixAcl = true;
        });
        yield return Plain("seal", config => config.SealSize = true, promise: Promise.SameSizes);
        yield return Plain("read-only", config => config.ReadOnly = true, promise: Promise.ReadOnly);
        yield return Plain("dax", config => config.DaxFileSize = 0, transport: () => new FuzzTransport { HasWindow = true });
        yield return Plain("locks", config => config.PosixLocks = config.FlockLocks = true,
            transport: () => new FuzzTransport { CanReplyLater = true });
        yield return Plain("backing", config => config.BackingFiles = true, transport: () => new FuzzTransport());
        yield return Plain("export", config => config.ExportSupport = true, needsRoot: true);
        yield return Plain("host-ino", config =>
        {
            config.UseHostIno = true;
            config.RetainedMappings = 0;
        });
        yield return Plain("never", config =>
        {
            config.CachePolicy = CachePolicy.Never;
            config.AllowDirectIo = false;
            config.NegativeTimeout = TimeSpan.FromSeconds(1);
            config.NoReaddir = true;
        });
        yield return Plain("few-nodes", config =>
        {
            config.MaxNodes = 12;
            config.CachePolicy = CachePolicy.Metadata;
            config.Readdirplus = false;
        });
        yield return Plain("few-handles", config =>
        {
            config.MaxNodes = 12;
            config.InodeFileHandles = InodeFileHandles.Mandatory;
        }, needsRoot: true);
        yield return new Setup(Directory, "xattr-map", (root, logger) =>
        {
            PassthroughFileSystem inner = New(root, logger);
            XattrRule[] rules =
            [
                new(XattrRuleKind.Prefix, XattrScope.All, "", "user.virtiofs."),
                new(XattrRuleKind.Bad, XattrScope.All, "", ""),
            ];
            return new Served(
                new FuseSession(new XattrMappedFileSystem(inner, new XattrMap(rules)), Options, null, logger), inner);
        });
        yield return new Setup(Directory, "id-map", (root, logger) =>
        {
            PassthroughFileSystem inner = New(root, logger, config => config.PosixAcl = true);
            var map = new IdMap([new IdRange(0, 0, 1), new IdRange(1000, 100_000, 500)]);
            return new Served(
                new FuseSession(new IdMappedFileSystem(inner, map, map), Options, null, logger), inner);
        });
    }

    private static IEnumerable<Setup> Trees()
    {
        yield return Tree("vfs", config => { });
        yield return Tree("vfs-handles", config => config.InodeFileHandles = InodeFileHandles.Mandatory, needsRoot: true);
        yield return Tree("vfs-no-open", config =>
        {
            config.CachePolicy = CachePolicy.Always;
            config.NoOpen = true;
        });
    }

    private static FuseSessionOptions Options { get; } = new() { MaxEventsPerSecond = int.MaxValue };

    private static Setup Plain(
        string name, Action<PassthroughConfig> change, Promise promise = Promise.None,
        Func<FuzzTransport>? transport = null, bool needsRoot = false) =>
        new(Directory, name, (root, logger) =>
        {
            PassthroughFileSystem fs = New(root, logger, change);
            FuzzTransport? to = transport?.Invoke();
            return new Served(new FuseSession(fs, Options, to, logger), fs)
            {
                Promise = promise,
                Transport = to,
                FindsForgotten = fs.Config.ExportSupport,
            };
        }, needsRoot);

    private static PassthroughFileSystem New(
        string root, FuzzLogger logger, Action<PassthroughConfig>? change = null, bool import = true)
    {
        var config = new PassthroughConfig { RootDir = root, Xattr = true, DoImport = import, MaxNodes = 5000 };
        change?.Invoke(config);
        return new PassthroughFileSystem(config, logger);
    }

    /// <summary>Three directories under one root; two are a part of the first, so that nodes have twins.</summary>
    private static Setup Tree(string name, Action<PassthroughConfig> change, bool needsRoot = false)
    {
        (string Path, string Directory)[] mounts = [("/d", "."), ("/e/sub", "d"), ("/many", "many")];
        return new Setup(Vfs, name, Start, needsRoot, Succeed);

        Served Start(string root, FuzzLogger logger)
        {
            PassthroughFileSystem[] parts = [.. mounts.Select(mount => Part(root, mount.Directory, logger))];
            var vfs = new Core.Vfs.Vfs(new VfsOptions { Flags = parts[0].Config.WantedFlags });
            for (int i = 0; i < parts.Length; i++)
            {
                vfs.Mount(mounts[i].Path, parts[i]);
            }

            return new Served(new FuseSession(vfs, Options, null, logger), parts) { FindsForgotten = true };
        }

        Served Succeed(string root, FuzzLogger logger)
        {
            List<IDisposable> parts = [];
            var vfs = new Core.Vfs.Vfs(new VfsOptions
            {
                Flags = Wanted(root, logger),
                RestoreMount = mount =>
                {
                    // A path that nobody mounted gets a directory as well: the state may say anything.
                    PassthroughFileSystem part = Part(
                        root, mounts.FirstOrDefault(known => known.Path == mount.Path).Directory ?? ".", logger);
                    parts.Add(part);
                    return part;
                },
            });
            return new Served(new FuseSession(vfs, Options, null, logger), parts) { FindsForgotten = true };
        }

        InitFlags Wanted(string root, FuzzLogger logger)
        {
            using PassthroughFileSystem part = Part(root, ".", logger);
            return part.Config.WantedFlags;
        }

        PassthroughFileSystem Part(string root, string directory, FuzzLogger logger) =>
            New(Path.Combine(root, directory), logger, change, import: false);
    }
}
