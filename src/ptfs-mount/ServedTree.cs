using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Vfs;
using PassthroughFs.Fuse;
using PassthroughFs.PtfsMount.Upgrade;

namespace PassthroughFs.PtfsMount;

/// <summary>Several directories, which come and go by order.</summary>
internal sealed class ServedTree : Served
{
    private readonly Lock _lock = new();
    private readonly MountOptions _options;
    private readonly Func<PassthroughConfig, string, PassthroughFileSystem> _create;
    private readonly string _mountPoint;
    private readonly Vfs _vfs;
    private readonly Dictionary<VfsMount, Directory> _directories = [];
    private bool _isDisposed;

    /// <param name="options">What is wanted.</param>
    /// <param name="mountPoint">Where, without symbolic links.</param>
    /// <param name="inherited">The directories of a predecessor, whose state will be restored; null if there is none.
    /// </param>
    /// <param name="create">Makes the file system of one directory.</param>
    /// <param name="loggers">For what happens at run time.</param>
    public ServedTree(
        MountOptions options, string mountPoint, IReadOnlyList<IndexedSource>? inherited,
        Func<PassthroughConfig, string, PassthroughFileSystem> create, ILoggerFactory loggers)
    {
        _options = options;
        _mountPoint = mountPoint;
        _create = create;
        var made = new List<(NamedSource Source, PassthroughFileSystem FileSystem)>();
        try
        {
            // What they want after conflicts between options were resolved, which is the same for all.
            PassthroughConfig config;
            if (inherited is not null)
            {
                using PassthroughFileSystem example = CreateAt(mountPoint);
                config = example.Config;
            }
            else
            {
                foreach (NamedSource source in options.Mounts)
                {
                    made.Add((source, Create(source)));
                }

                config = made[0].FileSystem.Config;
            }

            Writeback = config.Writeback;
            _vfs = new Vfs(
                new VfsOptions
                {
                    Flags = config.WantedFlags,
                    EntryTimeout = config.EntryTimeout,
                    AttrTimeout = config.AttrTimeout,
                    NegativeTimeout = config.NegativeTimeout,
                    RestoreMount = mount => Restore(mount, inherited ?? []),
                },
                loggers.CreateLogger<Vfs>());
            foreach ((NamedSource source, PassthroughFileSystem fileSystem) in made)
            {
                RefuseTaken(source.Path);
                Mount(source, fileSystem);
            }
        }
        catch
        {
            made.ForEach(pair => pair.FileSystem.Dispose());
            throw;
        }
    }

    public override IFileSystem FileSystem => _vfs;

    public override bool Writeback { get; }

    public override ServedTree Tree => this;

    public override IReadOnlyList<IndexedSource> Sources
    {
        get
        {
            lock (_lock)
            {
                return
                [
                    .. _directories.Select(
                        pair => new IndexedSource(pair.Key.Index, pair.Value.Source.Path, pair.Value.Source.Source)),
                ];
            }
        }
    }

    /// <summary>Adds a directory.</summary>
    /// <param name="source">Which, and where; absolute.</param>
    /// <param name="replace">Whether it takes the place of one that is there, or must not.</param>
    public void Add(NamedSource source, bool replace)
    {
        if (!replace)
        {
            RefuseTaken(source.Path);
        }
        else if (!_vfs.TryGet(source.Path, out _))
        {
            throw new FuseMountException($"nothing is mounted at {source.Path}: use add");
        }

        PassthroughFileSystem fileSystem = Create(source);
        try
        {
            Mount(source, fileSystem);
        }
        catch
        {
            fileSystem.Dispose();
            throw;
        }
    }

    /// <summary>Takes a directory away.</summary>
    public void Remove(string path, UnmountMode mode) =>
        InUsersWords(() => _vfs.Unmount(path, mode));

    /// <summary>What is there.</summary>
    public IReadOnlyList<NamedSource> List()
    {
        lock (_lock)
        {
            return [.. _vfs.Mounts.Where(_directories.ContainsKey).Select(mount => _directories[mount].Source)];
        }
    }

    public override void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            foreach (Directory directory in _directories.Values)
            {
                directory.FileSystem.Dispose();
            }

            _directories.Clear();
        }
    }

    private void RefuseTaken(string path)
    {
        if (InUsersWords(() => _vfs.TryGet(path, out _)))
        {
            throw new FuseMountException($"{path} is mounted already: use replace, or remove it first");
        }
    }

    private PassthroughFileSystem Create(NamedSource source) =>
        CreateAt(Paths.CheckSource(source.Source, _mountPoint));

    private PassthroughFileSystem CreateAt(string source)
    {
        PassthroughConfig config = _options.Config.Clone();
        config.DoImport = false;
        return _create(config, source);
    }

    private IBackendFileSystem Restore(VfsMount mount, IReadOnlyList<IndexedSource> inherited)
    {
        IndexedSource source = inherited.FirstOrDefault(item => item.Index == mount.Index)
            ?? throw new FuseMountException($"the running program does not say what is mounted at {mount.Path}");
        PassthroughFileSystem fileSystem = CreateAt(source.Source);
        Register(mount, new NamedSource(source.Path, source.Source), fileSystem);
        return WithMaps(fileSystem, _options, source.Path);
    }

    private void Mount(NamedSource source, PassthroughFileSystem fileSystem)
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                throw new FuseMountException("the mount is ending");
            }

            VfsMount mount = InUsersWords(
                () => _vfs.Mount(source.Path, WithMaps(fileSystem, _options, source.Path)));
            Register(mount, source, fileSystem);
        }
    }

    private void Register(VfsMount mount, NamedSource source, PassthroughFileSystem fileSystem)
    {
        lock (_lock)
        {
            _directories.Add(mount, new Directory(source, fileSystem));
        }

        _ = mount.Released.ContinueWith(_ => Release(mount), TaskScheduler.Default);
    }

    private void Release(VfsMount mount)
    {
        lock (_lock)
        {
            if (_directories.Remove(mount, out Directory? directory))
            {
                directory.FileSystem.Dispose();
            }
        }
    }

    private static T InUsersWords<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (VfsException e)
        {
            // The library's own words, but for what a user of this program has no hand on.
            throw new FuseMountException(e.Message.Replace(
                "leave that out of VfsOptions.Flags", "leave the option out", StringComparison.Ordinal));
        }
    }

    private sealed record Directory(NamedSource Source, PassthroughFileSystem FileSystem);
}
