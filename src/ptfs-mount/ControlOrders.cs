using System;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Vfs;
using PassthroughFs.Fuse;

namespace PassthroughFs.PtfsMount;

/// <summary>
/// What can be ordered at run time, one line each: "add /PATH=SOURCE", "replace /PATH=SOURCE", "remove /PATH",
/// "remove --force /PATH", "list", "requests", "remount WORDS". The answer is "ok" with lines
/// behind it, or "error" and why, in one line.
/// </summary>
/// <param name="tree">The directories; null where there is but one, and so nothing to order.</param>
/// <param name="remountRefusal">Why the mount cannot have the options of a remount, or null.</param>
/// <param name="requests">Says what requests are under way.</param>
internal sealed class ControlOrders(ServedTree? tree, Func<string, string?> remountRefusal, Func<string> requests)
{
    public const string Remount = "remount ";
    public const string Requests = "requests";
    public const string Ok = "ok";
    public const string Error = "error ";
    public const string Force = "--force ";

    /// <summary>Carries one line out.</summary>
    public string Answer(string line)
    {
        try
        {
            return Ok + "\n" + Obey(line);
        }
#pragma warning disable CA1031 // The mount is served on, whatever it was.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Error + e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ') + "\n";
        }
    }

    private string Obey(string line)
    {
        if (line.StartsWith(Remount, StringComparison.Ordinal))
        {
            return remountRefusal(line[Remount.Length..]) is { } refusal ? throw new FuseMountException(refusal) : "";
        }

        if (line == Requests)
        {
            return requests();
        }

        if (tree is null)
        {
            throw new FuseMountException("one directory is served there: orders save requests need a mount with --mount");
        }

        string[] parts = line.Split(' ', 2);
        string rest = parts.Length == 2 ? parts[1] : "";
        switch (parts[0])
        {
            case "add" or "replace":
                NamedSource source = NamedSource.Parse(rest)
                    ?? throw new FuseMountException($"{parts[0]} needs /PATH=SOURCE");
                if (!source.Source.StartsWith('/'))
                {
                    throw new FuseMountException($"source {source.Source} is relative: give a path from / on");
                }

                tree.Add(source, replace: parts[0] == "replace");
                return "";
            case "remove" when rest.StartsWith(Force, StringComparison.Ordinal):
                tree.Remove(Path(rest[Force.Length..]), UnmountMode.Revoke);
                return "";
            case "remove":
                tree.Remove(Path(rest), UnmountMode.Detach);
                return "";
            case "list" when rest.Length == 0:
                return tree.List().Aggregate(new StringBuilder(), (text, source) => text.Append(source).Append('\n'))
                    .ToString();
            default:
                throw new FuseMountException($"\"{line}\" is no order: give add, replace, remove, list or requests");
        }
    }

    private static string Path(string text) => text.StartsWith('/')
        ? NamedSource.Normalize(text)
        : throw new FuseMountException("remove needs /PATH, as list shows it");
}
