using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Tests;

internal static class ConfigExtensions
{
    /// <summary>So few that inodes lose and get their descriptors all the time.</summary>
    public const int TinyBudget = 4;

    /// <summary>Sets how inodes are kept; adaptive with a budget that is always used up.</summary>
    public static void Keep(this PassthroughConfig config, InodeFileHandles handles)
    {
        config.InodeFileHandles = handles;
        config.FdBudget = handles == InodeFileHandles.Adaptive ? TinyBudget : null;
    }
}
