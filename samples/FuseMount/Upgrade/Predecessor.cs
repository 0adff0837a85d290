using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Samples.FuseMount.Upgrade;

/// <summary>Hands a mount that is served here over to a successor, or goes on as if nobody had asked.</summary>
/// <param name="session">The session.</param>
/// <param name="server">Its threads.</param>
/// <param name="status">Hears that it is over here.</param>
/// <param name="mount">The mount.</param>
/// <param name="control">The socket over which it happens.</param>
/// <param name="describe">What the successor has to know.</param>
/// <param name="obstacle">Why it cannot be, or null.</param>
/// <param name="logger">Hears what happens.</param>
internal sealed class Predecessor(
    FuseSession session, Server server, ServerStatus status, ActiveMount mount, ControlSocket control,
    Func<Handover> describe, string? obstacle, ILogger logger)
{
    /// <summary>How long the successor may take for a step.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>How long requests that are under way may take.</summary>
    private static readonly TimeSpan s_stopLimit = TimeSpan.FromSeconds(5);

    /// <summary>Serves a successor that has asked.</summary>
    /// <param name="channel">The way to it.</param>
    /// <param name="version">The version of the conversation that it wants.</param>
    public void HandOver(Channel channel, string version)
    {
        int pid = channel.Peer.Pid;
        try
        {
            if (Refusal(channel, version) is { } refusal)
            {
                channel.Say(Channel.Error + refusal);
                return;
            }

            channel.SetPatience(s_patience);
            channel.Say(Channel.Ok);
            channel.SayText(describe().ToBytes());
            channel.Expect(Channel.Stop);
            if (status.TryPause())
            {
                StandStill(channel, pid);
            }
            else
            {
                channel.Say(Channel.Error + "the mount is ending");
            }
        }
#pragma warning disable CA1031 // Whatever it is, without a descriptor left for instance: the mount is served on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.SuccessorFailed(logger, pid, e.Message);
        }
    }

    private void StandStill(Channel channel, int pid)
    {
        bool isOver = false;
        try
        {
            if (Stop(channel))
            {
                try
                {
                    isOver = GiveAway(channel);
                }
                finally
                {
                    if (!isOver)
                    {
                        session.Resume();
                        server.Resume();
                    }
                }
            }
        }
        finally
        {
            if (isOver)
            {
                control.Leave();
                Log.HandedOver(logger, pid);
            }

            status.EndPause(isOver);
        }
    }

    private string? Refusal(Channel channel, string version)
    {
        if (version != $"{Channel.Version}")
        {
            return $"the running program hands over in version {Channel.Version}, and the new one asks for version " +
                $"{version}: unmount and mount again";
        }

        return channel.Peer.Uid is not 0 and var uid && uid != Libc.geteuid()
            ? $"only user {Libc.geteuid()} and root may take the mount over"
            : obstacle;
    }

    private bool Stop(Channel channel)
    {
        SafeFileHandle? root = mount.OpenRoot();
        string fault = $"the mount is not seen at {mount.MountPoint} any more: unmount what covers it";
        if (root is not null)
        {
            if (server.TryPause(root, s_stopLimit))
            {
                return true;
            }

            fault = $"requests have been under way for {s_stopLimit.TotalSeconds} s, and none may be: try again when the " +
                "directory that is served answers";
        }

        channel.Say(Channel.Error + fault);
        return false;
    }

    private bool GiveAway(Channel channel)
    {
        using SafeFileHandle memory = Libc.CreateMemoryFile("ptfs-state");
        List<int> fds = [memory.DangerousGetHandle().ToInt32(), mount.DeviceFd, control.Fd];
        if (mount.HelperSocket is { } helper)
        {
            fds.Add(helper);
        }

        using var stream = new FileStream(memory, FileAccess.Write);
        try
        {
            session.SaveState(stream, fds);
        }
        catch (Exception e) when (e is InvalidOperationException or NotSupportedException)
        {
            channel.Say(Channel.Error + e.Message);
            return false;
        }

        stream.Flush();
        channel.Say($"{Channel.State}{fds.Count}");
        channel.SendFds(CollectionsMarshal.AsSpan(fds));
        channel.Expect(Channel.Ready);
        if (status.IsEndWanted)
        {
            return false;
        }

        // The last word: whether it arrives or not, the successor may serve from here on, and this program must not.
        try
        {
            channel.Say(Channel.Go);
            return true;
        }
        catch (IOException)
        {
            // It has gone without reading it.
            return false;
        }
    }
}
