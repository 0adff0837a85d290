using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;

namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>The program that the kernel asks before each system call: rules in, BPF out.</summary>
/// <remarks>
/// It looks at struct seccomp_data. First the architecture, as numbers mean nothing without it, then the number: the
/// 32-bit ABI of x86-64 (x32) has a bit set in it. Calls that are newer than the tables do not exist for this process
/// (ENOSYS): libc tries new ones first and does without them where the kernel is older, and nobody can say today what
/// they will do. The rest is a search by halves through ranges of numbers, so that it makes no difference how many
/// rules there are.
/// </remarks>
internal static class FilterProgram
{
    /// <summary>SECCOMP_RET_KILL_PROCESS.</summary>
    public const uint Kill = 0x8000_0000;

    /// <summary>SECCOMP_RET_TRAP.</summary>
    public const uint Trap = 0x0003_0000;

    /// <summary>SECCOMP_RET_ERRNO; the error number is added.</summary>
    public const uint Error = 0x0005_0000;

    /// <summary>SECCOMP_RET_LOG.</summary>
    public const uint Log = 0x7FFC_0000;

    /// <summary>SECCOMP_RET_ALLOW.</summary>
    public const uint Allow = 0x7FFF_0000;

    /// <summary>AUDIT_ARCH_X86_64.</summary>
    public const uint ArchitectureX64 = 0xC000_003E;

    /// <summary>AUDIT_ARCH_AARCH64.</summary>
    public const uint ArchitectureArm64 = 0xC000_00B7;

    /// <summary>__X32_SYSCALL_BIT: what is at or above it is no call of x86-64.</summary>
    public const uint X32 = 0x4000_0000;

    private const uint NumberOffset = 0, ArchitectureOffset = 4, ArgumentsOffset = 16;
    private const ushort ENOSYS = 38;

    /// <summary>The program for an architecture.</summary>
    /// <param name="rules">What is allowed or answered.</param>
    /// <param name="otherwise">What happens to any other call: <see cref="Kill"/> and its like.</param>
    /// <param name="architecture">Whose numbers count; calls by another's are as forbidden.</param>
    public static BpfInstruction[] Create(IEnumerable<CallRule> rules, uint otherwise, Architecture architecture)
    {
        var writer = new BpfAssembler();
        int forbidden = writer.NewLabel(), allowed = writer.NewLabel(), unknown = writer.NewLabel();
        writer.Load(ArchitectureOffset);
        writer.JumpUnlessEqual(architecture == Architecture.X64 ? ArchitectureX64 : ArchitectureArm64, forbidden);
        writer.Load(NumberOffset);
        writer.JumpIfAtLeast(X32, forbidden);
        writer.JumpIfAtLeast(SystemCall.Newest + 1, unknown);

        var checks = new List<(CallRule Rule, int Label)>();
        var targets = new int[SystemCall.Newest + 1];
        Array.Fill(targets, forbidden);
        foreach (CallRule rule in rules.Where(rule => rule.Call.Number(architecture) >= 0))
        {
            bool isPlain = rule.Conditions.Length == 0 && rule.Error == 0;
            int label = isPlain ? allowed : writer.NewLabel();
            targets[rule.Call.Number(architecture)] = label;
            if (!isPlain)
            {
                checks.Add((rule, label));
            }
        }

        (int First, int Target)[] ranges =
        [
            .. Enumerable.Range(0, targets.Length)
                .Where(number => number == 0 || targets[number] != targets[number - 1])
                .Select(number => (number, targets[number])),
        ];
        Search(writer, ranges);
        foreach ((CallRule rule, int label) in checks)
        {
            writer.Mark(label);
            Check(writer, rule, forbidden);
        }

        writer.Mark(allowed);
        writer.Return(Allow);
        writer.Mark(unknown);
        writer.Return(Error | ENOSYS);
        writer.Mark(forbidden);
        writer.Return(otherwise);
        return writer.Assemble();
    }

    private static void Search(BpfAssembler writer, ReadOnlySpan<(int First, int Target)> ranges)
    {
        if (ranges.Length == 1)
        {
            writer.Jump(ranges[0].Target);
            return;
        }

        int middle = ranges.Length / 2;
        int upper = writer.NewLabel();
        writer.JumpIfAtLeast((uint)ranges[middle].First, upper);
        Search(writer, ranges[..middle]);
        writer.Mark(upper);
        Search(writer, ranges[middle..]);
    }

    private static void Check(BpfAssembler writer, CallRule rule, int forbidden)
    {
        foreach (ArgumentCondition condition in rule.Conditions)
        {
            // Both architectures are little-endian: the lower half is first.
            writer.Load(ArgumentsOffset + (8 * (uint)condition.Index) + (condition.High ? 4u : 0));
            if (condition.Mask != uint.MaxValue)
            {
                writer.And(condition.Mask);
            }

            int holds = writer.NewLabel();
            foreach (uint value in condition.Values)
            {
                writer.JumpIfEqual(value, holds);
            }

            writer.Jump(forbidden);
            writer.Mark(holds);
        }

        writer.Return(rule.Error == 0 ? Allow : Error | rule.Error);
    }
}
