using System;
using System.Collections.Generic;

namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>Writes a classic BPF program with labels in the place of distances.</summary>
/// <remarks>
/// A conditional jump reaches 255 instructions and no more. So each condition here skips one instruction or none, and
/// that one is a jump without a condition, which reaches any. Jumps lead forwards only, as the kernel demands.
/// </remarks>
internal sealed class BpfAssembler
{
    /// <summary>The most instructions that the kernel takes (BPF_MAXINSNS).</summary>
    public const int MaxInstructions = 4096;

    private readonly List<BpfInstruction> _code = [];
    private readonly List<(int At, int Label)> _jumps = [];
    private readonly List<int> _labels = [];

    /// <summary>A place that jumps can name before it is known.</summary>
    public int NewLabel()
    {
        _labels.Add(-1);
        return _labels.Count - 1;
    }

    /// <summary>A label's place is here.</summary>
    public void Mark(int label) => _labels[label] = _code.Count;

    /// <summary>Loads the word at an offset of what the program looks at.</summary>
    public void Load(uint offset) => _code.Add(new BpfInstruction(BpfInstruction.Load, 0, 0, offset));

    /// <summary>Keeps some bits of the loaded word.</summary>
    public void And(uint mask) => _code.Add(new BpfInstruction(BpfInstruction.And, 0, 0, mask));

    /// <summary>Goes on at a label.</summary>
    public void Jump(int label)
    {
        _jumps.Add((_code.Count, label));
        _code.Add(new BpfInstruction(BpfInstruction.Jump, 0, 0, 0));
    }

    /// <summary>Goes on at a label if the word is this number.</summary>
    public void JumpIfEqual(uint number, int label)
    {
        _code.Add(new BpfInstruction(BpfInstruction.JumpIfEqual, 0, 1, number));
        Jump(label);
    }

    /// <summary>Goes on at a label if the word is another number.</summary>
    public void JumpUnlessEqual(uint number, int label)
    {
        _code.Add(new BpfInstruction(BpfInstruction.JumpIfEqual, 1, 0, number));
        Jump(label);
    }

    /// <summary>Goes on at a label if the word is this number or a larger one.</summary>
    public void JumpIfAtLeast(uint number, int label)
    {
        _code.Add(new BpfInstruction(BpfInstruction.JumpIfAtLeast, 0, 1, number));
        Jump(label);
    }

    /// <summary>Ends with an answer.</summary>
    public void Return(uint answer) => _code.Add(new BpfInstruction(BpfInstruction.Return, 0, 0, answer));

    /// <summary>The program.</summary>
    /// <exception cref="InvalidOperationException">
    /// A label is nowhere or behind its jump, or the program is too long.
    /// </exception>
    public BpfInstruction[] Assemble()
    {
        BpfInstruction[] program = [.. _code];
        if (program.Length is 0 or > MaxInstructions)
        {
            throw new InvalidOperationException($"{program.Length} instructions: the kernel takes 1 to {MaxInstructions}");
        }

        foreach ((int at, int label) in _jumps)
        {
            int distance = _labels[label] - at - 1;
            program[at] = distance >= 0 && _labels[label] < program.Length
                ? program[at] with { Operand = (uint)distance }
                : throw new InvalidOperationException($"the jump at {at} leads to {_labels[label]}");
        }

        return program;
    }
}
