using System.Collections.Generic;
using PassthroughFs.Core.Fuzz.Engine;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>What is fuzzed besides sessions.</summary>
internal static class StepTargets
{
    public const string Queue = "queue";
    public const string State = "state";

    public static IReadOnlyList<string> Names { get; } = [Queue, State];

    /// <summary>A target by its name; null if it is none of steps.</summary>
    public static IStepTarget? New(string name) => name switch
    {
        Queue => new QueueTarget(),
        State => new StateTarget(),
        _ => null,
    };
}
