using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.IO.Pipes;
using System.Linq;
using System.Text;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>
/// The user namespace in which <c>--sandbox namespace</c> works for an ordinary user: there the daemon has every
/// capability, and they count for what belongs to the namespace alone.
/// </summary>
/// <remarks>
/// A process with several threads cannot make one for itself, and this program has several before its first line. So it
/// becomes unshare(1), and that becomes this program again. The capabilities come over that as ambient ones, as the
/// user is nobody there yet. A map of one's own id is a process's own to write. Any other takes newuidmap(1) and
/// newgidmap(1), which have to run outside: a shell waits there until the namespace is made.
/// </remarks>
internal static class UserNamespace
{
    // The second time: the maps to write, if any, and the numbers of the shell's process, input and output, if any.
    private const string Variable = "PTFS_VIRTIOFSD_USER";

    private const string Script = """
        exec 2>&1
        read go || exit 0
        { [ -z "$2" ] || newuidmap $1 $2; } && { [ -z "$3" ] || newgidmap $1 $3; } && echo done
        """;

    /// <summary>
    /// Makes one and enters it, for an ordinary user. Does nothing for who may make the other namespaces.
    /// </summary>
    /// <param name="users">Which users it has; empty for one's own.</param>
    /// <param name="groups">Which groups; likewise.</param>
    /// <param name="socketFd">An inherited socket that is to be inherited once more; null if there is none.</param>
    /// <exception cref="DaemonException">The machine does not allow it.</exception>
    public static void Enter(IReadOnlyList<IdRange> users, IReadOnlyList<IdRange> groups, int? socketFd)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { } state)
        {
            Environment.SetEnvironmentVariable(Variable, null);
            Finish(state.Split(','));
        }
        else if (Environment.GetEnvironmentVariable(SandboxInside.Variable) is null)
        {
            bool isPrivileged = Environment.IsPrivilegedProcess || Privileges.Has(Capabilities.SysAdmin);
            if (!isPrivileged)
            {
                Restart(MapOf(users, Libc.geteuid()), MapOf(groups, Libc.getegid()), socketFd ?? -1);
            }

            if (users.Count + groups.Count > 0)
            {
                throw new DaemonException(
                    "--uid-map and --gid-map are for an ordinary user: leave them out, or start the daemon as one");
            }
        }
    }

    private static (string Map, bool IsOwn) MapOf(IReadOnlyList<IdRange> ranges, uint own) => ranges switch
    {
        [] => (new IdRange(own, own, 1).ToString(), true),
        [{ Count: 1 } one] when one.Outside == own => (one.ToString(), true),
        _ => (string.Join(' ', ranges), false),
    };

    // SAFETY of what follows: the path is pinned and ends with NUL, the lists end with null pointers and stay.
    private static unsafe void Restart((string Map, bool IsOwn) users, (string Map, bool IsOwn) groups, int socketFd)
    {
        string unshare = Find("unshare") ?? throw new DaemonException(
            "--sandbox namespace: an ordinary user needs unshare of util-linux: install it, run the daemon as root, or use "
            + "--sandbox none");
        string state = $"{(users.IsOwn ? users.Map : "")},{(groups.IsOwn ? groups.Map : "")}";
        if (!users.IsOwn || !groups.IsOwn)
        {
            (int pid, int input, int output) = StartMapper(users.IsOwn ? "" : users.Map, groups.IsOwn ? "" : groups.Map);
            state += $",{pid},{input},{output}";
            Libc.InheritOnly(socketFd, input, output);
        }
        else
        {
            Libc.InheritOnly(socketFd);
        }

        OwnProgram program = Sandbox.NewProgram(Variable, state);
        Sandbox.RemoveDiagnostics();
        fixed (byte* path = Libc.CString(unshare))
        {
            _ = Libc.execve(
                path,
                Libc.CStrings(["unshare", "--user", "--keep-caps", "--", program.Path, .. program.Arguments.Skip(1)]),
                Libc.CStrings(program.Environment));
        }

        throw new DaemonException($"--sandbox namespace: {unshare} cannot be started: {Libc.Describe(Libc.LastError)}");
    }

    // The pipes to it stay open in the program that this process becomes, and nowhere else.
    private static (int Pid, int Input, int Output) StartMapper(string users, string groups)
    {
        if ((users.Length > 0 && Find("newuidmap") is null) || (groups.Length > 0 && Find("newgidmap") is null))
        {
            throw new DaemonException(
                "--uid-map and --gid-map need newuidmap and newgidmap for more than one's own id: install uidmap (Debian) or "
                + "shadow-utils");
        }

        string pid = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        using var shell = new Process
        {
            StartInfo = new ProcessStartInfo("/bin/sh", ["-c", Script, "sh", pid, users, groups])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            },
        };
        _ = shell.Start();
        return (shell.Id, Keep(shell.StandardInput.BaseStream), Keep(shell.StandardOutput.BaseStream));
    }

    private static int Keep(Stream pipe)
    {
        // A copy, as the stream may close its own.
        int fd = Libc.fcntl((int)((PipeStream)pipe).SafePipeHandle.DangerousGetHandle(), Libc.F_DUPFD, 3);
        return fd >= 0 ? fd : throw new DaemonException($"no descriptor is left: {Libc.Describe(Libc.LastError)}");
    }

    private static unsafe void Finish(string[] state)
    {
        if (state[0].Length > 0)
        {
            Write("uid_map", state[0]);
        }

        if (state[1].Length > 0)
        {
            // Who gives up groups might get past a mode that keeps a group out: so the kernel wants to know that nobody
            // can.
            Write("setgroups", "deny");
            Write("gid_map", state[1]);
        }

        if (state.Length == 2)
        {
            return;
        }

        int[] numbers = [.. state[2..].Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        using (var input = new FileStream(Libc.Own(numbers[1]), FileAccess.Write))
        {
            input.WriteByte((byte)'\n');
        }

        using var output = new StreamReader(new FileStream(Libc.Own(numbers[2]), FileAccess.Read));
        string said = output.ReadToEnd().Trim();
        _ = Libc.waitpid(numbers[0], null, 0); // SAFETY: nothing is wanted but its end.
        if (said != "done")
        {
            throw new DaemonException(
                $"--uid-map or --gid-map is refused ({said.ReplaceLineEndings(" ")}): give ranges that /etc/subuid and "
                + "/etc/subgid have for this user");
        }
    }

    private static void Write(string file, string text)
    {
        try
        {
            // In one write, as the kernel wants it.
            using var stream = new FileStream(
                $"/proc/self/{file}", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            stream.Write(Encoding.ASCII.GetBytes(text));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DaemonException($"--sandbox namespace: {file} of the user namespace cannot be written, {e.Message}");
        }
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/bin", "/bin", "/usr/sbin", "/sbin"])
            .Select(directory => Path.Combine(directory, program))
            .FirstOrDefault(File.Exists);
}
