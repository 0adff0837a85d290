using System;
using System.Numerics;

namespace PassthroughFs.VhostUser;

/// <summary>How a virtio-fs device is served to front ends. Checked when the server is made.</summary>
public sealed class VhostUserServerOptions
{
    private const int MaxThreads = 256;
    private const int MaxFrontEndSeconds = 600;

    /// <summary>What the device is like: its tag, its queues, what its sessions ask of the guest.</summary>
    public FsDeviceOptions Device { get; set; } = new();

    /// <summary>
    /// How many threads serve each queue for requests, 1 to 256: so many of its requests are handled at once. The queue
    /// with priority has one. Default 1.
    /// </summary>
    public int Threads { get; set; } = 1;

    /// <summary>
    /// How many more threads serve each queue for requests while as many hang in the file system for half a second or
    /// longer, 0 to 256. They exist from the start of the queue. Default 8.
    /// </summary>
    public int StandbyThreads { get; set; } = 8;

    /// <summary>
    /// The most descriptors of a queue, a power of two from 2 to 32768, which is the default. A front end that wants
    /// more is refused.
    /// </summary>
    public int MaxQueueSize { get; set; } = SplitQueue.MaxSize;

    /// <summary>
    /// How much memory a front end is told to set aside for files to be mapped into (DAX), in bytes: a multiple of the
    /// system's page size, at most 64 TiB. Front ends without such memory go without. Default 0, none.
    /// </summary>
    public long DaxWindowSize { get; set; }

    /// <summary>
    /// How long a front end that is asked to map or unmap a part of a file is waited for, more than zero and at most
    /// 600 s. One that does not answer is not asked again. Default 5 s.
    /// </summary>
    public TimeSpan FrontEndTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the next front end waits for requests of one that has gone. Those that hang longer are nobody's: their
    /// threads end when they come back. Default 1 s.
    /// </summary>
    public TimeSpan GoneTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the end waits for requests that are under way. Default 10 s.</summary>
    public TimeSpan EndTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>From when on a request that hangs is logged; zero for never. Default 10 s.</summary>
    public TimeSpan HangWarning { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>A sentence for the log, behind that of requests that hang: how to see them. Default null.</summary>
    public string? HangHint { get; set; }

    /// <summary>
    /// Whether the server ends when its first front end has gone. Default false: then the next one may come.
    /// </summary>
    public bool Once { get; set; }

    /// <summary>What comes by the queue with priority is never long: one thread.</summary>
    internal int ThreadsOf(int queue) => queue == 0 ? 1 : Threads;

    internal int StandbyThreadsOf(int queue) => queue == 0 ? 0 : StandbyThreads;

    /// <exception cref="VhostUserException">A value makes no sense; the message names the property.</exception>
    internal void Validate()
    {
        const long mostWindow = 1L << 46;
        if (Device is null)
        {
            throw FsDeviceOptions.Usage($"{nameof(Device)} is null: give options, or leave it as it is");
        }

        Device.Validate();
        FsDeviceOptions.Check(nameof(Threads), Threads, 1, MaxThreads);
        FsDeviceOptions.Check(nameof(StandbyThreads), StandbyThreads, 0, MaxThreads);
        FsDeviceOptions.Check(nameof(MaxQueueSize), MaxQueueSize, 2, SplitQueue.MaxSize);
        FsDeviceOptions.Check(nameof(DaxWindowSize), DaxWindowSize, 0, mostWindow);
        if (!BitOperations.IsPow2(MaxQueueSize))
        {
            throw FsDeviceOptions.Usage($"{nameof(MaxQueueSize)} is {MaxQueueSize}: give a power of two, as 1024");
        }

        if (DaxWindowSize % Environment.SystemPageSize != 0)
        {
            throw FsDeviceOptions.Usage(
                $"{nameof(DaxWindowSize)} is {DaxWindowSize}: give a multiple of {Environment.SystemPageSize}");
        }

        if (FrontEndTimeout <= TimeSpan.Zero || FrontEndTimeout > TimeSpan.FromSeconds(MaxFrontEndSeconds))
        {
            throw FsDeviceOptions.Usage(
                $"{nameof(FrontEndTimeout)} is {FrontEndTimeout}: give a time above zero, at most " +
                $"{MaxFrontEndSeconds} s");
        }

        foreach ((string name, TimeSpan time) in (ReadOnlySpan<(string, TimeSpan)>)
        [
            (nameof(GoneTimeout), GoneTimeout), (nameof(EndTimeout), EndTimeout), (nameof(HangWarning), HangWarning),
        ])
        {
            if (time < TimeSpan.Zero)
            {
                throw FsDeviceOptions.Usage($"{name} is negative: give a time, or zero");
            }
        }
    }

    internal VhostUserServerOptions Copy()
    {
        var copy = (VhostUserServerOptions)MemberwiseClone();
        copy.Device = Device.Copy();
        return copy;
    }
}
