using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Linq;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.VhostUser;

namespace PassthroughFs.PtfsVirtiofsd;

/// <summary>From arguments to <see cref="DaemonOptions"/>.</summary>
internal static partial class CommandLine
{
    private const string UsageHint = "see ptfs-virtiofsd --help";

    /// <summary>Understands the arguments, or prints what was asked for.</summary>
    /// <returns>Null if --help or --version was all that was wanted.</returns>
    /// <exception cref="DaemonException">The arguments make no sense.</exception>
    public static DaemonOptions? Parse(string[] args)
    {
        RootCommand command = Options.CreateCommand();
        var configuration = new ParserConfiguration { ResponseFileTokenReplacer = null };
        ParseResult result = command.Parse(args, configuration);
        if (result.Action is HelpAction || result.CommandResult.Children.Any(child =>
            child is OptionResult { Option: VersionOption }))
        {
            result.Invoke();
            return null;
        }

        RefuseErrors(command, result, args);
        string? socketPath = result.GetValue(Options.SocketPath);
        int? fd = result.GetValue(Options.Fd);
        if (socketPath is null == fd is null)
        {
            throw UsageError(fd is null
                ? "--socket-path is needed, or --fd"
                : "--socket-path conflicts with --fd");
        }

        bool allowDirectIo = result.GetValue(Options.AllowDirectIo);
        if (allowDirectIo && result.GetValue(Options.NoDirectIo))
        {
            throw UsageError("--allow-direct-io conflicts with --no-direct-io");
        }

        long windowLength = result.GetValue(Options.DaxWindowSize) ?? 0;
        if (windowLength == 0 && result.GetValue(Options.DaxFileSize) is not null)
        {
            throw UsageError("--dax-file-size needs --dax-window-size");
        }

        IReadOnlyList<IdRange> users = result.GetValue(Options.UidMap) ?? [], groups = result.GetValue(Options.GidMap) ?? [];
        bool hasMaps = users.Count + groups.Count > 0;
        SandboxMode sandbox = result.GetValue(Options.Sandbox)
            ?? (hasMaps || Environment.IsPrivilegedProcess ? SandboxMode.Namespace : SandboxMode.None);
        if (hasMaps && sandbox != SandboxMode.Namespace)
        {
            throw UsageError("--uid-map and --gid-map need --sandbox namespace");
        }

        PassthroughConfig config = CreateConfig(result, allowDirectIo);
        return new DaemonOptions
        {
            SocketPath = socketPath,
            Fd = fd,
            SharedDir = result.GetValue(Options.SharedDir) ?? throw UsageError("--shared-dir is needed"),
            Config = config,
            XattrMap = result.GetValue(Options.XattrMap),
            Server = CreateServerOptions(result, windowLength),
            FileLimit = (ulong?)result.GetValue(Options.RlimitNofile),
            Sandbox = sandbox,
            UserMap = users,
            GroupMap = groups,
            Seccomp = result.GetValue(Options.Seccomp) ?? SeccompMode.Kill,
            Capabilities = ReadCapabilities(result.GetValue(Options.ModCaps), sandbox, config),
            LogLevel = result.GetValue(Options.LogLevel) ?? LogLevel.Warning,
        };
    }

    /// <summary>
    /// The library's sentences name properties, "PosixAcl"; the user knows options, "--posix-acl".
    /// </summary>
    public static string AsOptionNames(string sentence)
    {
        RootCommand command = Options.CreateCommand();
        return PropertyName().Replace(sentence, match =>
        {
            string name = "--" + WordStart().Replace(match.Value, "-$0").ToLowerInvariant();
            name = name == "--read-only" ? Options.ReadOnly.Name : name;
            return FindOption(command, name) is null ? match.Value : name;
        });
    }

