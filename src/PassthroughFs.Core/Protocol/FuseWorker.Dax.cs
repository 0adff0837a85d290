using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Protocol;

public sealed partial class FuseWorker
{
    // How many ranges the file system gets at once.
    private const int DaxChunk = 256;

    // Linux maps by node: it names no open file, and says so with every bit.
    private const ulong NoDaxHandle = ulong.MaxValue;

    // What clients that know no length say for the whole window.
    private static readonly DaxRange s_everything = new(0, ulong.MaxValue);

    private int SetupMapping(ref FuseCall call)
    {
        if (_session.DaxWindow is not { } window)
        {
            return call.Reply(Errno.ENOSYS);
        }

        ref readonly FuseSetupMappingIn arguments = ref call.Structure<FuseSetupMappingIn>();
        const ulong known = FuseProtocol.FUSE_SETUPMAPPING_FLAG_READ | FuseProtocol.FUSE_SETUPMAPPING_FLAG_WRITE;
        DaxRange range = new(arguments.MOffset, arguments.Len);
        if (!IsWithin(window, range) || !ArePages(arguments.FOffset)
            || arguments.FOffset > long.MaxValue - arguments.Len
            || arguments.Flags == 0 || (arguments.Flags & ~known) != 0)
        {
            return Reject(call, Errno.EINVAL, "a mapping that the window, the file or the flags do not allow");
        }

        DaxMapping mapping = new(
            arguments.FOffset, range, (arguments.Flags & FuseProtocol.FUSE_SETUPMAPPING_FLAG_WRITE) != 0);
        Handle handle = arguments.Fh == NoDaxHandle ? default : new Handle(arguments.Fh);
        return call.Reply(_fs.SetupMapping(call.Context, call.Node, handle, mapping, window));
    }

    private int RemoveMapping(ref FuseCall call)
    {
        if (_session.DaxWindow is not { } window)
        {
            return call.Reply(Errno.ENOSYS);
        }

        // The items' layout is the wire's. They pass through in chunks, as their number is the client's choice, and
        // through the memory that held it.
        long count = call.Structure<FuseRemoveMappingIn>().Count;
        if (count > call.Body.Remaining / Unsafe.SizeOf<DaxRange>())
        {
            return Reject(call, Errno.EINVAL, "fewer ranges than it says");
        }

        Span<DaxRange> chunk = MemoryMarshal.Cast<byte, DaxRange>(_arguments.AsSpan())[..DaxChunk];
        for (; count > 0; count -= chunk.Length)
        {
            chunk = chunk[..(int)Math.Min(count, chunk.Length)];
            call.Body.Read(MemoryMarshal.AsBytes(chunk));
            foreach (ref DaxRange range in chunk)
            {
                if (range == s_everything)
                {
                    range = new DaxRange(0, window.Length);
                }

                if (!IsWithin(window, range))
                {
                    return Reject(call, Errno.EINVAL, "a range that is not the window's");
                }
            }

            Errno errno = _fs.RemoveMapping(call.Context, call.Node, chunk, window);
            if (errno != Errno.OK)
            {
                return call.Reply(errno);
            }
        }

        return call.Reply(Errno.OK);
    }

    private static bool IsWithin(IDaxWindow window, in DaxRange range) =>
        range.Length > 0 && ArePages(range.Offset | range.Length)
        && range.Length <= window.Length && range.Offset <= window.Length - range.Length;

    private static bool ArePages(ulong bytes) => (bytes & ((uint)Environment.SystemPageSize - 1)) == 0;
}
