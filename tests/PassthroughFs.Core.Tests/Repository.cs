using System;
using System.IO;

namespace PassthroughFs.Core.Tests;

/// <summary>The tree this was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PassthroughFs.Core.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("PassthroughFs.Core.sln is in no folder above the tests.");
    }
}
