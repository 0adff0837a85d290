extern alias program;

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using PassthroughFs.Fuse;
using program::PassthroughFs.PtfsMount;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>
/// Whoever waits looks at a clock that nobody can set: the compiled code of the library and of the mount program asks for
/// the time of day nowhere but where a file shows it.
/// </summary>
public sealed class ClockTests
{
    [Fact]
    public void The_library_asks_for_the_time_of_day_only_for_what_files_show() =>
        Assert.Equal(["PseudoNumbers"], WhoAsks(typeof(Api.IFileSystem).Assembly));

    [Fact]
    public void Mounts_and_their_program_never_ask_for_it() =>
        Assert.Empty(WhoAsks(typeof(FuseMount).Assembly).Concat(WhoAsks(typeof(Options).Assembly)));

    // The types in whose code there is a call of it, by the call's four bytes behind its opcode.
    private static string[] WhoAsks(Assembly assembly)
    {
        const byte call = 0x28;
        using var file = new PEReader(File.OpenRead(assembly.Location));
        MetadataReader metadata = file.GetMetadataReader();
        List<byte[]> calls = [.. metadata.MemberReferences.Where(IsTimeOfDay).Select(
            handle => (byte[])[call, .. BitConverter.GetBytes(MetadataTokens.GetToken(handle))])];
        return [.. metadata.MethodDefinitions.Select(metadata.GetMethodDefinition)
            .Where(method => method.RelativeVirtualAddress != 0)
            .Where(method => file.GetMethodBody(method.RelativeVirtualAddress).GetILBytes() is { } code
                && calls.Exists(bytes => code.AsSpan().IndexOf(bytes) >= 0))
            .Select(method => metadata.GetString(metadata.GetTypeDefinition(method.GetDeclaringType()).Name))
            .Distinct()];

        bool IsTimeOfDay(MemberReferenceHandle handle)
        {
            MemberReference member = metadata.GetMemberReference(handle);
            return metadata.GetString(member.Name) is "get_Now" or "get_UtcNow" or "GetUtcNow"
                && member.Parent.Kind == HandleKind.TypeReference
                && metadata.GetString(metadata.GetTypeReference((TypeReferenceHandle)member.Parent).Name)
                    is "DateTime" or "DateTimeOffset" or "TimeProvider";
        }
    }
}
