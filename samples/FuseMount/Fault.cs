namespace PassthroughFs.Samples.FuseMount;

/// <summary>What kind of thing went wrong, which the exit code says.</summary>
internal enum Fault
{
    /// <summary>The directories or the mount are at fault.</summary>
    Failure,

    /// <summary>The arguments make no sense.</summary>
    Usage,

    /// <summary>Who calls may not.</summary>
    Permission,

    /// <summary>The system lacks something: FUSE, memory, processes, descriptors.</summary>
    System,

    /// <summary>The user has broken it off.</summary>
    Interrupted,

    /// <summary>This program is at fault.</summary>
    Defect,
}

/// <summary>What the program ends with.</summary>
internal static class ExitCode
{
    /// <summary>Every fault but <see cref="Fault.Usage"/>, unless mount(8) has called.</summary>
    public const int Failure = 1;

    private const int Usage = 2;

    /// <summary>The exit code of a fault: for a helper of mount(8), as its manual has them.</summary>
    public static int Of(Fault fault, bool asMountHelper) => (fault, asMountHelper) switch
    {
        (Fault.Usage, false) => Usage,
        (_, false) => Failure,
        (Fault.Usage or Fault.Permission, true) => 1,
        (Fault.System, true) => 2,
        (Fault.Defect, true) => 4,
        (Fault.Interrupted, true) => 8,
        (_, true) => 32,
    };
}
