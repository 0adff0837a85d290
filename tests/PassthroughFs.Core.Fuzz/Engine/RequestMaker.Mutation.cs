using System;
using System.Buffers.Binary;

namespace PassthroughFs.Core.Fuzz.Engine;

// A request that no client would send, out of one that it could.
internal sealed partial class RequestMaker
{
    /// <summary>Breaks the request in one of many ways.</summary>
    public void Mutate(ref Rng rng)
    {
        Shape? shape = _length >= 8
            ? Shape.Find(BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(4))) : null;
        switch (rng.Below(12))
        {
            case < 5 when shape is { Fields.Length: > 0 }:
                Field field = shape.Fields[rng.Below(shape.Fields.Length)];
                Overwrite(Shape.Header + field.Offset, field.Width, Values.Hostile(ref rng));
                break;
            case 5:
                for (int flips = rng.Below(4); flips >= 0 && _length > 0; flips--)
                {
                    int at = rng.Below(Math.Min(_length, 400));
                    _buffer[at] ^= (byte)(1 << rng.Below(8));
                    Unfix(at, 1);
                }

                break;
            case 6:
                _length = rng.Below(Math.Min(_length, 300) + 1);
                Unfix(_length, int.MaxValue / 2);
                break;
            case 7:
                int more = rng.OneIn(3) ? rng.Below(2000) : rng.Below(32);
                _buffer.AsSpan(_length, more).Fill((byte)rng.Below(0x60));
                _length += more;
                break;
            case 8:
                if (_length > Shape.Header)
                {
                    _length--; // a name without its NUL, data without their last byte
                    Unfix(_length, 1);
                }

                break;
            case 9:
                Overwrite(4, 4, rng.OneIn(8) ? Values.Hostile(ref rng) : (ulong)rng.Below(60));
                break;
            case 10:
                Overwrite(16, 8, rng.OneIn(2) ? Values.Hostile(ref rng) : (ulong)rng.Below(300));
                break;
            default:
                (int offset, int width) = rng.Below(6) switch
                {
                    0 => (0, 4),
                    1 => (24, 4),
                    2 => (28, 4),
                    3 => (32, 4),
                    4 => (36, 2),
                    _ => (38, 2),
                };
                Overwrite(offset, width, Values.Hostile(ref rng));
                if (offset == 0)
                {
                    return;
                }

                break;
        }

        if (!rng.OneIn(5))
        {
            WriteLength();
        }

        if (rng.OneIn(10))
        {
            Room = rng.OneIn(3) ? rng.Below(20) : rng.Below(400);
        }

        Tame();
    }

    private void Overwrite(int at, int width, ulong value)
    {
        if (at + width > _length)
        {
            return;
        }

        Unfix(at, width);
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        bytes[..width].CopyTo(_buffer.AsSpan(at));
    }

    /// <summary>What was overwritten stays so at a replay.</summary>
    private void Unfix(int at, int width)
    {
        for (int i = _fixupCount - 1; i >= 0; i--)
        {
            if (_fixups[i].At < at + width && at < _fixups[i].At + 8)
            {
                _fixups[i] = _fixups[--_fixupCount];
            }
        }
    }
}
