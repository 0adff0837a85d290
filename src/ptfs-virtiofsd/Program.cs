using System;
using System.IO;
using PassthroughFs.Shared;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>ptfs-virtiofsd --socket-path PATH --shared-dir DIR.</summary>
internal static class Program
{
    private const string Name = "ptfs-virtiofsd";

    // What the library takes. The runtime opens a file for each assembly, and below some 100 the one that writes the
    // library's message is not among them.
    private const ulong LeastDescriptors = 128;

    private static int Main(string[] args)
    {
        StandardDescriptors.Complete();
        if (!DescriptorMinimum.IsThere(
            LeastDescriptors,
            "ptfs-virtiofsd: the limit of open files (RLIMIT_NOFILE) is below 128: "u8 +
            "raise it (ulimit -n) to 1,024 or more\n"u8))
        {
            return DaemonException.Failure;
        }

        try
        {
            return CommandLine.Parse(args) is { } options ? Daemon.Run(options, Announce, Fail) : 0;
        }
#pragma warning disable CA1031 // The user gets one line, whatever happened.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Fail(e);
        }
    }

    private static void Announce(string line)
    {
        try
        {
            Console.Out.WriteLine(line);
            Console.Out.Flush();
        }
        catch (IOException)
        {
            // Nobody reads it; that is no reason to stop serving.
        }
    }

    private static int Fail(Exception fault)
    {
        string message = fault is DaemonException or VhostUserException
            ? fault.Message
            : $"unexpected {fault.GetType().Name}, {fault.Message}: this is a defect, please report it";
        try
        {
            Console.Error.WriteLine($"{Name}: {message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}");
        }
        catch (IOException)
        {
            // Nobody reads it; the exit code is left.
        }

        return (fault as DaemonException)?.ExitCode ?? DaemonException.Failure;
    }
}
