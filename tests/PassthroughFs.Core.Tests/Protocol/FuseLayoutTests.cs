using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Protocol;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseLayoutTests
{
    private const string Header = "/usr/include/linux/fuse.h";

    // The C name of each structure, where it is not the C# one in snake case.
    private static readonly Dictionary<Type, string> s_names = new()
    {
        [typeof(FuseGetAttrIn)] = "fuse_getattr_in",
        [typeof(FuseSetAttrIn)] = "fuse_setattr_in",
        [typeof(FuseSetXattrIn)] = "fuse_setxattr_in",
        [typeof(FuseGetXattrIn)] = "fuse_getxattr_in",
        [typeof(FuseGetXattrOut)] = "fuse_getxattr_out",
        [typeof(FuseSetupMappingIn)] = "fuse_setupmapping_in",
        [typeof(FuseRemoveMappingIn)] = "fuse_removemapping_in",
        [typeof(FuseStatfsOut)] = "fuse_kstatfs",
        [typeof(FuseDirentPlus)] = "fuse_direntplus",
    };

    // Newer than the headers of most machines; their sizes are below.
    private static readonly HashSet<Type> s_newer =
        [typeof(FuseStatxIn), typeof(FuseSxTime), typeof(FuseStatx), typeof(FuseStatxOut), typeof(FuseNotifyPruneOut),
            typeof(FuseCopyFileRangeOut), typeof(FuseCreateOut), typeof(FuseExtHeader)];

    public static TheoryData<Type, int> Sizes { get; } = new()
    {
        { typeof(FuseInHeader), 40 },
        { typeof(FuseOutHeader), 16 },
        { typeof(FuseInitIn), 64 },
        { typeof(FuseInitOut), 64 },
        { typeof(FuseAttr), 88 },
        { typeof(FuseEntryOut), 128 },
        { typeof(FuseAttrOut), 104 },
        { typeof(FuseOpenOut), 16 },
        { typeof(FuseCreateIn), 16 },
        { typeof(FuseCreateOut), 144 },
        { typeof(FuseReadIn), 40 },
        { typeof(FuseWriteIn), 40 },
        { typeof(FuseSetAttrIn), 88 },
        { typeof(FuseDirent), 24 },
        { typeof(FuseDirentPlus), 152 },
        { typeof(FuseStatfsOut), 80 },
        { typeof(FuseStatxIn), 24 },
        { typeof(FuseStatx), 256 },
        { typeof(FuseStatxOut), 288 },
        { typeof(FuseSetXattrIn), 16 },
        { typeof(FuseCopyFileRangeIn), 56 },
        { typeof(FuseIoctlIn), 32 },
        { typeof(FuseExtHeader), 8 },
        { typeof(FuseNotifyPruneOut), 16 },
        { typeof(FuseSetupMappingIn), 40 },
        { typeof(FuseRemoveMappingIn), 4 },
        { typeof(FuseLkIn), 48 },
        { typeof(FuseLkOut), 24 },
        { typeof(ForgetItem), 16 },
        { typeof(DaxRange), 16 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Structures_have_their_size_on_the_wire(Type type, int size) => Assert.Equal(size, SizeOf(type));

    [Fact]
    public void A_segment_is_laid_out_like_an_iovec() => Assert.Equal(2 * nint.Size, Unsafe.SizeOf<IoSegment>());

    [Fact]
    public void Structures_have_no_hidden_padding()
    {
        foreach (Type type in Structures())
        {
            int fields = type.GetFields(BindingFlags.Public | BindingFlags.Instance).Sum(f => SizeOf(f.FieldType));
            Assert.True(fields == SizeOf(type), $"{type.Name} has {SizeOf(type)} bytes and {fields} in fields.");
        }
    }

    [Fact]
    public void The_tables_sizes_are_those_of_the_structures()
    {
        Dictionary<FuseOpcode, Type> arguments = new()
        {
            [FuseOpcode.FUSE_COPY_FILE_RANGE_64] = typeof(FuseCopyFileRangeIn),
            [FuseOpcode.FUSE_FSYNCDIR] = typeof(FuseFsyncIn),
            [FuseOpcode.FUSE_GETLK] = typeof(FuseLkIn),
            [FuseOpcode.FUSE_SETLK] = typeof(FuseLkIn),
            [FuseOpcode.FUSE_SETLKW] = typeof(FuseLkIn),
            [FuseOpcode.FUSE_LISTXATTR] = typeof(FuseGetXattrIn),
            [FuseOpcode.FUSE_OPENDIR] = typeof(FuseOpenIn),
            [FuseOpcode.FUSE_READDIR] = typeof(FuseReadIn),
            [FuseOpcode.FUSE_READDIRPLUS] = typeof(FuseReadIn),
            [FuseOpcode.FUSE_RELEASEDIR] = typeof(FuseReleaseIn),
            [FuseOpcode.FUSE_TMPFILE] = typeof(FuseCreateIn),
            [FuseOpcode.FUSE_BATCH_FORGET] = typeof(FuseBatchForgetIn),
        };
        int checkedCount = 0;
        foreach (FuseOpcode opcode in Enum.GetValues<FuseOpcode>())
        {
            Assert.True(FuseOpcodes.TryGet(opcode, out FuseOpcodeInfo info));
            Assert.Equal("FUSE_" + info.Name, opcode.ToString());
            string name = $"Fuse{info.Name.Replace("_", "", StringComparison.Ordinal)}In";
            Type? type = arguments.GetValueOrDefault(opcode)
                ?? Structures().SingleOrDefault(t => string.Equals(t.Name, name, StringComparison.OrdinalIgnoreCase));
            if (type is not null && opcode is not (FuseOpcode.FUSE_INIT or FuseOpcode.FUSE_SETXATTR))
            {
                Assert.True(info.FixedIn == SizeOf(type), info.Name);
                checkedCount++;
            }
        }

        Assert.True(checkedCount >= 30, $"Only {checkedCount} were checked.");
    }

    [Fact]
    public void Structures_and_operations_agree_with_the_C_header()
    {
        string? compiler = new[] { "/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang" }.FirstOrDefault(File.Exists);
        if (compiler is null || !File.Exists(Header))
        {
            string reason = $"needs a C compiler and {Header}";
            Assert.False(Environment.GetEnvironmentVariable("PTFS_REQUIRE_ALL") == "1", reason);
            Assert.Skip(reason);
        }

        string header = File.ReadAllText(Header);
        DirectoryInfo directory = Directory.CreateTempSubdirectory("ptfs-layout");
        try
        {
            StringBuilder source = new();
            source.AppendLine("#include <stdint.h>\n#include <stddef.h>\n#include <linux/fuse.h>");
            int count = 0;
            foreach (Type type in Structures().Except(s_newer))
            {
                string name = s_names.GetValueOrDefault(type) ?? Snake(type.Name);
                source.AppendLine(Invariant($"_Static_assert(sizeof(struct {name}) == {SizeOf(type)}, \"{name}\");"));
                count++;
            }

            foreach (FuseOpcode opcode in Enum.GetValues<FuseOpcode>())
            {
                if (header.Contains($"\t{opcode}\t", StringComparison.Ordinal))
                {
                    source.AppendLine(Invariant($"_Static_assert({opcode} == {(uint)opcode}, \"{opcode}\");"));
                    count++;
                }
            }

            foreach (InitFlags flag in Enum.GetValues<InitFlags>())
            {
                if (header.Contains($"#define {flag}\t", StringComparison.Ordinal))
                {
                    // Bit 31 is a negative int in C.
                    string cast = (ulong)flag > uint.MaxValue ? "uint64_t" : "uint32_t";
                    source.AppendLine(Invariant($"_Static_assert(({cast}){flag} == {(ulong)flag}, \"{flag}\");"));
                    count++;
                }
            }

            // Offsets of what a mistake would move without changing the size.
            foreach ((Type type, string field, string name) in new[]
            {
                (typeof(FuseInHeader), nameof(FuseInHeader.Pid), "pid"),
                (typeof(FuseAttr), nameof(FuseAttr.Blksize), "blksize"),
                (typeof(FuseEntryOut), nameof(FuseEntryOut.AttrValidNsec), "attr_valid_nsec"),
                (typeof(FuseSetAttrIn), nameof(FuseSetAttrIn.Gid), "gid"),
                (typeof(FuseInitOut), nameof(FuseInitOut.MaxPages), "max_pages"),
                (typeof(FuseInitOut), nameof(FuseInitOut.Flags2), "flags2"),
                (typeof(FuseWriteIn), nameof(FuseWriteIn.Flags), "flags"),
                (typeof(FuseCopyFileRangeIn), nameof(FuseCopyFileRangeIn.Len), "len"),
            })
            {
                string structure = s_names.GetValueOrDefault(type) ?? Snake(type.Name);
                nint offset = Marshal.OffsetOf(type, field);
                source.AppendLine(Invariant(
                    $"_Static_assert(offsetof(struct {structure}, {name}) == {offset}, \"{structure}.{name}\");"));
            }

            Assert.True(count > 100, $"Only {count} facts were checked.");
            string file = Path.Combine(directory.FullName, "layout.c");
            File.WriteAllText(file, source.ToString());
            using Process process = Process.Start(new ProcessStartInfo(compiler, ["-fsyntax-only", file])
            {
                RedirectStandardError = true,
            })!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, errors);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private static IEnumerable<Type> Structures() => typeof(FuseInHeader).Assembly.GetTypes()
        .Where(t => t is { IsValueType: true, IsEnum: false, IsByRefLike: false, IsNested: false }
            && t.Namespace == typeof(FuseInHeader).Namespace
            && t.Name.StartsWith("Fuse", StringComparison.Ordinal)
            && t != typeof(FuseOpcodeInfo));

    private static string Snake(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? $"_{c}" : $"{c}")).ToLower(
            System.Globalization.CultureInfo.InvariantCulture);

    private static int SizeOf(Type type) => (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!
        .MakeGenericMethod(type.IsEnum ? Enum.GetUnderlyingType(type) : type).Invoke(null, null)!;
}