    private static VhostUserServerOptions CreateServerOptions(ParseResult result, long windowLength)
    {
        var defaults = new VhostUserServerOptions();
        return new VhostUserServerOptions
        {
            Device = new FsDeviceOptions
            {
                Tag = result.GetValue(Options.Tag),
                RequestQueues = result.GetValue(Options.RequestQueues) ?? defaults.Device.RequestQueues,
            },
            Threads = Math.Max(1, result.GetValue(Options.ThreadPoolSize) ?? 0),
            StandbyThreads = result.GetValue(Options.StandbyThreads) ?? defaults.StandbyThreads,
            HangWarning = result.GetValue(Options.HangWarning) ?? defaults.HangWarning,
            HangHint = "SIGUSR1 logs all.",
            EndTimeout = result.GetValue(Options.EndTimeout) ?? defaults.EndTimeout,
            Once = result.GetValue(Options.Once),
            DaxWindowSize = windowLength,
        };
    }

    private static PassthroughConfig CreateConfig(ParseResult result, bool allowDirectIo)
    {
        var defaults = new PassthroughConfig();
        var config = new PassthroughConfig
        {
            CachePolicy = result.GetValue(Options.Cache) ?? defaults.CachePolicy,
            Writeback = result.GetValue(Options.Writeback),
            Xattr = result.GetValue(Options.Xattr) || result.GetValue(Options.PosixAcl)
                || result.GetValue(Options.XattrMap) is not null,
            PosixAcl = result.GetValue(Options.PosixAcl),
            InodeFileHandles = result.GetValue(Options.InodeFileHandles) ?? InodeFileHandles.Adaptive,
            FdBudget = result.GetValue(Options.FdBudget),
            MaxNodes = result.GetValue(Options.MaxNodes),
            AnnounceSubmounts = result.GetValue(Options.AnnounceSubmounts),
            AllowDirectIo = allowDirectIo,
            KillprivV2 = result.GetValue(Options.KillprivV2),
            ReadOnly = result.GetValue(Options.ReadOnly),
            DaxFileSize = result.GetValue(Options.DaxFileSize),
            ClearUmask = true, // this program does nothing but serve
        };
        IReadOnlyList<string> faults = PassthroughConfigValidator.Validate(config);
        return faults.Count == 0
            ? config
            : throw new DaemonException(AsOptionNames(faults[0]).TrimEnd('.'), DaemonException.Usage);
    }

    private static HashSet<int> ReadCapabilities(string? changes, SandboxMode sandbox, PassthroughConfig config)
    {
        HashSet<int> capabilities = Capabilities.Needed(config.InodeFileHandles != InodeFileHandles.Never);
        if (changes is not null && sandbox == SandboxMode.None)
        {
            throw UsageError("--modcaps needs --sandbox namespace or chroot, as none are dropped otherwise");
        }

        return changes is null || Capabilities.Modify(capabilities, changes) is not { } word
            ? capabilities
            : throw UsageError($"--modcaps {word}: give + or - and a capability's name, as +sys_admin");
    }

    private static Option? FindOption(Command command, string name) =>
        command.Options.FirstOrDefault(option => option.Name == name);

    private static void RefuseErrors(RootCommand command, ParseResult result, string[] args)
    {
        // "--xattr=no", "--tag=": the parser would take the value, or the next argument, for something else.
        foreach (string argument in args)
        {
            string[] parts = argument.Split('=', 2);
            if (parts.Length == 2 && FindOption(command, parts[0]) is { } option)
            {
                if (option.Arity.MaximumNumberOfValues == 0)
                {
                    throw UsageError($"{option.Name} takes no value");
                }

                if (parts[1].Length == 0)
                {
                    throw UsageError($"{option.Name} needs a value");
                }
            }
        }

        if (result.UnmatchedTokens.Count > 0)
        {
            string token = result.UnmatchedTokens[0];
            throw UsageError((token.StartsWith('-') ? "unknown option " : "unexpected argument ") + token);
        }

        if (result.Errors.Count > 0)
        {
            string message = result.Errors[0].Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
            throw message.Contains(Options.Advice, StringComparison.Ordinal)
                ? new DaemonException(message, DaemonException.Usage)
                : UsageError(message);
        }
    }

    private static DaemonException UsageError(string message) =>
        new($"{message}: {UsageHint}", DaemonException.Usage);

    [GeneratedRegex(@"\b[A-Z][A-Za-z0-9]+\b")]
    private static partial Regex PropertyName();

    [GeneratedRegex("(?<=[a-z0-9])[A-Z]")]
    private static partial Regex WordStart();
}
