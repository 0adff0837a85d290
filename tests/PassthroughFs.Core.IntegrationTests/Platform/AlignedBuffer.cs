using System;
using System.Runtime.InteropServices;

namespace PassthroughFs.Core.IntegrationTests.Platform;

/// <summary>Memory at a page boundary, as O_DIRECT wants it.</summary>
internal sealed unsafe class AlignedBuffer(int length) : IDisposable
{
    private void* _memory = NativeMemory.AlignedAlloc((nuint)length, 4096);

    public Span<byte> Span => new(_memory, length);

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
