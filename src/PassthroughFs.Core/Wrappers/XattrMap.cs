using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.Vfs;

/// <summary>What a rule of an <see cref="XattrMap"/> does with names that it is for.</summary>
public enum XattrRuleKind
{
    /// <summary>The host's name is the client's with something in front.</summary>
    Prefix,

    /// <summary>The name is the same on both sides.</summary>
    Ok,

    /// <summary>The client gets EPERM, and does not see the name in lists.</summary>
    Bad,

    /// <summary>The client gets EOPNOTSUPP, and does not see the name in lists.</summary>
    Unsupported,
}

/// <summary>In which direction a rule counts.</summary>
[Flags]
public enum XattrScope
{
    /// <summary>For names that the client asks for.</summary>
    Client = 1,

    /// <summary>For names that the host lists.</summary>
    Server = 2,

    /// <summary>In both directions.</summary>
    All = Client | Server,
}

/// <summary>One rule of an <see cref="XattrMap"/>.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Scope">In which direction.</param>
/// <param name="Key">It is for names of the client that begin so; empty for all.</param>
/// <param name="Prepend">
/// It is for names of the host that begin so; empty for all. With <see cref="XattrRuleKind.Prefix"/>: what the host's names
/// have in front of the client's.
/// </param>
public readonly record struct XattrRule(XattrRuleKind Kind, XattrScope Scope, string Key, string Prepend);

/// <summary>
/// Which names of extended attributes of the host those of a client stand for. Immutable. The first rule that is for a
/// name counts.
/// </summary>
/// <remarks>
/// So that a guest can have <c>trusted.</c> and <c>security.</c> attributes of its own, under names that mean nothing to
/// the host and need no privilege there.
/// </remarks>
public sealed class XattrMap
{
    private readonly Rule[] _rules;

    /// <summary>A map of these rules.</summary>
    /// <exception cref="ArgumentException">Some name would have no rule, or a rule is none.</exception>
    public XattrMap(IEnumerable<XattrRule> rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        Rules = [.. rules];
        if (Check(Rules) is { } fault)
        {
            throw new ArgumentException(fault + ".", nameof(rules));
        }

        _rules = [.. Rules.Select(rule => new Rule(rule))];
    }

    /// <summary>The rules, in their order.</summary>
    public IReadOnlyList<XattrRule> Rules { get; }

    /// <summary>
    /// Understands the notation that virtiofsd's users know: <c>:TYPE:SCOPE:KEY:PREPEND:</c>, any number of these with
    /// white space between them or not; the first character of each is its separator. TYPE is prefix, ok, bad or
    /// unsupported, SCOPE is client, server or all. <c>:map:KEY:PREPEND:</c>, as the last one, gives the client's names
    /// that begin with KEY a PREPEND in front, keeps it from such names of the host, and lets the rest pass; with an
    /// empty KEY nothing is left to pass.
    /// </summary>
    /// <param name="text">The text, as ":map::user.guest.:".</param>
    /// <param name="map">The map, or null.</param>
    /// <param name="fault">What is wrong with the text, for the user; or null.</param>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out XattrMap? map, [NotNullWhen(false)] out string? fault)
    {
        ArgumentNullException.ThrowIfNull(text);
        map = null;
        var rules = new List<XattrRule>();
        string rest = text.Trim();
        while (rest.Length > 0)
        {
            string[] fields = rest.Split(rest[0]);
            bool isMap = fields.Length > 1 && fields[1] == "map";
            int count = isMap ? 5 : 6; // with the empty ones at both ends
            if (fields.Length < count || !TryAdd(fields, isMap, rules))
            {
                fault = $"\"{rest}\" begins with no rule: write :TYPE:SCOPE:KEY:PREPEND: with prefix, ok, bad or "
                    + "unsupported and client, server or all, or :map:KEY:PREPEND:";
                return false;
            }

            rest = string.Join(rest[0], fields[(count - 1)..]).TrimStart();
            if (isMap && rest.Length > 0)
            {
                fault = $"\"{rest}\" comes after a map rule, which leaves nothing: put it before";
                return false;
            }
        }

        fault = Check(rules);
        if (fault is not null)
        {
            return false;
        }

        map = new XattrMap(rules);
        return true;
    }

    /// <summary>The rules in the notation of <see cref="TryParse"/>.</summary>
    public override string ToString()
    {
        // A character that is in no rule; of control characters, at the latest, there is always one.
        string all = string.Concat(Rules.Select(rule => rule.Key + rule.Prepend));
        char separator = ":/|;,%!#".Concat(Enumerable.Range(1, char.MaxValue).Select(c => (char)c))
            .First(c => !all.Contains(c) && !char.IsWhiteSpace(c) && !char.IsAsciiLetter(c));
        return string.Concat(Rules.Select(rule => string.Join(
            separator, "", rule.Kind.ToString().ToLowerInvariant(), rule.Scope.ToString().ToLowerInvariant(), rule.Key,
            rule.Prepend, "")));
    }

