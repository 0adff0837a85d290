using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PassthroughFs.PtfsVirtiofsd.Seccomp;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Seccomp;

/// <summary>Runs a filter on a call as the kernel does, and fails where the kernel would refuse the program.</summary>
internal static class BpfMachine
{
    private const int DataBytes = 64; // struct seccomp_data

    public static uint Run(BpfInstruction[] program, uint architecture, uint number, params ulong[] arguments)
    {
        byte[] data = new byte[DataBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(data, number);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(4), architecture);
        for (int i = 0; i < arguments.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(16 + (8 * i)), arguments[i]);
        }

        uint word = 0;
        for (int at = 0; ; at++)
        {
            Assert.InRange(at, 0, program.Length - 1);
            BpfInstruction step = program[at];
            switch (step.Code)
            {
                case BpfInstruction.Load:
                    Assert.Equal(0u, step.Operand % 4);
                    Assert.InRange(step.Operand, 0u, (uint)DataBytes - 4);
                    word = MemoryMarshal.Read<uint>(data.AsSpan((int)step.Operand));
                    break;
                case BpfInstruction.And:
                    word &= step.Operand;
                    break;
                case BpfInstruction.Jump:
                    at += (int)step.Operand;
                    break;
                case BpfInstruction.JumpIfEqual:
                    at += word == step.Operand ? step.IfTrue : step.IfFalse;
                    break;
                case BpfInstruction.JumpIfAtLeast:
                    at += word >= step.Operand ? step.IfTrue : step.IfFalse;
                    break;
                case BpfInstruction.Return:
                    return step.Operand;
                default:
                    Assert.Fail($"an instruction {step.Code:x} that filters do not have");
                    break;
            }
        }
    }
}
