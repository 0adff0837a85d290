using System;

namespace PassthroughFs.Core.Testing;

/// <summary>One step of a generated sequence: what to do, and three small numbers that say with what.</summary>
/// <remarks>
/// The numbers choose among what there is at that moment (modulo how many there are), so that a sequence stays valid
/// when steps before are left out: that is what makes a failing one shrink to a few steps.
/// </remarks>
/// <typeparam name="TKind">What there is to do.</typeparam>
/// <param name="Kind">What to do.</param>
/// <param name="A">Usually which object.</param>
/// <param name="B">Usually which name.</param>
/// <param name="C">Usually how.</param>
public readonly record struct Step<TKind>(TKind Kind, int A, int B, int C)
    where TKind : struct, Enum
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind}({A}, {B}, {C})";
}
