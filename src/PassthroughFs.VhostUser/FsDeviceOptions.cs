using System;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.VhostUser;

/// <summary>What a virtio-fs device is like. Checked when the device is made.</summary>
public sealed class FsDeviceOptions
{
    private const int MaxRequestQueues = 64;

    /// <summary>
    /// The name by which the guest mounts the device: 1 to 36 bytes of UTF-8. Default (null): the VMM has the device's
    /// configuration space itself, as QEMU does.
    /// </summary>
    public string? Tag { get; set; }

    /// <summary>How many queues there are for requests, 1 to 64, besides the one with priority. Default 1.</summary>
    public int RequestQueues { get; set; } = 1;

    /// <summary>What each session asks of the guest. What the queues cannot hold is lowered to what they can.</summary>
    public FuseSessionOptions Session { get; set; } = new();

    /// <exception cref="VhostUserException">A value makes no sense; the message names the property.</exception>
    internal void Validate()
    {
        Check(nameof(RequestQueues), RequestQueues, 1, MaxRequestQueues);
        if (Tag is { } tag && (tag.Length == 0 || Encoding.UTF8.GetByteCount(tag) > FsDevice.MaxTagBytes
            || tag.Contains('\0', StringComparison.Ordinal)))
        {
            throw Usage(
                $"{nameof(Tag)} is \"{tag.Replace('\0', '?')}\": give 1 to {FsDevice.MaxTagBytes} bytes without NUL");
        }

        if (Session is null)
        {
            throw Usage($"{nameof(Session)} is null: give options, or leave it as it is");
        }

        try
        {
            // The session checks them; sessions of the guest begin when nobody waits for a message any more.
            _ = new FuseSession(new Nothing(), Session);
        }
        catch (ArgumentException e)
        {
            throw Usage($"{nameof(Session)}: {e.Message}");
        }
    }

    internal FsDeviceOptions Copy() => (FsDeviceOptions)MemberwiseClone();

    internal static void Check(string name, long value, long least, long most)
    {
        if (value < least || value > most)
        {
            throw Usage($"{name} is {value}: give a number from {least} to {most}");
        }
    }

    internal static VhostUserException Usage(string message) => new(message, VhostUserFault.Usage);

    private sealed class Nothing : IFileSystem;
}
