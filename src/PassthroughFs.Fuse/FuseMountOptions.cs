using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Fuse;

/// <summary>How a file system is mounted and served. Checked when the mount starts.</summary>
public sealed class FuseMountOptions
{
    private const int MaxThreads = 256;
    private const int MaxWriteLeast = 4096;
    private const int MaxWriteLimit = 1 << 20;

    /// <summary>What mount tables show as the source (<c>fsname</c>). Default (null): <see cref="Subtype"/>, or "fuse".
    /// </summary>
    public string? FsName { get; set; }

    /// <summary>What mount tables show behind "fuse." as the type. Default (null): the type is "fuse".</summary>
    public string? Subtype { get; set; }

    /// <summary>The kernel's options for the mount. Default: no set-uid bits, no devices, which is all that users who are
    /// not root may have.</summary>
    public FuseMountFlags Flags { get; set; } = FuseMountFlags.NoSuid | FuseMountFlags.NoDev;

    /// <summary>
    /// Whether other users than the one that mounts may use it. Users who are not root need <c>user_allow_other</c> in
    /// /etc/fuse.conf for that. Default false: not even root may.
    /// </summary>
    public bool AllowOther { get; set; }

    /// <summary>
    /// Whether the kernel checks permissions by the modes and owners that the file system tells. Default false: the file
    /// system checks, or nobody does.
    /// </summary>
    public bool DefaultPermissions { get; set; }

    /// <summary>
    /// Whether the mount goes when this process does, whatever ends it: <c>fusermount3</c> mounts and waits, for root too.
    /// Default false.
    /// </summary>
    public bool AutoUnmount { get; set; }

    /// <summary>How many threads serve, 1 to 256. Default: one a processor, at least 2.</summary>
    public int Threads { get; set; } = Math.Max(2, Environment.ProcessorCount);

    /// <summary>
    /// How many more threads serve while as many hang in the file system for half a second or longer, 0 to 256. They exist
    /// from the start. Default 16.
    /// </summary>
    public int StandbyThreads { get; set; } = 16;

    /// <summary>The most data of one WRITE, in bytes: 4096 to 1 MiB, which is the default.</summary>
    public int MaxWrite { get; set; } = MaxWriteLimit;

    /// <summary>
    /// Whether requests come over io_uring, where the kernel can (Linux 6.14, its switch
    /// /sys/module/fuse/parameters/enable_uring, root). Where it cannot, the log says why, and requests come by the device.
    /// Default false.
    /// </summary>
    public bool IoUring { get; set; }

    /// <summary>From when on a request that hangs is logged; zero for never. Default 10 s.</summary>
    public TimeSpan HangWarning { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the end waits for requests that are under way. Default 30 s.</summary>
    public TimeSpan EndTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether SIGINT, SIGTERM and SIGHUP unmount. A second one, a second later or more, aborts what hangs. The process goes
    /// on to its end when <see cref="FuseMount.Completion"/> does. Default true; a hosted mount leaves signals to its host.
    /// </summary>
    public bool HandleSignals { get; set; } = true;

    /// <summary>
    /// A node's path, or null, for <see cref="FuseMount.DescribeRequests"/>. May take its time, or hang. Default null.
    /// </summary>
    public Func<NodeId, string?>? PathOf { get; set; }

    /// <summary>A sentence for the log, behind that of requests that hang: how to see them. Default null.</summary>
    public string? HangHint { get; set; }

    internal FuseSessionOptions SessionOptions => new() { MaxWrite = MaxWrite };

    internal string SourceName => FsName ?? Subtype ?? "fuse";

    /// <exception cref="FuseMountException">A value makes no sense; the message names the property.</exception>
    internal void Validate()
    {
        Check(nameof(Threads), Threads, 1, MaxThreads);
        Check(nameof(StandbyThreads), StandbyThreads, 0, MaxThreads);
        Check(nameof(MaxWrite), MaxWrite, MaxWriteLeast, MaxWriteLimit);
        if (HangWarning < TimeSpan.Zero || EndTimeout < TimeSpan.Zero)
        {
            throw Usage(
                $"{(HangWarning < TimeSpan.Zero ? nameof(HangWarning) : nameof(EndTimeout))} is negative: name a time, " +
                "or zero");
        }

        if (Subtype is { } subtype && (subtype.Length == 0 || subtype.AsSpan().ContainsAny(" \t\n,\\.".AsSpan())))
        {
            throw Usage($"{nameof(Subtype)} is \"{subtype}\": name it by letters, digits and dashes");
        }

        if (FsName is { } name && (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal)))
        {
            throw Usage($"{nameof(FsName)} is empty or has a NUL in it: leave it out, or name the source");
        }
    }

    internal FuseMountOptions Copy() => (FuseMountOptions)MemberwiseClone();

    private static void Check(string name, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            throw Usage($"{name} is {value}: name a number from {least} to {most}");
        }
    }

    private static FuseMountException Usage(string message) => new(message, FuseMountFault.Usage);
}
