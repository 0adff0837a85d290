using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Interop;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Core.Benchmarks.Calls;

/// <summary>
/// A directory with some files, the file system over it, and the descriptors with which a C program would do the same.
/// </summary>
internal sealed unsafe class CallRig : IDisposable
{
    public const int Entries = 10_000;

    private readonly string _path;
    private readonly PassthroughFileSystem _fs;
    private readonly FuseSession _session;
    private readonly byte[] _buffer = GC.AllocateArray<byte>((1 << 20) + 4096, pinned: true);
    private readonly int _procFd;
    private readonly int _mountFd;

    /// <param name="parent">Where to make the directory.</param>
    /// <param name="useHandles">Whether the library keeps inodes by kernel handle.</param>
    /// <param name="entries">How many files the large directory has.</param>
    /// <param name="noOpen">Null, or how many files stay open without OPEN; then no file is open.</param>
    /// <param name="isAdaptive">Without <paramref name="useHandles"/>: inodes become handles beyond a budget.</param>
    public CallRig(
        string parent, bool useHandles, int entries = Entries, int? noOpen = null, bool isAdaptive = false)
    {
        UseHandles = useHandles;
        Size = entries;
        _path = Path.Combine(parent, "ptfs-calls-" + Path.GetRandomFileName());
        Directory.CreateDirectory(Path.Combine(_path, "many"));
        File.WriteAllBytes(Path.Combine(_path, "known"), new byte[1 << 20]);
        File.CreateSymbolicLink(Path.Combine(_path, "link"), "known");
        File.WriteAllText(Path.Combine(_path, "other"), "");
        for (int i = 0; i < entries; i++)
        {
            File.WriteAllText(Path.Combine(_path, "many", $"entry-{i:D8}"), "");
        }

        var config = new PassthroughConfig
        {
            RootDir = _path,
            Xattr = true,
            ClearUmask = true,
            CachePolicy = noOpen is null ? CachePolicy.Auto : CachePolicy.Always,
            NoOpen = noOpen is not null,
            NoOpenFiles = noOpen ?? 0,
            InodeFileHandles = useHandles ? InodeFileHandles.Mandatory
                : isAdaptive ? InodeFileHandles.Adaptive : InodeFileHandles.Never,
        };
        _fs = new PassthroughFileSystem(config);
        _session = new FuseSession(_fs, new FuseSessionOptions());
        Wire = new WireCalls(_session);
        Api = new ApiCalls(_fs);
        Known = Api.Lookup(NodeId.Root, "known"u8);
        Link = Api.Lookup(NodeId.Root, "link"u8);
        Many = Api.Lookup(NodeId.Root, "many"u8);
        OpenKnownHandle = noOpen is null ? Api.Open(Known, Linux.O_RDWR) : Handle.None;

        _procFd = Open(Constants.AT_FDCWD, "/proc/self/fd"u8, Linux.O_PATH | Linux.O_DIRECTORY);
        Root = Must(Sys.OpenAt(Constants.AT_FDCWD, Text(_path + '\0'), Linux.O_PATH | Linux.O_DIRECTORY));
        _mountFd = Open(Root, "."u8, Linux.O_RDONLY);
        KnownFile = Open(Root, "known"u8, Linux.O_RDWR);
        ManyPath = Open(Root, "many"u8, Linux.O_PATH);
        int mountFd = useHandles ? _mountFd : -1;
        BareKnown = new BareInode(Open(Root, "known"u8, Linux.O_PATH), mountFd);
        BareLink = new BareInode(Open(Root, "link"u8, Linux.O_PATH | Linux.O_NOFOLLOW), mountFd);
        BareMany = new BareInode(Open(Root, "many"u8, Linux.O_PATH), mountFd);
        Api.SetXattr(Known, "user.known"u8, "value"u8);
    }

    public bool UseHandles { get; }

    /// <summary>How many files the large directory has.</summary>
    public int Size { get; }

