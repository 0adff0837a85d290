using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using PassthroughFs.Core.IntegrationTests.Platform;
using PassthroughFs.PtfsVirtiofsd.Seccomp;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Seccomp;

/// <summary>Makes system calls under a filter, each in a process of its own that does nothing else.</summary>
internal static class FilteredCalls
{
    // A filter's file, and calls as "number,argument,…". For each the child's end: "0" if the call was made, "errno N"
    // if it was answered, "signal N".
    private const string Script = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
        with open(sys.argv[1], "rb") as file:
            code = file.read()
        memory = ctypes.create_string_buffer(code, len(code))
        program = Program(len(code) // 8, ctypes.cast(memory, ctypes.c_void_p))
        for call in sys.argv[2:]:
            numbers = [ctypes.c_ulong(int(n)) for n in call.split(",")]
            child = os.fork()
            if child == 0:
                if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program)) != 0:
                    os._exit(200)
                ctypes.set_errno(0)
                libc.syscall(*numbers)
                os._exit(ctypes.get_errno())
            status = os.waitpid(child, 0)[1]
            print(f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"errno {os.WEXITSTATUS(status)}")
        """;

    // A filter's file, and a program with its arguments that this one becomes.
    private const string Starter = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
        with open(sys.argv[1], "rb") as file:
            code = file.read()
        memory = ctypes.create_string_buffer(code, len(code))
        program = Program(len(code) // 8, ctypes.cast(memory, ctypes.c_void_p))
        if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program)) != 0:
            sys.exit(ctypes.get_errno())
        os.execvp(sys.argv[2], sys.argv[2:])
        """;

    /// <summary>What starts another program under a filter; the file is this method's to write.</summary>
    public static string[] Under(BpfInstruction[] program, string file)
    {
        File.WriteAllBytes(file, MemoryMarshal.AsBytes<BpfInstruction>(program).ToArray());
        return ["/usr/bin/python3", "-c", Starter, file];
    }

    /// <summary>Makes calls; gives how each ended: "signal N", or "errno N" with 0 if it succeeded.</summary>
    public static string[] Make(BpfInstruction[] program, IEnumerable<ulong[]> calls)
    {
        using var directory = new TempDirectory();
        File.WriteAllBytes(directory["filter"], MemoryMarshal.AsBytes<BpfInstruction>(program).ToArray());
        IEnumerable<string> texts = calls.Select(
            call => string.Join(',', call.Select(number => number.ToString(CultureInfo.InvariantCulture))));
        ShellResult result = Shell.Run("/usr/bin/python3", ["-c", Script, directory["filter"], .. texts]);
        Assert.True(result.ExitCode == 0, result.All);
        return result.Out.TrimEnd('\n').Split('\n');
    }
}
