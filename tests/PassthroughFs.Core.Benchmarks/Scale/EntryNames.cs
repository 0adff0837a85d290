using System;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using PassthroughFs.Core.Benchmarks.Calls;
using PassthroughFs.Core.Interop;

namespace PassthroughFs.Core.Benchmarks.Scale;

/// <summary>
/// Names of a rig's large directory, with a NUL behind each, in an order that does not follow the directory's.
/// </summary>
internal sealed unsafe class EntryNames : IDisposable
{
    private const int Size = 16;

    private readonly int _count;
    private readonly byte* _names;
    private uint _turn;

    public EntryNames(int count)
    {
        _count = count;
        _names = (byte*)NativeMemory.AllocZeroed((nuint)count, Size);
        for (int i = 0; i < count; i++)
        {
            // "entry-" and 8 digits: 14 bytes of 16.
            string name = string.Create(CultureInfo.InvariantCulture, $"entry-{i:D8}");
            Encoding.ASCII.GetBytes(name, new Span<byte>(_names + ((long)i * Size), Size));
        }
    }

    public int NextNumber() => (int)(_turn++ * 2654435761u % (uint)_count);

    public ReadOnlySpan<byte> Next() => new(_names + ((long)NextNumber() * Size), Size - 2);

    /// <summary>Opens, stats and closes some.</summary>
    public void Acquire(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            CallRig.Must(Sys.Close(rig.Acquire(rig.ManyPath, _names + ((long)NextNumber() * Size))));
        }
    }

    /// <summary>Asks some who they are.</summary>
    public void Identify(CallRig rig, int count)
    {
        for (; count > 0; count--)
        {
            rig.Identify(rig.ManyPath, _names + ((long)NextNumber() * Size));
        }
    }

    public void Dispose() => NativeMemory.Free(_names);
}
