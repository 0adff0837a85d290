namespace PassthroughFs.PtfsVirtiofsd.Seccomp;

/// <summary>struct sock_filter: one instruction of a classic BPF program.</summary>
/// <param name="Code">What it does: one of the constants here.</param>
/// <param name="IfTrue">How many instructions a jump skips if its condition holds.</param>
/// <param name="IfFalse">How many if not.</param>
/// <param name="Operand">The number that it works with.</param>
internal readonly record struct BpfInstruction(ushort Code, byte IfTrue, byte IfFalse, uint Operand)
{
    /// <summary>Loads the 32-bit word at an offset.</summary>
    public const ushort Load = 0x20; // BPF_LD | BPF_W | BPF_ABS

    /// <summary>Keeps these bits of the word.</summary>
    public const ushort And = 0x54; // BPF_ALU | BPF_AND | BPF_K

    /// <summary>Skips as many instructions as it says.</summary>
    public const ushort Jump = 0x05; // BPF_JMP | BPF_JA

    /// <summary>Is the word this number?</summary>
    public const ushort JumpIfEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K

    /// <summary>Is it this number or a larger one, both without a sign?</summary>
    public const ushort JumpIfAtLeast = 0x35; // BPF_JMP | BPF_JGE | BPF_K

    /// <summary>Ends the program with an answer.</summary>
    public const ushort Return = 0x06; // BPF_RET | BPF_K
}
