using System;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>Something that must not be: the rule that was broken, and how.</summary>
internal sealed class FindingException(string rule, string text) : Exception($"{rule}: {text}")
{
    /// <summary>What the finding is told from others by, and what must stay the same while it is made smaller.</summary>
    public string Rule { get; } = rule;
}
