using System;
using System.Collections.Generic;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>What this thread, and whatever it starts, may do besides using its own files.</summary>
internal static unsafe class Privileges
{
    private const int PR_SET_NO_NEW_PRIVS = 38;
    private const int PR_CAP_AMBIENT = 47;
    private const int PR_CAP_AMBIENT_RAISE = 2;
    private const uint CapabilityVersion3 = 0x2008_0522;

    /// <summary>Whether this thread has a capability now.</summary>
    public static bool Has(int capability) =>
        TryRead(out Libc.CapabilitySets sets)
        && ((((ulong)sets.EffectiveHigh << 32) | sets.EffectiveLow) & (1UL << capability)) != 0;

    /// <summary>
    /// Has a program that is executed next start with these capabilities at most, and never get others: with an empty
    /// bounding set, and with no_new_privs.
    /// </summary>
    /// <param name="capabilities">Those that it keeps, as far as this thread has them.</param>
    /// <param name="option">The option that wants it, for messages.</param>
    /// <exception cref="DaemonException">The system refuses.</exception>
    public static void KeepOverExec(IReadOnlySet<int> capabilities, string option)
    {
        ulong bits = 0;
        foreach (int capability in capabilities)
        {
            bits |= 1UL << capability;
        }

        // What the bounding set lacks comes over execve(2) by inheritance alone. SAFETY: both structures are of this
        // frame and laid out as version 3 of the interface has them.
        var header = new Libc.CapabilityHeader { Version = CapabilityVersion3 };
        bool isKnown = TryRead(out Libc.CapabilitySets sets);
        sets.InheritableLow = sets.PermittedLow & (uint)bits;
        sets.InheritableHigh = sets.PermittedHigh & (uint)(bits >> 32);
        Check(isKnown ? Libc.capset(&header, &sets) : -1, $"{option}: the capabilities cannot be set");
        if (!Environment.IsPrivilegedProcess)
        {
            // Inherited capabilities are root's; another user keeps those that are ambient as well, if there are such.
            foreach (int capability in capabilities)
            {
                _ = Libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (nuint)capability, 0, 0);
            }
        }

        for (nuint capability = 0; Libc.prctl(Libc.PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        {
            Check(
                Libc.prctl(Libc.PR_CAPBSET_DROP, capability, 0, 0, 0),
                $"{option}: capability {capability} cannot be dropped");
        }

        GetNoNew(option);
    }

    /// <summary>
    /// Has no program that this thread executes, and no thread that it starts, get privileges that it lacks.
    /// </summary>
    /// <param name="option">The option that wants it, for messages.</param>
    /// <exception cref="DaemonException">The system refuses.</exception>
    public static void GetNoNew(string option) =>
        Check(Libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), $"{option}: no_new_privs cannot be set");

    private static bool TryRead(out Libc.CapabilitySets sets)
    {
        var header = new Libc.CapabilityHeader { Version = CapabilityVersion3 };
        Libc.CapabilitySets read;
        int result = Libc.capget(&header, &read); // SAFETY: as above.
        sets = read;
        return result == 0;
    }

    private static void Check(int result, string what)
    {
        if (result < 0)
        {
            throw new DaemonException($"{what}: {Libc.Describe(Libc.LastError)}");
        }
    }
}
