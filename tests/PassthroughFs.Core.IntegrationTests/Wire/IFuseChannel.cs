using System;

namespace PassthroughFs.Core.IntegrationTests.Wire;

/// <summary>
/// Where request bytes go and reply bytes come from: the library in this process, or a server elsewhere. May be used by
/// several threads at once.
/// </summary>
public interface IFuseChannel : IDisposable
{
    /// <summary>Sends one request.</summary>
    /// <returns>How many bytes of <paramref name="reply"/> the server filled; 0 if it owes none.</returns>
    int Exchange(ReadOnlySpan<byte> request, Span<byte> reply);
}