    /// <summary>Whether a name is the same on both sides.</summary>
    internal bool LeavesAlone(ReadOnlySpan<byte> name)
    {
        Span<byte> buffer = stackalloc byte[Linux.NAME_MAX];
        return ToHost(name, buffer, out int length) == Errno.OK && buffer[..length].SequenceEqual(name)
            && TryToClient(name, out ReadOnlySpan<byte> client) && client.SequenceEqual(name);
    }

    /// <summary>The host's name for one of the client's.</summary>
    /// <returns>EPERM, EOPNOTSUPP, or ERANGE if it is longer than the buffer.</returns>
    internal Errno ToHost(ReadOnlySpan<byte> name, Span<byte> host, out int length)
    {
        length = 0;
        foreach (Rule rule in _rules)
        {
            if ((rule.Scope & XattrScope.Client) == 0 || !name.StartsWith(rule.Key))
            {
                continue;
            }

            if (rule.Kind is XattrRuleKind.Bad or XattrRuleKind.Unsupported)
            {
                return rule.Kind == XattrRuleKind.Bad ? Errno.EPERM : Errno.EOPNOTSUPP;
            }

            ReadOnlySpan<byte> front = rule.Kind == XattrRuleKind.Prefix ? rule.Prepend : default;
            length = front.Length + name.Length;
            if (length > host.Length)
            {
                return Errno.ERANGE;
            }

            front.CopyTo(host);
            name.CopyTo(host[front.Length..]);
            return Errno.OK;
        }

        return Errno.EOPNOTSUPP;
    }

    /// <summary>The client's name for one of the host's; a part of it. False if the client shall not see it.</summary>
    internal bool TryToClient(ReadOnlySpan<byte> host, out ReadOnlySpan<byte> name)
    {
        name = default;
        foreach (Rule rule in _rules)
        {
            if ((rule.Scope & XattrScope.Server) == 0 || !host.StartsWith(rule.Prepend))
            {
                continue;
            }

            if (rule.Kind == XattrRuleKind.Prefix)
            {
                // What has only the front of it is nobody's that this rule was for.
                name = host[rule.Prepend.Length..];
                if (name.IsEmpty || !name.StartsWith(rule.Key))
                {
                    continue;
                }

                return true;
            }

            name = host;
            return rule.Kind == XattrRuleKind.Ok;
        }

        return false;
    }

    private static bool TryAdd(string[] fields, bool isMap, List<XattrRule> rules)
    {
        if (isMap)
        {
            (string key, string prepend) = (fields[2], fields[3]);
            rules.Add(new XattrRule(XattrRuleKind.Prefix, XattrScope.All, key, prepend));
            if (key.Length > 0)
            {
                // The host's own such names are not the client's, nor are those under which its own are kept.
                rules.Add(new XattrRule(XattrRuleKind.Bad, XattrScope.Server, "", key));
                rules.Add(new XattrRule(XattrRuleKind.Bad, XattrScope.Client, prepend, ""));
                rules.Add(new XattrRule(XattrRuleKind.Ok, XattrScope.All, "", ""));
            }
            else
            {
                rules.Add(new XattrRule(XattrRuleKind.Bad, XattrScope.All, "", ""));
            }

            return prepend.Length > 0;
        }

        if (!TryName(fields[1], out XattrRuleKind kind) || !TryName(fields[2], out XattrScope scope))
        {
            return false;
        }

        rules.Add(new XattrRule(kind, scope, fields[3], fields[4]));
        return true;
    }

    private static bool TryName<T>(string text, out T value)
        where T : struct, Enum =>
        Enum.TryParse(text, ignoreCase: true, out value) && text.All(char.IsAsciiLetter);

    private static string? Check(IReadOnlyList<XattrRule> rules)
    {
        foreach (XattrRule rule in rules)
        {
            if (!Enum.IsDefined(rule.Kind) || (rule.Scope & XattrScope.All) == 0 || (rule.Scope & ~XattrScope.All) != 0
                || rule.Key is null || rule.Prepend is null)
            {
                return $"{rule} is no rule";
            }

            if (Encoding.UTF8.GetByteCount(rule.Key) > Linux.NAME_MAX
                || Encoding.UTF8.GetByteCount(rule.Prepend) > Linux.NAME_MAX)
            {
                return $"{rule} has more than {Linux.NAME_MAX} bytes, which no name has";
            }
        }

        bool client = rules.Any(rule => (rule.Scope & XattrScope.Client) != 0 && rule.Key.Length == 0);
        bool server = rules.Any(rule => (rule.Scope & XattrScope.Server) != 0 && rule.Prepend.Length == 0);
        return client && server
            ? null
            : "the rules say nothing of some names: end with one for all, as :ok:all::: or :bad:all:::";
    }

    private sealed class Rule(XattrRule rule)
    {
        private readonly byte[] _key = Encoding.UTF8.GetBytes(rule.Key);
        private readonly byte[] _prepend = Encoding.UTF8.GetBytes(rule.Prepend);

        public XattrRuleKind Kind { get; } = rule.Kind;

        public XattrScope Scope { get; } = rule.Scope;

        public ReadOnlySpan<byte> Key => _key;

        public ReadOnlySpan<byte> Prepend => _prepend;
    }
}
