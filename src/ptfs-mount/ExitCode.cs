using PassthroughFs.Fuse;

namespace PassthroughFs.PtfsMount;

/// <summary>What the program ends with.</summary>
internal static class ExitCode
{
    /// <summary>Every fault but <see cref="FuseMountFault.Usage"/>, unless mount(8) has called.</summary>
    public const int Failure = 1;

    private const int Usage = 2;

    /// <summary>The exit code of a fault: for a helper of mount(8), as its manual has them.</summary>
    /// <param name="fault">The fault; null where this program is at fault.</param>
    /// <param name="asMountHelper">Whether mount(8) has called.</param>
    public static int Of(FuseMountFault? fault, bool asMountHelper) => (fault, asMountHelper) switch
    {
        (FuseMountFault.Usage, false) => Usage,
        (_, false) => Failure,
        (FuseMountFault.Usage or FuseMountFault.Permission, true) => 1,
        (FuseMountFault.System, true) => 2,
        (null, true) => 4,
        (FuseMountFault.Interrupted, true) => 8,
        (_, true) => 32,
    };
}
