using System;
using System.Collections.Generic;
using FsCheck;
using FsCheck.Fluent;

namespace PassthroughFs.Core.Testing;

/// <summary>Generates and shrinks sequences of steps.</summary>
public static class Steps
{
    /// <summary>The largest number in a step, 2^6-1.</summary>
    public const int MaxNumber = (1 << NumberBits) - 1;

    private const int NumberBits = 6;

    /// <summary>Sequences of up to as many steps as FsCheck's size, each kind as often as its weight says.</summary>
    /// <typeparam name="TKind">What there is to do.</typeparam>
    /// <param name="weights">The kinds with their weights.</param>
    public static Arbitrary<Step<TKind>[]> Of<TKind>(params (int Weight, TKind Kind)[] weights)
        where TKind : struct, Enum
    {
        ArgumentNullException.ThrowIfNull(weights);
        List<TKind> kinds = [];
        foreach ((int weight, TKind kind) in weights)
        {
            for (int i = 0; i < weight; i++)
            {
                kinds.Add(kind);
            }
        }

        // One draw for a step: sequences are long, and draws are what generating costs.
        Gen<Step<TKind>> step = Gen.Choose(0, int.MaxValue).Select(drawn => new Step<TKind>(
            kinds[(drawn >> (3 * NumberBits)) % kinds.Count],
            drawn & MaxNumber,
            (drawn >> NumberBits) & MaxNumber,
            (drawn >> (2 * NumberBits)) & MaxNumber));
        return Arb.From(Gen.ArrayOf(step), Shrink);
    }

    /// <summary>Simpler sequences: with steps left out, many at first, and then with smaller numbers.</summary>
    /// <typeparam name="TKind">What there is to do.</typeparam>
    /// <param name="steps">The sequence that failed.</param>
    public static IEnumerable<Step<TKind>[]> Shrink<TKind>(Step<TKind>[] steps)
        where TKind : struct, Enum
    {
        ArgumentNullException.ThrowIfNull(steps);
        for (int length = steps.Length; length > 0; length /= 2)
        {
            for (int start = 0; start < steps.Length; start += length)
            {
                yield return [.. steps[..start], .. steps[Math.Min(steps.Length, start + length)..]];
            }
        }

        for (int i = 0; i < steps.Length; i++)
        {
            Step<TKind> step = steps[i];
            foreach (int smaller in Smaller(step.A))
            {
                yield return With(steps, i, step with { A = smaller });
            }

            foreach (int smaller in Smaller(step.B))
            {
                yield return With(steps, i, step with { B = smaller });
            }

            foreach (int smaller in Smaller(step.C))
            {
                yield return With(steps, i, step with { C = smaller });
            }
        }
    }

    private static IEnumerable<int> Smaller(int number)
    {
        for (int step = number; step > 0; step /= 2)
        {
            yield return number - step;
        }
    }

    private static Step<TKind>[] With<TKind>(Step<TKind>[] steps, int index, Step<TKind> step)
        where TKind : struct, Enum
    {
        var copy = (Step<TKind>[])steps.Clone();
        copy[index] = step;
        return copy;
    }
}
