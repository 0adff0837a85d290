namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>A call that is allowed, or is answered in the kernel's stead.</summary>
/// <param name="Call">Which one.</param>
/// <param name="Conditions">All of them must hold, or the call is as forbidden as any that has no rule.</param>
/// <param name="Error">
/// The error number that the call is answered with instead of being made; 0 to have it made.
/// </param>
internal sealed record CallRule(SystemCall Call, ArgumentCondition[] Conditions, ushort Error = 0);

/// <summary>What an argument of a system call has to be.</summary>
/// <param name="Index">Which argument, from 0.</param>
/// <param name="High">
/// Whether its upper 32 bits are meant. Where the kernel takes an int, it looks at the lower ones alone.
/// </param>
/// <param name="Mask">The bits of it that count.</param>
/// <param name="Values">What these may be.</param>
internal sealed record ArgumentCondition(int Index, bool High, uint Mask, uint[] Values)
{
    /// <summary>An int is one of these.</summary>
    public static ArgumentCondition IsOneOf(int index, params uint[] values) => new(index, false, uint.MaxValue, values);

    /// <summary>These bits of an int are those.</summary>
    public static ArgumentCondition Bits(int index, uint mask, uint value) => new(index, false, mask, [value]);

    /// <summary>A pointer is null: its lower and its upper half.</summary>
    public static ArgumentCondition[] IsNull(int index) =>
        [new(index, false, uint.MaxValue, [0]), new(index, true, uint.MaxValue, [0])];
}
