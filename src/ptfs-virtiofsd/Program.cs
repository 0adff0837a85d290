using System;
using System.IO;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>ptfs-virtiofsd --socket-path PATH --shared-dir DIR.</summary>
internal static class Program
{
    private const string Name = "ptfs-virtiofsd";

    private static int Main(string[] args)
    {
        if (!DescriptorMinimum.IsThere())
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
        string message = fault is DaemonException
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
