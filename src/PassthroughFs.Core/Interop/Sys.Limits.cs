using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    /// <summary>limits: struct rlimit, which is the soft limit and the hard one.</summary>
    public static int Getrlimit(int resource, ulong* limits) => Result(getrlimit(resource, limits));

    [LibraryImport(Libc)]
    private static partial int getrlimit(int resource, ulong* limits);
}
