namespace PassthroughFs.Core.Api;

/// <summary>The number of one request (FUSE's <c>unique</c>).</summary>
/// <param name="Value">
/// The number on the wire. Bit 63 (<see cref="IsResend"/>) marks a request that the client sends again because it saw
/// no reply to the first one.
/// </param>
public readonly record struct RequestId(ulong Value)
{
    /// <summary>Whether the client has sent this request before (FUSE_UNIQUE_RESEND).</summary>
    public bool IsResend => (Value >> 63) != 0;
}
