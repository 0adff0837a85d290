using System;
using System.Collections.Generic;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Fuzz.Targets;

/// <summary>What a configuration promises of the directory, whatever a client sends.</summary>
internal enum Promise
{
    None,

    /// <summary>Nothing in the directory changes.</summary>
    ReadOnly,

    /// <summary>No file changes its size, and new ones have none.</summary>
    SameSizes,
}

/// <summary>A session under test: what is served, and how its transport behaves.</summary>
internal sealed class Served : IDisposable
{
    private readonly IReadOnlyList<IDisposable> _owned;

    public Served(FuseSession session, params IReadOnlyList<IDisposable> owned)
    {
        Session = session;
        _owned = owned;
    }

    public FuseSession Session { get; }

    /// <summary>What a client that behaves offers.</summary>
    public InitFlags Offer { get; init; } = (InitFlags)ulong.MaxValue;

    public Promise Promise { get; init; }

    /// <summary>Whether nodes that were forgotten may be found again, as NFS needs it.</summary>
    public bool FindsForgotten { get; init; }

    /// <summary>Late replies and notifications.</summary>
    public FuzzTransport? Transport { get; init; }

    public void Dispose()
    {
        foreach (IDisposable item in _owned)
        {
            item.Dispose();
        }
    }
}

/// <summary>A configuration that is fuzzed.</summary>
/// <param name="Target">Which of the fuzzer's targets it belongs to.</param>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Start">Starts it over a directory.</param>
/// <param name="NeedsRoot">Whether an ordinary user cannot have it.</param>
/// <param name="Succeed">Starts a successor that a state is to be restored into, if that is not the same.</param>
internal sealed record Setup(
    string Target, string Name, Func<string, FuzzLogger, Served> Start, bool NeedsRoot = false,
    Func<string, FuzzLogger, Served>? Succeed = null);
