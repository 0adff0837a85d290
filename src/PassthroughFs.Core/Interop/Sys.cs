using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.Interop;

/// <summary>
/// System calls under C's names. Each returns what C returns, or the error number negated; none throws, none allocates.
/// </summary>
/// <remarks>
/// The native functions are blittable and without SetLastError, which would cost several times the call itself. Reading
/// errno afterwards is sound because the runtime keeps it across everything it may do between a native function's
/// return and the next managed instruction (its own waits and signal handlers save and restore it). No call here
/// suppresses the GC transition, save the one that reads errno's address: a file system call may block for long, and
/// would hold every collection for as long.
/// <para>
/// Pointers given to these functions are only used during the call. Strings are NUL-terminated.
/// </para>
/// </remarks>
internal static unsafe partial class Sys
{
    private const string Libc = "libc";

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Result(int value, [CallerMemberName] string call = "")
    {
        Made(call);
        return value >= 0 ? value : -LastError();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Result(long value, [CallerMemberName] string call = "")
    {
        Made(call);
        return value >= 0 ? value : -LastError();
    }

    /// <summary>A test can listen to what calls were made; nothing in a build without them.</summary>
    static partial void Made(string call);

    // Sound: libc gives each thread the address of its own errno.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int LastError() => *__errno_location();

    [LibraryImport(Libc), SuppressGCTransition]
    private static partial int* __errno_location();

    [LibraryImport(Libc)]
    private static partial long syscall(long number, nint a, nint b, nint c, nint d, nint e, nint f);
}
