using System;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Fuse;

/// <remarks>Upgrades: another process goes on with the mount, and its users notice nothing.</remarks>
public sealed partial class FuseMount
{
    /// <summary>How long requests that are under way may take.</summary>
    private static readonly TimeSpan s_stopLimit = TimeSpan.FromSeconds(5);

    /// <summary>What a successor has to know.</summary>
    public FuseMountIdentity Identity => new(
        _mount.MountPoint, _mount.Connection, _mount is FusermountHelper, _mount.HelperSocket is not null);

    /// <summary>Why the mount cannot be handed over, whatever the file system can; null if it can.</summary>
    public string? HandOverObstacle => (NegotiatedFlags & InitFlags.FUSE_OVER_IO_URING) == 0
        ? null
        : "requests come over io_uring, whose entries belong to the running process";

    /// <summary>
    /// Has the mount stand still, and handed over: requests under way are answered, new ones wait in the kernel.
    /// </summary>
    /// <param name="giveAway">
    /// Gives state and descriptors to the successor. True: from here on the successor serves, or nobody does, and
    /// <see cref="Completion"/> ends with <see cref="FuseMountEnd.HandedOver"/>. False, or an exception, which is thrown on:
    /// the mount is served here as before.
    /// </param>
    /// <param name="refusal">Why the mount did not stand still; null if it did.</param>
    /// <returns>Whether it is handed over.</returns>
    public bool TryHandOver(Func<FuseHandOver, bool> giveAway, out string? refusal)
    {
        ArgumentNullException.ThrowIfNull(giveAway);
        refusal = HandOverObstacle;
        if (refusal is not null)
        {
            return false;
        }

        if (!_status.TryPause())
        {
            refusal = "the mount is ending";
            return false;
        }

        bool isOver = false;
        try
        {
            refusal = Stop();
            if (refusal is null)
            {
                try
                {
                    isOver = giveAway(new FuseHandOver(_session, _status, _mount));
                }
                finally
                {
                    if (!isOver)
                    {
                        _session.Resume();
                        _server.Resume();
                    }
                }
            }

            return isOver;
        }
        finally
        {
            _status.EndPause(isOver);
        }
    }

    private string? Stop()
    {
        SafeFileHandle? root = _mount.OpenRoot();
        return root is null
            ? $"the mount is not seen at {MountPoint} any more: unmount what covers it"
            : _server.TryPause(root, s_stopLimit)
                ? null
                : $"requests have been under way for {s_stopLimit.TotalSeconds} s, and none may be: try again when the " +
                    "directory that is served answers";
    }
}
