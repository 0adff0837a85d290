using System.Globalization;
using PassthroughFs.Core.Protocol;

namespace PassthroughFs.Shared;

/// <summary>A request that is under way in words, for a line that goes to a log or a terminal.</summary>
internal static class RequestText
{
    /// <summary>Describes one.</summary>
    /// <param name="request">The request.</param>
    /// <param name="path">The path of its node on the host; null if it is not known.</param>
    public static string Describe(in RequestUnderWay request, string? path = null)
    {
        string name = request.Name is { } text ? $" name \"{Printable(text)}\"" : "";
        string host = path is null ? "" : $" path {Printable(path)}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{request.Age.TotalSeconds:F1} s {request.Opcode} unique {request.Id.Value} node {request.Node.Value}" +
            $"{name} pid {request.Pid} uid {request.Uid}{host}");
    }

    // A name is the client's.
    private static string Printable(string text) =>
        string.Create(text.Length, text, (to, from) =>
        {
            for (int i = 0; i < to.Length; i++)
            {
                to[i] = char.IsControl(from[i]) ? '?' : from[i];
            }
        });
}
