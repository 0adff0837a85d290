// Nothing of this is in a build without PTFS_TEST_HOOKS: calls of a partial method that has no body are not compiled.
#if PTFS_TEST_HOOKS
using System;

namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    [ThreadStatic]
    private static Action<string>? t_made;

    /// <summary>Gets the name of each system call that this thread makes, once it was made; null ends that.</summary>
    public static void Hear(Action<string>? made) => t_made = made;

    /// <summary>Asked ahead of a call that can be refused: gives 0, or an error negated, for this thread.</summary>
    [field: ThreadStatic]
    public static Func<string, int>? Refusal { get; set; }

    static partial void Refuse(string call, ref int refusal) => refusal = Refusal?.Invoke(call) ?? 0;

    // errno is read afterwards, and what listens must leave it alone.
    static partial void Made(string call) => t_made?.Invoke(call);
}
#endif
