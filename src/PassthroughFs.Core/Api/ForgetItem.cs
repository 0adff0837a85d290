namespace PassthroughFs.Core.Api;

/// <summary>One node of a batch of forgets.</summary>
/// <param name="Node">The node.</param>
/// <param name="Count">How many lookups of it the client gives back.</param>
public readonly record struct ForgetItem(NodeId Node, ulong Count);
