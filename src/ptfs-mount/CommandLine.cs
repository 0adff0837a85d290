using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;
using PassthroughFs.PtfsMount.Upgrade;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>From arguments to <see cref="MountOptions"/>.</summary>
internal static partial class CommandLine
{
    // Some 150 MB once so many files were seen and forgotten.
    private const int RetainedForExport = 1_000_000;

    private const string UsageHint = "see ptfs-mount --help";

    /// <summary>Understands the arguments, or prints what was asked for.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="asMountHelper">Whether mount(8) started us, which waits until we exit.</param>
    /// <returns>Null if --help or --version was all that was wanted.</returns>
    /// <exception cref="FuseMountException">The arguments make no sense.</exception>
    public static MountOptions? Parse(string[] args, bool asMountHelper)
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

        RefuseMisplacedValues(command, args);
        nuint flags = MountFlags.DefaultFor(asMountHelper);
        List<string> expanded = Expand(command, result, ref flags);
        if (expanded.Count > 0)
        {
            RefuseMisplacedValues(command, expanded);
            result = command.Parse([.. expanded, .. args], configuration);
        }

        RefuseErrors(result, args, asMountHelper);

        // The kernel's flag, which a remount takes back, is not the server's promise.
        bool readOnly = result.GetValue(Options.ReadOnly);
        if (result.GetValue(Options.Foreground) && result.GetValue(Options.Background))
        {
            throw UsageError("--foreground conflicts with --background");
        }

        NamedSource[] mounts = Mounts(result);
        if (result.GetValue(Options.ExportState) is not null)
        {
            if (!result.GetValue(Options.Export))
            {
                throw UsageError("--export-state needs --export");
            }

            if (mounts.Length > 0)
            {
                throw UsageError("--export-state conflicts with --mount: what it says is of one SOURCE");
            }
        }

        var options = new MountOptions
        {
            Source = mounts.Length == 0 ? result.GetValue(Options.Source)! : string.Join<NamedSource>(',', mounts),
            MountPoint = result.GetValue(Options.MountPoint) ?? result.GetValue(Options.Source)!,
            Mounts = mounts,
            Control = result.GetValue(Options.Control) is { } control ? Path.GetFullPath(control) : null,
            UserMaps = IdMaps.Parse(Options.UidMap.Name, result.GetValue(Options.UidMap) ?? []),
            GroupMaps = IdMaps.Parse(Options.GidMap.Name, result.GetValue(Options.GidMap) ?? []),
            UnmappedIds = result.GetValue(Options.UnmappedIds) ?? default,
            XattrMap = result.GetValue(Options.XattrMap),
            Config = CreateConfig(result, readOnly),
            Flags = readOnly ? flags | MountFlags.ReadOnly : flags,
            AllowOther = result.GetValue(Options.AllowOther),
            DefaultPermissions = result.GetValue(Options.DefaultPermissions),
            AutoUnmount = result.GetValue(Options.AutoUnmount),
            FsName = result.GetValue(Options.FsName),
            ExportState = result.GetValue(Options.ExportState),
            Threads = result.GetValue(Options.Threads) ?? Math.Max(2, Environment.ProcessorCount),
            StandbyThreads = result.GetValue(Options.StandbyThreads) ?? Options.DefaultStandbyThreads,
            HangWarning = result.GetValue(Options.HangWarning) ?? Options.DefaultHangWarning,
            EndTimeout = result.GetValue(Options.EndTimeout) ?? Options.DefaultEndTimeout,
            IoUring = result.GetValue(Options.IoUring),
            MaxWrite = result.GetValue(Options.MaxWrite) ?? Options.MaxWriteLimit,
            LogLevel = result.GetValue(Options.LogLevel)
                ?? (result.GetValue(Options.Verbose) ? LogLevel.Information : LogLevel.Warning),
            Background = result.GetValue(Options.Background)
                || (asMountHelper && !result.GetValue(Options.Foreground)),
            Fake = result.GetValue(Options.Fake),
        };
        RefuseWithoutMounts(options);
        if (options.XattrMap is not null && !options.Config.Xattr)
        {
            throw UsageError("--xattrmap needs --xattr");
        }

        if (options.IoUring && (options.Config.PosixLocks || options.Config.FlockLocks))
        {
            throw UsageError(
                "--io-uring conflicts with --posix-locks and --flock-locks: who waits for a lock would keep a place in " +
                "the ring");
        }

