using System;
using System.Collections.Generic;
using System.Threading;

namespace PassthroughFs.Fuse;

/// <summary>The mounts of this process, which go with it: at its end, and when an exception that nobody catches ends it.
/// </summary>
internal static class LiveMounts
{
    private static readonly Lock s_lock = new();
    private static readonly HashSet<FuseMount> s_mounts = [];
    private static bool s_isWatched;

    public static void Add(FuseMount mount)
    {
        lock (s_lock)
        {
            s_mounts.Add(mount);
            if (!s_isWatched)
            {
                s_isWatched = true;
                AppDomain.CurrentDomain.ProcessExit += (_, _) => RemoveAll();
                AppDomain.CurrentDomain.UnhandledException += (_, _) => RemoveAll();
            }
        }
    }

    public static void Remove(FuseMount mount)
    {
        lock (s_lock)
        {
            s_mounts.Remove(mount);
        }
    }

    private static void RemoveAll()
    {
        FuseMount[] mounts;
        lock (s_lock)
        {
            mounts = [.. s_mounts];
            s_mounts.Clear();
        }

        Array.ForEach(mounts, mount => mount.RemoveNow());
    }
}
