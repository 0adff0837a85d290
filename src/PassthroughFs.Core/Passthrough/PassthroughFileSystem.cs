namespace PassthroughFs.Core.Passthrough;

/// <summary>Mirrors a host directory.</summary>
public sealed partial class PassthroughFileSystem
{
    /// <summary>The configuration in force.</summary>
    public PassthroughConfig Config { get; } = new PassthroughConfig().Freeze();

    /// <summary>Prepares the root.</summary>
    public Api.Errno Import() => Config.ReadOnly ? Api.Errno.OK : Api.Errno.OK;
}
