using System;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Who the server is, and how a thread of it becomes the caller for one operation.</summary>
/// <remarks>
/// <para>
/// Identity is a property of the thread: the raw system calls change the calling thread alone. Between
/// <see cref="Become"/> and <see cref="Return"/> there is nothing but the operation's system calls: no code of others,
/// no allocation, no exception.
/// </para>
/// <para>
/// A thread that cannot go back would serve the next request with the wrong identity, so the process ends instead.
/// </para>
/// </remarks>
internal sealed unsafe class ProcessIdentity
{
    /// <summary>No user and no group: what chown(2) and setresuid(2) take for "as it is".</summary>
    public const uint NoId = uint.MaxValue;

    [ThreadStatic]
    private static uint[]? t_callerGroups;

    private readonly uint _uid = Sys.Geteuid();
    private readonly uint _gid = Sys.Getegid();
    private readonly uint[] _groups;
    private readonly bool _canSwitch;
    private readonly bool _hasFsetid;

    public ProcessIdentity()
    {
        int count = Math.Max(0, Sys.Getgroups(0, null));
        _groups = new uint[count];
        fixed (uint* groups = _groups)
        {
            _ = Sys.Getgroups(count, groups);
        }

        CapabilityData capabilities;
        bool known = Sys.CapGet(&capabilities) == 0;
        _canSwitch = known && Has(capabilities, Constants.CAP_SETUID) && Has(capabilities, Constants.CAP_SETGID);
        _hasFsetid = known && Has(capabilities, Constants.CAP_FSETID);
        CanOpenByHandle = known && Has(capabilities, Constants.CAP_DAC_READ_SEARCH);
    }

    /// <summary>Whether the process has CAP_DAC_READ_SEARCH.</summary>
    public bool CanOpenByHandle { get; }

    /// <summary>Whether a user is the server's own.</summary>
    public bool IsServer(uint uid) => uid == _uid;

    /// <summary>Makes this thread the caller. <see cref="Return"/> must follow if it succeeds.</summary>
    /// <param name="context">The caller.</param>
    /// <param name="asProcess">
    /// With all supplementary groups of the caller's process, instead of those that the request carries.
    /// </param>
    /// <param name="switched">What to give to <see cref="Return"/>.</param>
    /// <returns>
    /// EPERM if the caller is somebody else and the process may not change its identity; EINVAL for an id of -1, which
    /// the system calls take for "as it is": the caller would be the server.
    /// </returns>
    public Errno Become(in RequestContext context, bool asProcess, out Switched switched)
    {
        switched = Switched.Nothing;
        if (context.Uid == NoId || context.Gid == NoId)
        {
            return Errno.EINVAL;
        }

        if (context.Uid == _uid && context.Gid == _gid)
        {
            return Errno.OK;
        }

        if (!_canSwitch)
        {
            // The server's own user with another primary group: the file gets the server's group.
            return context.Uid == _uid ? Errno.OK : Errno.EPERM;
        }

        // Groups first and the user last: afterwards there is no privilege left to change anything else.
        Errno result = SetAllGroups(context, asProcess, ref switched);
        if (result == Errno.OK && context.Uid != _uid)
        {
            result = Step(Sys.SetEffectiveUid(context.Uid), Switched.Uid, ref switched);
        }

        if (result != Errno.OK)
        {
            Return(switched);
            switched = Switched.Nothing;
        }

        return result;
    }

    /// <summary>
    /// Puts this thread into the caller's groups, and out of the server's; the user stays. <see cref="Return"/> must
    /// follow with what it gives: nothing, if the process may not.
    /// </summary>
    /// <param name="context">The caller.</param>
    /// <param name="asProcess">As for <see cref="Become"/>.</param>
    public Switched JoinGroups(in RequestContext context, bool asProcess)
    {
        Switched switched = Switched.Nothing;
        if (_canSwitch && context.Gid != NoId && SetAllGroups(context, asProcess, ref switched) != Errno.OK)
        {
            Return(switched);
            switched = Switched.Nothing;
        }

        return switched;
    }

    /// <summary>Whether the caller's process is in a group.</summary>
    public static bool IsMember(in RequestContext context, uint group) =>
        context.Gid == group || GroupsOf(context, asProcess: true).Contains(group);

    /// <summary>Makes this thread the server again.</summary>
    public void Return(Switched switched)
    {
        if ((switched & Switched.Uid) != 0)
        {
            OrDie(Sys.SetEffectiveUid(_uid), "user id");
        }

        if ((switched & Switched.Gid) != 0)
        {
            OrDie(Sys.SetEffectiveGid(_gid), "group id");
        }

        if ((switched & Switched.Groups) != 0)
        {
            fixed (uint* groups = _groups)
            {
                OrDie(Sys.SetGroups(_groups.Length, groups), "supplementary groups");
            }
        }
    }

    /// <summary>
    /// Takes CAP_FSETID from this thread, so that the host removes set-id bits in the very call that changes the file.
    /// <see cref="RestoreFsetid"/> must follow if this returns true.
    /// </summary>
    public bool DropFsetid(out CapabilityData before)
    {
        const uint Bit = 1u << Constants.CAP_FSETID;
        CapabilityData data;
        if (!_hasFsetid || Sys.CapGet(&data) < 0 || (data.effective0 & Bit) == 0)
        {
            before = default;
            return false;
        }

        before = data;
        data.effective0 &= ~Bit;
        return Sys.CapSet(&data) == 0;
    }

    /// <summary>Gives CAP_FSETID back to this thread.</summary>
    public static void RestoreFsetid(CapabilityData before) => OrDie(Sys.CapSet(&before), "capability CAP_FSETID");

    private static bool Has(in CapabilityData capabilities, int capability) =>
        (capabilities.effective0 & (1u << capability)) != 0;

    private static Errno Step(int result, Switched step, ref Switched switched)
    {
        if (result < 0)
        {
            return (Errno)(-result);
        }

        switched |= step;
        return Errno.OK;
    }

    private static void OrDie(int result, string what)
    {
        if (result < 0)
        {
            Environment.FailFast(
                $"A thread of the passthrough file system cannot get its {what} back: it must not serve again.");
        }
    }

    private static ReadOnlySpan<uint> GroupsOf(in RequestContext context, bool asProcess)
    {
        if (!asProcess)
        {
            return context.SupplementaryGroups.Span;
        }

        uint[] groups = t_callerGroups ??= GC.AllocateUninitializedArray<uint>(CallerProcess.MaxGroups, pinned: true);
        return groups.AsSpan(0, CallerProcess.ReadGroups(context.Pid, groups));
    }

    private Errno SetAllGroups(in RequestContext context, bool asProcess, ref Switched switched)
    {
        Errno result = SetGroups(GroupsOf(context, asProcess), ref switched);
        return result == Errno.OK && context.Gid != _gid
            ? Step(Sys.SetEffectiveGid(context.Gid), Switched.Gid, ref switched)
            : result;
    }

    private Errno SetGroups(ReadOnlySpan<uint> callers, ref Switched switched)
    {
        if (callers.IsEmpty && _groups.Length == 0)
        {
            return Errno.OK;
        }

        // Sound: the groups stay pinned until the call returns.
        fixed (uint* groups = callers)
        {
            return Step(Sys.SetGroups(callers.Length, groups), Switched.Groups, ref switched);
        }
    }

    /// <summary>What <see cref="Become"/> has changed.</summary>
    [Flags]
    public enum Switched
    {
        Nothing = 0,
        Groups = 1,
        Gid = 2,
        Uid = 4,
    }
}
