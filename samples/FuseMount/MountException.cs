using System;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>Something that ends the program. Its message is the user's: "what is wrong: what to do".</summary>
internal sealed class MountException(string message, Fault fault = Fault.Failure) : Exception(message)
{
    public Fault Fault { get; } = fault;
}
