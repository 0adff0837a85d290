using System;
using PassthroughFs.Core.Protocol;
using static PassthroughFs.Core.Fuzz.Engine.FieldKind;
using static PassthroughFs.Core.Protocol.FuseOpcode;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>What a field of a request means.</summary>
internal enum FieldKind : byte
{
    Zero,
    Node,
    Handle,
    Offset,
    Length,
    Size,
    Bits,
    OneOf,
    OpenFlags,
    Mode,
    Id,
    Seconds,
    Nanoseconds,
    Owner,
    Lookups,
    Unique,
    Pages,
    Number,
}

/// <summary>What follows a request's structure and names.</summary>
internal enum Tail : byte
{
    Nothing,
    Target,
    Data,
    Value,
    Forgets,
    Ranges,
}

/// <summary>A field of the structure behind a request's header.</summary>
internal readonly record struct Field(int Offset, int Width, FieldKind Kind, uint[]? Values = null);

/// <summary>What one operation's request looks like: the fields that the fuzzer fills and changes.</summary>
internal sealed class Shape
{
    public const int Header = 40;

    private static readonly Shape?[] s_all = Create();

    public static Shape[] All { get; } = Array.FindAll(s_all, shape => shape is not null)!;

    public FuseOpcode Opcode { get; private init; }

    /// <summary>How many of a hundred requests are of this operation, about.</summary>
    public int Weight { get; private init; }

    public int Fixed { get; private init; }

    public int Names { get; private init; }

    public Field[] Fields { get; private init; } = [];

    public Tail Tail { get; private init; }

    /// <summary>Whether the node is a directory, or the handle one of a directory.</summary>
    public bool OnDirectory { get; private init; }

    public FuseOpcodeInfo Info { get; private init; }

    public static Shape? Find(uint opcode) => opcode < (uint)s_all.Length ? s_all[opcode] : null;

