using System;
using System.Collections.Generic;
using System.Linq;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>The system calls that an operation must make, some times in a row.</summary>
internal delegate void BareLoop(CallRig rig, int count);

/// <summary>The operation through the library, as often.</summary>
internal delegate void CallLoop(CallRig rig, Calls calls, int count);

/// <summary>One operation: beside each other what C would do and what the library does.</summary>
/// <param name="Name">What a table calls it.</param>
/// <param name="Bare">The system calls.</param>
/// <param name="Through">The operation.</param>
/// <param name="Unit">How many units (entries of a listing) one round of a loop handles.</param>
internal sealed record CallCase(string Name, BareLoop Bare, CallLoop Through, int Unit = 1)
{
    public static IReadOnlyList<CallCase> All { get; } =
        [.. LookupCases.All, .. AttributeCases.All, .. FileCases.All, .. DirectoryCases.All, .. NameCases.All];

    public static CallCase Named(string name) => All.Single(one => one.Name == name);

    /// <summary>What must be there before the first round, and is not counted.</summary>
    public Action<CallRig> Prepare { get; init; } = static _ => { };

    /// <summary>Undoes that.</summary>
    public Action<CallRig> Finish { get; init; } = static _ => { };

    public override string ToString() => Name;
}
