using System;

namespace PassthroughFs.VhostUser;

/// <summary>
/// A message that cannot be obeyed. The front end is told so if it asked for an answer; otherwise the connection ends.
/// </summary>
internal class ProtocolException(string message) : Exception(message);

/// <summary>A connection that cannot be understood any more: it ends in any case.</summary>
internal sealed class BrokenConnectionException(string message) : ProtocolException(message);
