using System;
using System.IO;
using System.Runtime.Versioning;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

[assembly: SupportedOSPlatform("linux")]

namespace PassthroughFs.PtfsMount;

/// <summary>
/// ptfs-mount [options] SOURCE MOUNTPOINT, ptfs-mount --upgrade MOUNTPOINT, and ptfs-mount ctl MOUNTPOINT ORDER.
/// </summary>
internal static class Program
{
    private const string Name = "ptfs-mount";

    // The runtime opens a file for each assembly, and below some 70 the one that writes a message is not among them.
    // From here up to what serving takes the library says it.
    private const ulong LeastDescriptors = 96;

    private static readonly bool s_asMountHelper = IsMountHelper();

    private static int Main(string[] args)
    {
        StandardDescriptors.Complete();
        if (!DescriptorMinimum.IsThere(
            LeastDescriptors,
            "ptfs-mount: the limit of open files (RLIMIT_NOFILE) is below 96, and serving takes 128 at least: "u8 +
            "raise it (ulimit -n) to 1,024 or more\n"u8))
        {
            return ExitCode.Of(FuseMountFault.System, s_asMountHelper);
        }

        try
        {
            if (args is [ControlClient.Command, ..])
            {
                return ControlClient.Run(args.AsSpan(1));
            }

            Background.Initialize();
            if (CommandLine.ParseUpgrade(args) is { } upgrade)
            {
                if (upgrade.Background && !Background.IsServer)
                {
                    return Background.Start(args.Length, quiet: false);
                }

                InheritedDescriptors.Close();
                return MountedSource.TakeOver(upgrade, Announce, Fail);
            }

            if (CommandLine.ParseRemount(args, s_asMountHelper) is { } remount)
            {
                return Remount.Run(remount);
            }

            if (CommandLine.Parse(args, s_asMountHelper) is not { } options)
            {
                return 0;
            }

            return options.Background && !options.Fake && !Background.IsServer
                ? Background.Start(args.Length, quiet: s_asMountHelper)
                : MountedSource.Run(new Call(args, s_asMountHelper), options, Announce, Fail);
        }
        catch (FuseMountException e)
        {
            return Fail(e);
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
        if (Background.IsServer)
        {
            Background.Report(line);
            return;
        }

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
        string message = fault is FuseMountException
            ? fault.Message
            : $"unexpected {fault.GetType().Name}, {fault.Message}: this is a defect, please report it";
        string line = $"{Name}: {message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}";
        Background.Report(line);
        try
        {
            Console.Error.WriteLine(line);
        }
        catch (IOException)
        {
            // Nobody reads it; the exit code is left.
        }

        return ExitCode.Of((fault as FuseMountException)?.Fault, s_asMountHelper);
    }

    // As /sbin/mount.fuse.ptfs. The name by which the program was called is nowhere else: .NET tells the file's.
    private static bool IsMountHelper()
    {
        try
        {
            string called = File.ReadAllText("/proc/self/cmdline").Split('\0')[0];
            return Path.GetFileName(called).StartsWith("mount.", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