        return options;
    }

    /// <summary>Understands the arguments of an upgrade; null if it is none.</summary>
    /// <exception cref="FuseMountException">The arguments make no sense.</exception>
    public static UpgradeOptions? ParseUpgrade(string[] args)
    {
        RootCommand command = Options.CreateCommand();
        ParseResult result = command.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (!result.GetValue(Options.Upgrade) || result.Action is HelpAction)
        {
            return null;
        }

        Option[] allowed =
        [
            Options.Upgrade, Options.Background, Options.Foreground, Options.Control, Options.LogLevel, Options.Verbose,
        ];
        RefuseMisplacedValues(command, args);
        RefuseErrors(result, args, asMountHelper: false);
        if (result.CommandResult.Children.OfType<OptionResult>()
            .FirstOrDefault(child => !child.Implicit && !allowed.Contains(child.Option)) is { } other)
        {
            throw UsageError($"--upgrade conflicts with {other.Option.Name}: everything stays as the running program was " +
                "told");
        }

        return new UpgradeOptions(
            result.GetValue(Options.Source)!,
            result.GetValue(Options.Control) is { } control ? Path.GetFullPath(control) : null,
            result.GetValue(Options.Background),
            result.GetValue(Options.LogLevel) ?? (result.GetValue(Options.Verbose) ? LogLevel.Information : null));
    }

    private static NamedSource[] Mounts(ParseResult result) =>
    [
        .. (result.GetValue(Options.Mount) ?? []).Select(text => NamedSource.Parse(text)
            ?? throw UsageError($"--mount {text} is no directory to serve, which is /PATH=SOURCE")),
    ];

    private static void RefuseWithoutMounts(MountOptions options)
    {
        if (options.Mounts.Count == 0 && (options.UserMaps.HasPaths || options.GroupMaps.HasPaths))
        {
            throw UsageError("an id map for one /PATH needs --mount");
        }
    }

    private static PassthroughConfig CreateConfig(ParseResult result, bool readOnly)
    {
        PassthroughConfig defaults = Presets.Defaults(result, readOnly);
        bool export = result.GetValue(Options.Export);
        var config = new PassthroughConfig
        {
            EntryTimeout = result.GetValue(Options.EntryTimeout) ?? defaults.EntryTimeout,
            AttrTimeout = result.GetValue(Options.AttrTimeout) ?? defaults.AttrTimeout,
            DirEntryTimeout = result.GetValue(Options.DirEntryTimeout),
            DirAttrTimeout = result.GetValue(Options.DirAttrTimeout),
            NegativeTimeout = result.GetValue(Options.NegativeTimeout) ?? defaults.NegativeTimeout,
            CachePolicy = result.GetValue(Options.Cache) ?? defaults.CachePolicy,
            Writeback = result.GetValue(Options.Writeback) || defaults.Writeback,
            Xattr = result.GetValue(Options.Xattr),
            PosixAcl = result.GetValue(Options.PosixAcl),
            NoOpen = result.GetValue(Options.NoOpen),
            NoOpenFiles = result.GetValue(Options.NoOpenFiles) ?? defaults.NoOpenFiles,
            NoOpendir = result.GetValue(Options.NoOpendir),
            KillprivV2 = result.GetValue(Options.KillprivV2),
            InodeFileHandles = result.GetValue(Options.InodeFileHandles) ?? InodeFileHandles.Adaptive,
            FdBudget = result.GetValue(Options.FdBudget),
            MaxNodes = result.GetValue(Options.MaxNodes),
            NoReaddir = result.GetValue(Options.NoReaddir),
            Readdirplus = !result.GetValue(Options.NoReaddirplus),
            SealSize = result.GetValue(Options.SealSize),
            PosixLocks = result.GetValue(Options.PosixLocks) || defaults.PosixLocks,
            FlockLocks = result.GetValue(Options.FlockLocks) || defaults.FlockLocks,
            EnableMntid = result.GetValue(Options.EnableMntid),
            UseHostIno = result.GetValue(Options.UseHostIno),
            AllowDirectIo = !result.GetValue(Options.NoDirectIo),
            BackingFiles = result.GetValue(Options.Passthrough) || defaults.BackingFiles,
            DirectMappings = defaults.DirectMappings && !result.GetValue(Options.NoDirectMappings),
            ReadOnly = readOnly,
            // Somebody has to check what other users may do: the kernel, or else the host as each of them.
            CheckPermissions = result.GetValue(Options.AllowOther) && !result.GetValue(Options.DefaultPermissions),
            // Such a client names the caller only where something is made, and a map of ids needs the caller everywhere.
            IdMappedMounts = result.GetValue(Options.DefaultPermissions) &&
                (result.GetValue(Options.UidMap) ?? []).Length + (result.GetValue(Options.GidMap) ?? []).Length == 0,
            AnnounceSubmounts = result.GetValue(Options.AnnounceSubmounts),
            ExportSupport = export,
            RetainedMappings = result.GetValue(Options.RetainedMappings)
                ?? (export ? RetainedForExport : defaults.RetainedMappings),
            ClearUmask = true, // this program does nothing but serve
        };
        Presets.Check(result, config);
        IReadOnlyList<string> faults = PassthroughConfigValidator.Validate(config);
        return faults.Count == 0
            ? config
            : throw new FuseMountException(
                AsOptionNames(faults[0]).TrimEnd('.') + Presets.Explain(result), FuseMountFault.Usage);
    }

    /// <summary>
    /// The library's sentences name properties, "PosixAcl"; the user knows options, "--posix-acl".
    /// </summary>
    public static string AsOptionNames(string sentence)
    {
        RootCommand command = Options.CreateCommand();
        return PropertyName().Replace(sentence, match =>
        {
            string name = match.Value switch
            {
                nameof(PassthroughConfig.BackingFiles) => Options.Passthrough.Name,
                nameof(PassthroughConfig.ExportSupport) => Options.Export.Name,
                _ => "--" + WordStart().Replace(match.Value, "-$0").ToLowerInvariant(),
            };
            return FindOption(command, name) is null ? match.Value : name;
        });
    }

    // What -o says in the words of the long options; the generic words go into the flags.
    private static List<string> Expand(Command command, ParseResult result, ref nuint flags)
    {
        var expanded = new List<string>();
        foreach (Token list in result.GetResult(Options.Generic)?.Tokens ?? [])
        {
            foreach (string item in OptionList.Split(list.Value))
            {
                if (MountFlags.TryApply(item, ref flags) || MountFlags.IsForOthers(item))
                {
                    continue;
                }

                string[] parts = item.Split('=', 2);
                string name = LongName(parts[0]);
                if (FindOption(command, name) is { } option and not (HelpOption or VersionOption))
                {
                    // The parser would take the next argument for its value.
                    expanded.Add(parts.Length == 2 ? $"{name}={parts[1]}"
                        : option.Arity.MinimumNumberOfValues == 0 ? name
                        : throw UsageError($"-o {parts[0]} needs a value, -o {parts[0]}=VALUE"));
                }
                else if (!result.GetValue(Options.Sloppy))
                {
                    throw MountFlags.Refusal(item) is { } reason
                        ? new FuseMountException($"-o {item} cannot be had: {reason}", FuseMountFault.Usage)
                        : UsageError($"unknown mount option {parts[0]}");
                }
            }
        }

        return expanded;
    }

    private static Option? FindOption(Command command, string name) =>
        command.Options.FirstOrDefault(option => option.Name == name);

    // "--xattr=no", "--fsname=": the parser would take the value, or the next argument, for something else.
    private static void RefuseMisplacedValues(Command command, IEnumerable<string> args)
    {
        Option? waiting = null;
        foreach (string argument in args.TakeWhile(argument => argument != "--"))
        {
            string[] parts = argument.Split('=', 2);
            Option? option = FindOption(command, parts[0]);
            if (waiting is not null && option is not null)
            {
                throw UsageError($"{waiting.Name} needs a value, and {parts[0]} is an option");
            }

            waiting = parts.Length == 1 && option?.Arity.MinimumNumberOfValues > 0 ? option : null;
            if (parts.Length == 2 && option is not null)
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
    }

    private static void RefuseErrors(ParseResult result, string[] args, bool asMountHelper)
    {
        string?[] positional = [result.GetValue(Options.Source), result.GetValue(Options.MountPoint)];

        // The parser takes an option that it does not know for a path.
        IEnumerable<string> candidates = positional.OfType<string>().Concat(result.UnmatchedTokens);
        if (!args.Contains("--") && candidates.FirstOrDefault(text => text.StartsWith('-')) is { } option)
        {
            throw UsageError($"unknown option {option}");
        }

        if (result.UnmatchedTokens.Count > 0)
        {
            throw UsageError($"unexpected argument {result.UnmatchedTokens[0]}");
        }

        if (result.Errors.Count > 0)
        {
            string message = result.Errors[0].Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
            throw message.Contains(Options.Advice, StringComparison.Ordinal)
                ? new FuseMountException(message, FuseMountFault.Usage)
                : UsageError(message);
        }

        if (result.GetValue(Options.Upgrade))
        {
            if (string.IsNullOrEmpty(positional[0]) || positional[1] is not null)
            {
                throw UsageError("with --upgrade, MOUNTPOINT alone is needed");
            }
        }
        else if (result.GetResult(Options.Mount) is not null)
        {
            // mount(8) always names a source; what it says is not used then.
            if (string.IsNullOrEmpty(positional[0]) || (positional[1] is not null && !asMountHelper))
            {
                throw UsageError("with --mount, MOUNTPOINT alone is needed");
            }
        }
        else if (positional.Any(string.IsNullOrEmpty))
        {
            throw UsageError("SOURCE and MOUNTPOINT are needed");
        }
    }

    private static FuseMountException UsageError(string message) => new($"{message}: {UsageHint}", FuseMountFault.Usage);

    [GeneratedRegex(@"\b[A-Z][A-Za-z0-9]+\b")]
    private static partial Regex PropertyName();

    [GeneratedRegex("(?<=[a-z0-9])[A-Z]")]
    private static partial Regex WordStart();
}
