using System.Runtime.CompilerServices;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>A text that is only made when a check has failed: there are dozens of checks a reply.</summary>
[InterpolatedStringHandler]
internal ref struct FailureText
{
    private DefaultInterpolatedStringHandler _text;

    public FailureText(int literalLength, int formattedCount, bool isSo, out bool isWanted)
    {
        isWanted = !isSo;
        _text = isSo ? default : new DefaultInterpolatedStringHandler(literalLength, formattedCount);
    }

    public static implicit operator FailureText(string text)
    {
        var result = new FailureText(text.Length, 0, false, out _);
        result.AppendLiteral(text);
        return result;
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public void AppendFormatted<T>(T value, string format) => _text.AppendFormatted(value, format);

    public override string ToString() => _text.ToStringAndClear();
}
