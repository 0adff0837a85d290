using System.Runtime.InteropServices;

namespace PassthroughFs.Shared;

/// <summary>What signal handlers in machine code take.</summary>
internal static unsafe partial class Libc
{
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int PROT_EXEC = 4;

    [LibraryImport("libc")]
    public static partial int mprotect(void* address, nuint length, int protection);

    [LibraryImport("libc")]
    public static partial int sigaction(int signal, void* action, void* old);
}
