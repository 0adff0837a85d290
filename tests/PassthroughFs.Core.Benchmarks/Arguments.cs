using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace PassthroughFs.Core.Benchmarks;

/// <summary>A wrong use of the program; the message says what to do.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The options of a mode. One that nobody knows is an error.</summary>
internal sealed class Arguments
{
    private readonly List<(string Name, string? Value)> _options = [];

    /// <param name="arguments">What stood behind the mode.</param>
    /// <param name="switches">Options without a value.</param>
    /// <param name="values">Options with one.</param>
    public Arguments(ReadOnlySpan<string> arguments, string[] switches, string[] values)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            string name = arguments[i];
            if (switches.Contains(name))
            {
                _options.Add((name, null));
            }
            else if (!values.Contains(name))
            {
                throw new UsageException(
                    $"{name}: no such option here. There are {string.Join(", ", switches.Concat(values))}.");
            }
            else if (++i == arguments.Length)
            {
                throw new UsageException($"{name}: a value must follow.");
            }
            else
            {
                _options.Add((name, arguments[i]));
            }
        }
    }

    public bool Has(string name) => _options.Exists(option => option.Name == name);

    public string? Value(string name) => _options.LastOrDefault(option => option.Name == name).Value;

    /// <summary>Every value of an option that may come again; the defaults if it is not there.</summary>
    public IReadOnlyList<string> All(string name, params string[] defaults) => Has(name)
        ? [.. _options.Where(option => option.Name == name).Select(option => option.Value!)]
        : defaults;

    public int Number(string name, int otherwise, int least = 1)
    {
        if (Value(name) is not string text)
        {
            return otherwise;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least
            ? number
            : throw new UsageException($"{name} {text}: give a number from {least} on.");
    }
}