    private static Shape?[] Create()
    {
        var all = new Shape?[64];
        Field handle = new(0, 8, Handle);
        Field zeroOrOne = new(8, 4, OneOf, [0, 1]);
        Field[] read =
        [
            handle, new(8, 8, Offset), new(16, 4, Size), new(20, 4, Bits, [2]), new(24, 8, Owner), new(32, 4, OpenFlags),
        ];
        Field[] release = [handle, new(8, 4, OpenFlags), new(12, 4, Bits, [1, 2]), new(16, 8, Owner)];
        Field[] fsync = [handle, zeroOrOne];
        Field[] create = [new(0, 4, OpenFlags), new(4, 4, Mode), new(8, 4, Mode), new(12, 4, OneOf, [0, 1])];
        Field[] copy =
        [
            handle, new(8, 8, Offset), new(16, 8, Node), new(24, 8, Handle), new(32, 8, Offset), new(40, 8, Length),
            new(48, 8, OneOf, [0, 0, 0, 1]),
        ];
        Field[] @lock =
        [
            handle, new(8, 8, Owner), new(16, 8, Offset), new(24, 8, Offset), new(32, 4, OneOf, [0, 1, 2]),
            new(36, 4, Id), new(40, 4, OneOf, [0, 0, 1]),
        ];

        Add(FUSE_LOOKUP, 14, [], names: 1, directory: true);
        Add(FUSE_FORGET, 5, [new(0, 8, Lookups)]);
        Add(FUSE_GETATTR, 6, [new(0, 4, OneOf, [0, 0, 1]), new(4, 4, Zero), new(8, 8, Handle)]);
        Add(FUSE_SETATTR, 5,
        [
            new(0, 4, Bits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]), new(4, 4, Zero), new(8, 8, Handle),
            new(16, 8, Offset), new(24, 8, Owner), new(32, 8, Seconds), new(40, 8, Seconds), new(48, 8, Seconds),
            new(56, 4, Nanoseconds), new(60, 4, Nanoseconds), new(64, 4, Nanoseconds), new(68, 4, Mode), new(72, 4, Zero),
            new(76, 4, Id), new(80, 4, Id), new(84, 4, Zero),
        ]);
        Add(FUSE_READLINK, 2, []);
        Add(FUSE_SYMLINK, 2, [], names: 1, tail: Tail.Target, directory: true);
        Add(FUSE_MKNOD, 2,
            [new(0, 4, Mode), new(4, 4, Number), new(8, 4, Mode), new(12, 4, Zero)], names: 1, directory: true);
        Add(FUSE_MKDIR, 2, [new(0, 4, Mode), new(4, 4, Mode)], names: 1, directory: true);
        Add(FUSE_UNLINK, 2, [], names: 1, directory: true);
        Add(FUSE_RMDIR, 1, [], names: 1, directory: true);
        Add(FUSE_RENAME, 2, [new(0, 8, Node)], names: 2, directory: true);
        Add(FUSE_RENAME2, 2, [new(0, 8, Node), new(8, 4, OneOf, [0, 1, 2, 4]), new(12, 4, Zero)], 2, directory: true);
        Add(FUSE_LINK, 2, [new(0, 8, Node)], names: 1, directory: true);
        Add(FUSE_OPEN, 5, [new(0, 4, OpenFlags), new(4, 4, OneOf, [0, 1])]);
        Add(FUSE_READ, 7, read);
        Add(FUSE_WRITE, 6, [.. read[..3], new(20, 4, Bits, [1, 2, 4]), .. read[4..]], tail: Tail.Data);
        Add(FUSE_STATFS, 1, []);
        Add(FUSE_RELEASE, 4, release);
        Add(FUSE_FSYNC, 1, fsync);
        Add(FUSE_SETXATTR, 3,
            [new(0, 4, Size), new(4, 4, OneOf, [0, 1, 2]), new(8, 4, OneOf, [0, 1]), new(12, 4, Zero)],
            names: 1, tail: Tail.Value);
        Add(FUSE_GETXATTR, 3, [new(0, 4, Size), new(4, 4, Zero)], names: 1);
        Add(FUSE_LISTXATTR, 2, [new(0, 4, Size), new(4, 4, Zero)]);
        Add(FUSE_REMOVEXATTR, 1, [], names: 1);
        Add(FUSE_FLUSH, 2, [handle, new(8, 8, Zero), new(16, 8, Owner)]);
        Add(FUSE_INIT, 0,
        [
            new(0, 4, OneOf, [7, 7, 7, 8, 6]), new(4, 4, OneOf, [45, 31, 27, 26, 99]), new(8, 4, Number),
            new(12, 4, Number), new(16, 4, Number),
        ], size: 64);
        Add(FUSE_OPENDIR, 4, [new(0, 4, OpenFlags), new(4, 4, Zero)], directory: true);
        Add(FUSE_READDIR, 3, read, directory: true);
        Add(FUSE_RELEASEDIR, 2, release, directory: true);
        Add(FUSE_FSYNCDIR, 1, fsync, directory: true);
        Add(FUSE_GETLK, 1, @lock);
        Add(FUSE_SETLK, 2, @lock);
        Add(FUSE_SETLKW, 1, @lock);
        Add(FUSE_ACCESS, 1, [new(0, 4, Bits, [1, 2, 4]), new(4, 4, Zero)]);
        Add(FUSE_CREATE, 4, create, names: 1, directory: true);
        Add(FUSE_INTERRUPT, 1, [new(0, 8, Unique)]);
        Add(FUSE_BMAP, 1, [new(0, 8, Offset), new(8, 4, Number), new(12, 4, Zero)]);
        Add(FUSE_DESTROY, 0, []);
        Add(FUSE_IOCTL, 1,
        [
            handle, new(8, 4, Bits, [1, 2, 4, 8, 16]), new(12, 4, Number), new(16, 8, Number), new(24, 4, Size),
            new(28, 4, Size),
        ], tail: Tail.Data);
        Add(FUSE_POLL, 1, [handle, new(8, 8, Number), new(16, 4, Bits, [1]), new(20, 4, Number)]);
        Add(FUSE_NOTIFY_REPLY, 1,
            [new(0, 8, Number), new(8, 8, Offset), new(16, 4, Size), new(20, 4, Zero), new(24, 8, Zero), new(32, 8, Zero)],
            tail: Tail.Data);
        Add(FUSE_BATCH_FORGET, 2, [new(0, 4, OneOf, [1, 2, 3]), new(4, 4, Zero)], tail: Tail.Forgets);
        Add(FUSE_FALLOCATE, 2,
            [handle, new(8, 8, Offset), new(16, 8, Length), new(24, 4, OneOf, [0, 1, 3, 8, 16, 17, 32, 64]), new(28, 4, Zero)]);
        Add(FUSE_READDIRPLUS, 4, read, directory: true);
        Add(FUSE_LSEEK, 1, [handle, new(8, 8, Offset), new(16, 4, OneOf, [0, 1, 2, 3, 4, 5]), new(20, 4, Zero)]);
        Add(FUSE_COPY_FILE_RANGE, 1, copy);
        Add(FUSE_SETUPMAPPING, 1,
            [handle, new(8, 8, Pages), new(16, 8, Pages), new(24, 8, OneOf, [1, 2, 3]), new(32, 8, Pages)]);
        Add(FUSE_REMOVEMAPPING, 1, [new(0, 4, OneOf, [0, 1, 2])], tail: Tail.Ranges);
        Add(FUSE_SYNCFS, 0, [new(0, 8, Zero)]);
        Add(FUSE_TMPFILE, 1, create, names: 1, directory: true);
        Add(FUSE_STATX, 2,
            [new(0, 4, OneOf, [0, 1]), new(4, 4, Zero), new(8, 8, Handle), new(16, 4, Number), new(20, 4, Number)]);
        Add(FUSE_COPY_FILE_RANGE_64, 1, copy);
        return all;

        void Add(
            FuseOpcode opcode, int weight, Field[] fields, int names = 0, Tail tail = Tail.Nothing, bool directory = false,
            int size = 0)
        {
            _ = FuseOpcodes.TryGet(opcode, out FuseOpcodeInfo info);
            all[(int)opcode] = new Shape
            {
                Opcode = opcode,
                Weight = weight,
                Fields = fields,
                Fixed = size > 0 ? size : info.FixedIn,
                Names = names,
                Tail = tail,
                OnDirectory = directory,
                Info = info,
            };
        }
    }
}
