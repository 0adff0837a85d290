using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Vhost;

namespace PassthroughFs.Core.IntegrationTests.Ways;

/// <summary>
/// Keeps each way's mount from the first test over it to the end of the run; each test gets a directory of its own.
/// </summary>
public sealed class WayPool : IDisposable
{
    private readonly Dictionary<string, Ground> _grounds = [];
    private readonly Dictionary<string, string> _broken = [];

    /// <summary>Opens a fresh directory over a way in.</summary>
    public Scene Open(string way, Posix.Caller? owner = null)
    {
        Require.Root();
        if (_broken.TryGetValue(way, out string? why))
        {
            throw new InvalidOperationException($"this way in did not open: {why}");
        }

        if (!_grounds.TryGetValue(way, out Ground? ground))
        {
            try
            {
                ground = new Ground(Way.All.Single(w => w.Name == way));
            }
            catch (Exception e) when (e is not Xunit.Sdk.SkipException)
            {
                // Once is enough: each of the tests that follow would wait for it again.
                _broken[way] = e.Message;
                throw;
            }

            _grounds[way] = ground;
        }

        return ground.Open(owner ?? Caller.Root);
    }

    /// <summary>Opens a fresh bare directory of the same backing, to compare with.</summary>
    public Scene OpenBareLike(string way) =>
        Open(Way.All.Single(w => w.Name == way).Backing == Backing.Tmpfs ? "bare tmpfs" : "bare disk");

    /// <summary>Closes one way; asserts that its server held nothing any more and ended cleanly.</summary>
    internal string[] Close(string way)
    {
        if (!_grounds.Remove(way, out Ground? ground))
        {
            return [];
        }

        using (ground)
        {
            return ground.Leaks();
        }
    }

    public void Dispose()
    {
        foreach (Ground ground in _grounds.Values)
        {
            ground.Dispose();
        }
    }

    /// <summary>A source directory and, for a mount, the process that serves it.</summary>
    private sealed class Ground : IDisposable
    {
        private readonly Way _way;
        private readonly TempDirectory _source;
        private readonly TempDirectory? _mountPoint;
        private readonly MountProcess? _mount;
        private readonly DaemonProcess? _daemon;
        private int _next;

        public Ground(Way way)
        {
            _way = way;
            if (way.Kind == WayKind.Mount)
            {
                Require.Fuse();
            }

            _source = new TempDirectory(way.Backing);
            if (way.Kind is not (WayKind.Mount or WayKind.Vhost))
            {
                return;
            }

            try
            {
                if (way.Kind == WayKind.Vhost)
                {
                    _daemon = new DaemonProcess(
                        _source.Path, ["--xattr", "--num-request-queues", "2", .. way.Options]);
                    return;
                }

                _mountPoint = new TempDirectory();
                string[] options = ["--xattr", "--allow-other", "--default-permissions", .. way.Options];
                _mount = way.Inside is null
                    ? MountProcess.Start(_source.Path, _mountPoint.Path, options)
                    : MountProcess.StartTree([$"/{way.Inside}={_source.Path}"], _mountPoint.Path, options);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public Scene Open(Caller owner)
        {
            string name = "t" + _next++;
            string host = _source[name];
            Directory.CreateDirectory(host);
            _ = Native.Chmod(Bytes.Z(host), Octal.O(755));
            _ = Native.LChown(Bytes.Z(host), owner.Uid, owner.Gid);
            string seen = Path.Combine(_way.Inside ?? "", name);
            return new Scene(_way, host, _mountPoint is null ? null : _mountPoint[seen], _mount, _daemon);
        }

        public string[] Leaks()
        {
            if (_daemon is not null)
            {
                _daemon.Await(() => _daemon.OpenBelow(_source.Path).Length == 0, "the daemon holds on to files");
                return [];
            }

            if (_mount is null)
            {
                return [];
            }

            // The kernel keeps what it looked up until it needs the memory; this makes it need it.
            for (int attempt = 0; attempt < 300; attempt++)
            {
                File.WriteAllText("/proc/sys/vm/drop_caches", "2");
                if (_mount.OpenBelow(_source.Path).Length == 0)
                {
                    break;
                }

                System.Threading.Thread.Sleep(100);
            }

            return _mount.OpenBelow(_source.Path);
        }

        public void Dispose()
        {
            try
            {
                _mount?.Dispose();
                _daemon?.Dispose();
            }
            finally
            {
                _mountPoint?.Dispose();
                _source.Dispose();
            }
        }
    }
}
