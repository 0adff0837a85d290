using System;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>A target that is no session of requests: case after case of so many steps, each from its seed.</summary>
internal interface IStepTarget : IDisposable
{
    /// <summary>Runs a case.</summary>
    /// <param name="seed">What it does.</param>
    /// <param name="steps">How many steps it has.</param>
    /// <exception cref="FindingException">Something must not be.</exception>
    void Run(ulong seed, int steps);

    /// <summary>How many steps were done, of all cases.</summary>
    long Done { get; }

    /// <summary>What came of them, for the summary.</summary>
    string Outcome { get; }
}
