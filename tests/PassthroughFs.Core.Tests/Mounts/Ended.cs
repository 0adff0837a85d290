using System;
using PassthroughFs.Core.Vfs;
using Xunit;

namespace PassthroughFs.Core.Tests.Mounts;

/// <summary>Waits for mounts to be released.</summary>
internal static class Ended
{
    public static TimeSpan Patience => TimeSpan.FromSeconds(30);

    public static void Wait(VfsMount mount) => Assert.True(mount.Released.Wait(Patience), $"{mount.Path} is not released");
}
