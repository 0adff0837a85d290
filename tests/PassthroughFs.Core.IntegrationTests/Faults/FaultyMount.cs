using System;
using System.IO;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.Core.IntegrationTests.Posix;
using PassthroughFs.Core.IntegrationTests.Ways;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Faults;

/// <summary>A mount of a <see cref="FailingSource"/>, beside the bare one.</summary>
internal sealed class FaultyMount : IDisposable
{
    private readonly TempDirectory _at = new();
    private readonly Watchdog _watchdog;

    /// <param name="options">Of the mount program, with spaces between them.</param>
    /// <param name="prepare">What is there before the mount.</param>
    /// <param name="seconds">How long the mount may be there.</param>
    public FaultyMount(string options, Action<string>? prepare = null, int seconds = 240)
    {
        Source = new FailingSource();
        try
        {
            prepare?.Invoke(Source.Host);
            Mount = MountProcess.Start(
                Source.Path, _at.Path, options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            _watchdog = new Watchdog(Mount, seconds);
        }
        catch
        {
            Source.Dispose();
            _at.Dispose();
            throw;
        }

        Bare = new HostPosix(Source.Path);
        Mounted = new HostPosix(_at.Path);
    }

    /// <summary>Every way in which the kernel and the server divide their work on a file.</summary>
    public static TheoryData<string> Modes =>
    [
        "", "--cache never", "--cache metadata", "--cache always", "--entry-timeout 0 --attr-timeout 0", "--writeback",
        "--passthrough", "--io-uring", "--cache always --no-open --no-opendir", "--inode-file-handles never",
        "--xattr --uid-map 0:0:65536 --xattrmap :map::user.x.:",
    ];

    public FailingSource Source { get; }

    public MountProcess Mount { get; }

    /// <summary>Calls in the directory that fails.</summary>
    public HostPosix Bare { get; }

    /// <summary>The same calls on the mount.</summary>
    public HostPosix Mounted { get; }

    /// <summary>A file's place on the host, where nothing fails.</summary>
    public string OnHost(string name) => Path.Combine(Source.Host, name);

    /// <summary>Has the kernel forget what it knows of the mount, which is nothing that was not written yet.</summary>
    public static void DropCaches() => File.WriteAllText("/proc/sys/vm/drop_caches", "3");

    public void Dispose()
    {
        try
        {
            // Nobody may hang, or fail, when it comes to the end.
            Source.Clear();
            Bare.Dispose();
            Mounted.Dispose();
            Mount.Dispose();
            _watchdog.Dispose();
        }
        finally
        {
            try
            {
                Source.Dispose();
            }
            finally
            {
                _at.Dispose();
            }
        }
    }
}
