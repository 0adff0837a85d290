using System;

namespace PassthroughFs.Samples.FuseMount;

/// <summary>Something that ends the program. Its message is the user's: "what is wrong: what to do".</summary>
internal sealed class MountException(string message, int exitCode = MountException.Failure) : Exception(message)
{
    public const int Failure = 1;
    public const int Usage = 2;

    public int ExitCode { get; } = exitCode;
}
