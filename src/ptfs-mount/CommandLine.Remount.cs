using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.IO;
using System.Linq;
using PassthroughFs.Fuse;
using PassthroughFs.Shared;

namespace PassthroughFs.PtfsMount;

/// <summary>mount -o remount.</summary>
internal static partial class CommandLine
{
    private const string RemountWord = "remount";

    /// <summary>Understands the arguments of a remount; null if it is none.</summary>
    /// <exception cref="FuseMountException">The arguments make no sense.</exception>
    public static RemountOptions? ParseRemount(string[] args, bool asMountHelper)
    {
        RootCommand command = Options.CreateCommand();
        ParseResult result = command.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        string[] items = [.. (result.GetResult(Options.Generic)?.Tokens ?? [])
            .SelectMany(token => OptionList.Split(token.Value))];
        if (!items.Contains(RemountWord) || result.Action is HelpAction)
        {
            return null;
        }

        RefuseMisplacedValues(command, args);
        RefuseErrors(result, args, asMountHelper: true);
        Option[] allowed =
        [
            Options.Generic, Options.Sloppy, Options.NoMtab, Options.Fake, Options.Verbose, Options.LogLevel,
            Options.Control,
        ];
        if (result.CommandResult.Children.OfType<OptionResult>()
            .FirstOrDefault(child => !child.Implicit && !allowed.Contains(child.Option)) is { } other)
        {
            throw UsageError($"-o remount conflicts with {other.Option.Name}: its options are those of -o");
        }

        nuint flags = MountFlags.DefaultFor(asMountHelper);
        var words = new List<string>();
        foreach (string item in items.Where(item => item != RemountWord))
        {
            if (MountFlags.TryApply(item, ref flags) || MountFlags.IsForOthers(item))
            {
                continue;
            }

            if (MountFlags.Refusal(item) is { } reason && !result.GetValue(Options.Sloppy))
            {
                throw new FuseMountException($"-o {item} cannot be had: {reason}", FuseMountFault.Usage);
            }

            words.Add(item);
        }

        const string controlWord = "control=";
        string? named = words.LastOrDefault(word => word.StartsWith(controlWord, StringComparison.Ordinal));
        string? control = named?[controlWord.Length..] ?? result.GetValue(Options.Control);
        return new RemountOptions(
            result.GetValue(Options.MountPoint) ?? result.GetValue(Options.Source)!, flags, words,
            control is null ? null : Path.GetFullPath(control), result.GetValue(Options.Fake));
    }

    /// <summary>Compares what is given behind -o with what a program was called with.</summary>
    /// <param name="args">What it was called with.</param>
    /// <param name="words">The one, "cache=always" or "xattr".</param>
    /// <returns>The first word that says something else; null if there is none.</returns>
    public static string? FirstUnlike(string[] args, IEnumerable<string> words)
    {
        RootCommand command = Options.CreateCommand();
        var configuration = new ParserConfiguration { ResponseFileTokenReplacer = null };
        ParseResult result = command.Parse(args, configuration);
        nuint flags = 0;
        result = command.Parse([.. Expand(command, result, ref flags), .. args], configuration);
        return words.FirstOrDefault(word =>
        {
            string[] parts = word.Split('=', 2);
            if (FindOption(command, LongName(parts[0])) is not { } option ||
                result.GetResult(option) is not { Implicit: false } given)
            {
                return true;
            }

            bool takesValue = option.Arity.MaximumNumberOfValues > 0;
            return takesValue != (parts.Length == 2) || (takesValue &&
                (option == Options.Mount || option == Options.UidMap || option == Options.GidMap
                    ? given.Tokens.All(token => token.Value != parts[1])
                    : given.Tokens[^1].Value != parts[1]));
        });
    }

    // A word of -o as the option it stands for.
    private static string LongName(string word) => "--" + word.Replace('_', '-');
}

/// <summary>What a remount asked for.</summary>
/// <param name="MountPoint">Where.</param>
/// <param name="Flags">The kernel's mount flags, all of them.</param>
/// <param name="Words">The other options, which a remount cannot change.</param>
/// <param name="Control">The server's socket; null for the mount point's own.</param>
/// <param name="Fake">Check everything, change nothing.</param>
internal sealed record RemountOptions(
    string MountPoint, nuint Flags, IReadOnlyList<string> Words, string? Control, bool Fake);
