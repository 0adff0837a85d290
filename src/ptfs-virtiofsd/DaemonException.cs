using System;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>Something that ends the program. Its message is the user's: "what is wrong: what to do".</summary>
internal sealed class DaemonException(string message, int exitCode = DaemonException.Failure) : Exception(message)
{
    public const int Failure = 1;
    public const int Usage = 2;

    public int ExitCode { get; } = exitCode;
}
