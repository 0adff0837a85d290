using System;
using System.CommandLine;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;

namespace PassthroughFs.PtfsMount;

/// <summary>The options that stand for several others, and what contradicts them.</summary>
internal static class Presets
{
    // What the presets decide, by the option that would say otherwise.
    private static readonly (Option Option, Func<PassthroughConfig, object?> Of)[] s_decided =
    [
        (Options.Cache, config => config.CachePolicy),
        (Options.EntryTimeout, config => config.EntryTimeout),
        (Options.AttrTimeout, config => config.AttrTimeout),
        (Options.DirEntryTimeout, config => config.DirEntryTimeout ?? config.EntryTimeout),
        (Options.DirAttrTimeout, config => config.DirAttrTimeout ?? config.AttrTimeout),
        (Options.NegativeTimeout, config => config.NegativeTimeout),
        (Options.Writeback, config => config.Writeback),
        (Options.NoOpen, config => config.NoOpen),
        (Options.PosixLocks, config => config.PosixLocks),
        (Options.FlockLocks, config => config.FlockLocks),
        (Options.Passthrough, config => config.BackingFiles),
    ];

    /// <summary>The preset's option, if one was given.</summary>
    public static Option<bool>? Given(ParseResult result) =>
        result.GetValue(Options.Shared) ? Options.Shared : result.GetValue(Options.Exclusive) ? Options.Exclusive : null;

    /// <summary>What holds where no other option says anything.</summary>
    public static PassthroughConfig Defaults(ParseResult result, bool readOnly)
    {
        var config = new PassthroughConfig();
        Option<bool>? preset = Given(result);
        if (preset == Options.Shared)
        {
            config.UseSharedDirectory();
        }
        else if (preset == Options.Exclusive)
        {
            // What it does not decide: nothing is collected where nothing is written, and OPEN may be done without.
            config.UseExclusiveDirectory().Writeback = !readOnly || result.GetValue(Options.Writeback);
            config.NoOpen = result.GetValue(Options.NoOpen);
        }

        return config;
    }

    /// <summary>Refuses what the preset would not be without.</summary>
    /// <exception cref="FuseMountException">There is such an option.</exception>
    public static void Check(ParseResult result, PassthroughConfig config)
    {
        if (result.GetValue(Options.Shared) && result.GetValue(Options.Exclusive))
        {
            throw new FuseMountException(
                "--shared conflicts with --exclusive: either others change SOURCE or nobody does", FuseMountFault.Usage);
        }

        if (Given(result) is not { } preset)
        {
            return;
        }

        PassthroughConfig decided = Defaults(result, config.ReadOnly);
        foreach ((Option option, Func<PassthroughConfig, object?> of) in s_decided)
        {
            if (!Equals(of(config), of(decided)))
            {
                throw Conflict(preset, option);
            }
        }

        if (preset == Options.Shared && result.GetValue(Options.IoUring))
        {
            throw new FuseMountException(
                "--shared conflicts with --io-uring: it implies --posix-locks and --flock-locks, and who waits for a " +
                "lock would keep a place in the ring", FuseMountFault.Usage);
        }
    }

    /// <summary>What a fault of the configuration says besides, where the user has not given every option.</summary>
    public static string Explain(ParseResult result) => Given(result) is not { } preset ? ""
        : $" ({preset.Name} implies {(preset == Options.Shared
            ? "--passthrough, --posix-locks, --flock-locks, --cache never" : "--cache always, --writeback")})";

    private static FuseMountException Conflict(Option preset, Option option) => new(
        $"{preset.Name} conflicts with {option.Name} as it was given: " + (preset == Options.Shared
            ? "others change SOURCE, and nothing may be cached" : "nobody else changes SOURCE, and everything is cached") +
        $". Give {preset.Name} alone, or the single options that you want", FuseMountFault.Usage);
}
