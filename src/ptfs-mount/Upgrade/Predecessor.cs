using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount.Upgrade;

/// <summary>Hands a mount that is served here over to a successor, or goes on as if nobody had asked.</summary>
/// <param name="mount">The mount.</param>
/// <param name="control">The socket over which it happens.</param>
/// <param name="describe">What the successor has to know.</param>
/// <param name="obstacle">Why it cannot be, or null.</param>
/// <param name="logger">Hears what happens.</param>
internal sealed class Predecessor(
    FuseMount mount, ControlSocket control, Func<Handover> describe, string? obstacle, ILogger logger)
{
    /// <summary>How long the successor may take for a step.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

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
            _ = mount.TryHandOver(state => GiveAway(state, channel, pid), out string? fault);
            if (fault is not null)
            {
                channel.Say(Channel.Error + fault);
            }
        }
#pragma warning disable CA1031 // Whatever it is, without a descriptor left for instance: the mount is served on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.SuccessorFailed(logger, pid, e.Message);
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

    private bool GiveAway(FuseHandOver state, Channel channel, int pid)
    {
        using SafeFileHandle memory = Libc.CreateMemoryFile("ptfs-state");
        List<int> fds = [memory.DangerousGetHandle().ToInt32(), state.DeviceFd, control.Fd];
        if (state.HelperFd is { } helper)
        {
            fds.Add(helper);
        }

        using var stream = new FileStream(memory, FileAccess.Write);
        try
        {
            state.SaveState(stream, fds);
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
        if (state.IsEndWanted)
        {
            return false;
        }

        // The last word: whether it arrives or not, the successor may serve from here on, and this program must not.
        try
        {
            channel.Say(Channel.Go);
        }
        catch (IOException)
        {
            // It has gone without reading it.
            return false;
        }

        control.Leave();
        Log.HandedOver(logger, pid);
        return true;
    }
}
