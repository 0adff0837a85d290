using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Shared;

/// <summary>
/// Signal handlers in machine code, for signals that come to a thread in the middle of managed code, where no managed
/// code can run. Each ends with a jump to the handler that was there before, or returns.
/// </summary>
internal static unsafe class SignalCode
{
    private const int SA_SIGINFO = 4;
    private const int SA_ONSTACK = 0x0800_0000;
    private const int SA_RESTART = 0x1000_0000;
    private const int PrivateMemory = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS

    // struct sigaction of glibc and musl: the handler, a mask of 128 bytes, the flags, and what is libc's own.
    private const int SigactionBytes = 152, FlagsOffset = 136;

    /// <summary>The code for this machine; empty if there is none.</summary>
    public static ReadOnlySpan<byte> Choose(ReadOnlySpan<byte> x64, ReadOnlySpan<byte> arm64) =>
        RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => x64,
            Architecture.Arm64 => arm64,
            _ => default,
        };

    /// <summary>New memory that is read and written and never freed; null if there is none.</summary>
    public static ulong* NewMemory(nuint bytes)
    {
        // SAFETY: the kernel chooses where; nothing that exists is touched.
        byte* memory = Libc.mmap(null, bytes, Libc.PROT_READ | Libc.PROT_WRITE, PrivateMemory, -1, 0);
        return (nint)memory == -1 ? null : (ulong*)memory;
    }

    /// <summary>Puts code before the handler that a signal has.</summary>
    /// <param name="signal">Its number.</param>
    /// <param name="code">Any place is right for it; it finds its data right behind itself.</param>
    /// <param name="data">
    /// These, and behind them the address of the handler that was there before. Where there was none, as in a native
    /// executable for some signals, it is abort(3)'s.
    /// </param>
    /// <returns>
    /// False if there is no code, or no memory that may be executed, as where the system or its service manager forbids
    /// that. Then nothing has changed.
    /// </returns>
    public static bool TryInstall(int signal, ReadOnlySpan<byte> code, params ReadOnlySpan<ulong> data)
    {
        nuint bytes = (nuint)(code.Length + (sizeof(ulong) * (data.Length + 1)));
        byte* old = stackalloc byte[SigactionBytes];
        byte* wanted = stackalloc byte[SigactionBytes];

        // SAFETY: the structures are of this frame and as long as libc's. The page is new, never unmapped, and as long
        // as what is written there. The code becomes the handler only when it is whole and cannot be written any more.
        if (code.IsEmpty || Libc.sigaction(signal, null, old) != 0)
        {
            return false;
        }

        ulong before = *(ulong*)old;
        if (before <= 1 && NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "abort", out nint abort))
        {
            before = (ulong)abort; // neither "by default" nor "ignored" can be jumped to
        }

        if (before <= 1)
        {
            return false;
        }

        ulong* page = NewMemory(bytes);
        if (page is null)
        {
            return false;
        }

        code.CopyTo(new Span<byte>(page, code.Length));
        var behind = (ulong*)((byte*)page + code.Length);
        data.CopyTo(new Span<ulong>(behind, data.Length));
        behind[data.Length] = before;
        new Span<byte>(wanted, SigactionBytes).Clear();
        *(ulong**)wanted = page;
        *(int*)(wanted + FlagsOffset) = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        if (Libc.mprotect(page, bytes, Libc.PROT_READ | Libc.PROT_EXEC) == 0
            && Libc.sigaction(signal, wanted, null) == 0)
        {
            return true;
        }

        _ = Libc.munmap(page, bytes);
        return false;
    }
}
