using System;
using System.Collections.Generic;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>Extended attributes.</summary>
public abstract partial class PathFileSystem
{
    Errno IFileSystem.GetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, Span<byte> value, out int size)
    {
        size = 0;
        Errno error = PinAttribute(node, name, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            error = GetXattr(pin.Path!, text, value, out size);
            return error == Errno.OK && !value.IsEmpty && size > value.Length ? Errno.ERANGE : error;
        }
    }

    Errno IFileSystem.SetXattr(
        in RequestContext context, NodeId node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags,
        bool killSgid)
    {
        Errno error = PinAttribute(node, name, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            return SetXattr(pin.Path!, text, value, flags);
        }
    }

    Errno IFileSystem.RemoveXattr(in RequestContext context, NodeId node, ReadOnlySpan<byte> name)
    {
        Errno error = PinAttribute(node, name, out PathPin pin, out string text);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            return RemoveXattr(pin.Path!, text);
        }
    }

    Errno IFileSystem.ListXattr(in RequestContext context, NodeId node, Span<byte> list, out int size)
    {
        size = 0;
        Errno error = PinPath(node, out PathPin pin);
        if (error != Errno.OK)
        {
            return error;
        }

        using (pin)
        {
            var names = new List<string>();
            error = ListXattr(pin.Path!, names);
            foreach (string name in names)
            {
                int length = Encoding.UTF8.GetByteCount(name);
                if (!list.IsEmpty && size + length + 1 > list.Length)
                {
                    return Errno.ERANGE;
                }

                if (!list.IsEmpty)
                {
                    Encoding.UTF8.GetBytes(name, list[size..]);
                    list[size + length] = 0;
                }

                size += length + 1;
            }

            return error;
        }
    }

    private Errno PinAttribute(NodeId node, ReadOnlySpan<byte> name, out PathPin pin, out string text)
    {
        pin = default;
        Errno error = PathNames.DecodeText(name, out text);
        return error == Errno.OK ? PinPath(node, out pin) : error;
    }
}