    public Calls Api { get; }

    public Calls Wire { get; }

    public FuseSession Session => _session;

    public NodeId Known { get; }

    public NodeId Link { get; }

    public NodeId Many { get; }

    /// <summary>"known", open for reading and writing; none where it is used without OPEN.</summary>
    public Handle OpenKnownHandle { get; }

    public int Root { get; }

    public int KnownFile { get; }

    public int ManyPath { get; }

    public BareInode BareKnown { get; }

    public BareInode BareLink { get; }

    public BareInode BareMany { get; }

    /// <summary>1 MiB and a page, pinned.</summary>
    public byte* Buffer => (byte*)Unsafe.AsPointer(ref _buffer[0]);

    /// <summary>Lookups that are held for a while.</summary>
    public List<ForgetItem> Held { get; } = [];

    public ForgetItem[] Forgets { get; } = new ForgetItem[Entries];

    /// <summary>A literal's address. Sound: it lies in the program's image, with a NUL behind it.</summary>
    public static byte* Literal(ReadOnlySpan<byte> literal) =>
        (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(literal));

    /// <summary>Opens through /proc what an O_PATH descriptor refers to.</summary>
    public int Reopen(int fd, uint flags)
    {
        byte* name = stackalloc byte[ProcSelfFd.PathSize];
        ProcSelfFd.Format(fd, name);
        return Must(Sys.OpenAt(_procFd, name, flags | Linux.O_CLOEXEC));
    }

    public static int Open(int directory, ReadOnlySpan<byte> literal, uint flags) =>
        Must(Sys.OpenAt(directory, Literal(literal), flags | Linux.O_CLOEXEC));

    public static void Stat(int directory, byte* name, int flags = Constants.AT_SYMLINK_NOFOLLOW)
    {
        StatxBuffer stat;
        Must(Sys.Statx(directory, name, flags, Constants.STATX_BASIC_STATS | Constants.STATX_BTIME, &stat));
    }

    public static void Stat(int fd) => Stat(fd, Literal(""u8), Constants.AT_EMPTY_PATH);

    /// <summary>What it takes to know an inode again: its identity, and its handle where handles are in use.</summary>
    public void Identify(int directory, byte* name)
    {
        if (UseHandles)
        {
            AskHandle(directory, name, 0);
        }

        Stat(directory, name);
    }

    /// <summary>What it takes to keep an inode that was not known: a descriptor, its identity, its handle.</summary>
    public int Acquire(int directory, byte* name)
    {
        int fd = Must(Sys.OpenAt(directory, name, Linux.O_PATH | Linux.O_NOFOLLOW | Linux.O_CLOEXEC));
        Describe(fd);
        return fd;
    }

    public void Describe(int fd)
    {
        if (UseHandles)
        {
            AskHandle(fd, Literal(""u8), Constants.AT_EMPTY_PATH);
        }

        Stat(fd);
    }

    public static int Must(int result) =>
        result >= 0 ? result : throw new InvalidOperationException($"A system call gave {(Errno)(-result)}.");

    public static long Must(long result) => Must((int)Math.Min(result, int.MaxValue));

    public void Dispose()
    {
        foreach (int fd in (int[])[_procFd, Root, _mountFd, KnownFile, ManyPath])
        {
            _ = Sys.Close(fd);
        }

        BareKnown.Close();
        BareLink.Close();
        BareMany.Close();

        _fs.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    private static void AskHandle(int directory, byte* name, int flags)
    {
        Unsafe.SkipInit(out FileHandleBuffer buffer);
        buffer.handle_bytes = FileHandleBytes.MaxBytes;
        int mount;
        Must(Sys.NameToHandleAt(directory, name, &buffer, &mount, flags));
    }

    private byte* Text(string text)
    {
        System.Text.Encoding.UTF8.GetBytes(text, _buffer);
        return Buffer;
    }
}
