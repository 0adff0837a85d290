using System;
using System.IO;
using System.Runtime.CompilerServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using static PassthroughFs.Core.Benchmarks.Calls.CallRig;

namespace PassthroughFs.Core.Benchmarks.Workload;

/// <summary>The files that the operations use, seen through one directory.</summary>
internal sealed unsafe class WorkRig : IDisposable
{
    public const int Entries = 1000;
    public const int FileSize = 16 << 20;

    private readonly byte[] _memory = GC.AllocateArray<byte>((1 << 20) + 8192, pinned: true);
    private readonly byte[] _root;

    public WorkRig(MountedServer server)
    {
        // Behind the server's back, where that costs nothing; then everything is reached through it.
        Directory.CreateDirectory(Path.Combine(server.Source, "many"));
        for (int i = 0; i < Entries; i++)
        {
            File.WriteAllText(Path.Combine(server.Source, "many", $"entry-{i:D8}"), "");
        }

        File.WriteAllBytes(Path.Combine(server.Source, "file"), new byte[FileSize]);
        File.WriteAllBytes(Path.Combine(server.Source, "small"), new byte[4096]);
        _root = System.Text.Encoding.UTF8.GetBytes(server.Root + '\0');
        fixed (byte* root = _root)
        {
            Root = Must(Sys.OpenAt(Constants.AT_FDCWD, root, Linux.O_RDONLY | Linux.O_DIRECTORY));
        }

        Written = Open(Root, "file"u8, Linux.O_RDWR);
        Direct = Open(Root, "file"u8, Linux.O_RDWR | Linux.O_DIRECT);
    }

    /// <summary>The directory of the work.</summary>
    public int Root { get; }

    /// <summary>"file", open for reading and writing.</summary>
    public int Written { get; }

    /// <summary>The same, past the client's cache.</summary>
    public int Direct { get; }

    /// <summary>More than 1 MiB, on a page's boundary.</summary>
    public byte* Buffer => (byte*)(((nint)Unsafe.AsPointer(ref _memory[0]) + 4095) & ~4095);

    /// <summary>Offsets that do not follow each other.</summary>
    public static long Offset(int round, int size) =>
        (long)((uint)round * 2654435761u % (uint)(FileSize / size)) * size;

    public void Dispose()
    {
        foreach (int fd in (int[])[Written, Direct, Root])
        {
            _ = Sys.Close(fd);
        }
    }
}
