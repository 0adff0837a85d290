using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace PassthroughFs.Core.Benchmarks;

/// <summary>Plain SVG charts: bars in groups, and curves over logarithmic sizes.</summary>
internal static class Chart
{
    private const int Width = 860;
    private const int Left = 250;
    private const int Right = 60;

    private static readonly string[] s_colors = ["#2f6db5", "#d9822b", "#4a9a5c", "#9a4a8a", "#777777", "#b53f3f"];

    /// <summary>A group of bars for each row, one for each name; a line marks 1.</summary>
    public static string Bars(
        string title, IReadOnlyList<string> names, IReadOnlyList<(string Label, double[] Values)> rows)
    {
        const int Bar = 11;
        int group = (names.Count * Bar) + 8;
        int top = 40 + (names.Count * 18);
        double most = Math.Max(1.05, rows.SelectMany(row => row.Values).DefaultIfEmpty(1).Max());
        double X(double value) => Left + (value / most * (Width - Left - Right));
        var svg = Begin(title, top + (rows.Count * group) + 20);
        Legend(svg, names);
        for (int i = 0; i < rows.Count; i++)
        {
            int y = top + (i * group);
            Text(svg, Left - 8, y + (names.Count * Bar / 2) + 4, rows[i].Label, "end");
            for (int j = 0; j < names.Count; j++)
            {
                double value = rows[i].Values[j];
                svg.Append(CultureInfo.InvariantCulture, $"  <rect x=\"{Left}\" y=\"{y + (j * Bar)}\" ");
                svg.Append(CultureInfo.InvariantCulture, $"width=\"{X(value) - Left:F1}\" height=\"{Bar - 1}\" ");
                svg.Append(CultureInfo.InvariantCulture, $"fill=\"{Color(j)}\"/>\n");
                Text(svg, X(value) + 4, y + (j * Bar) + 9, value.ToString("F2", CultureInfo.InvariantCulture), "start");
            }
        }

        Line(svg, X(1), top - 4, X(1), top + (rows.Count * group), "#000000");
        return End(svg);
    }

    /// <summary>Curves of nanoseconds over sizes, both logarithmic.</summary>
    public static string Curves(
        string title, IReadOnlyList<(string Name, List<(double Size, double Cost)> Points)> curves)
    {
        const int Height = 320;
        int top = 40 + (curves.Count * 18);
        var points = curves.SelectMany(curve => curve.Points).ToList();
        double least = Math.Pow(10, Math.Floor(Math.Log10(points.Min(point => point.Cost))));
        double most = Math.Pow(10, Math.Ceiling(Math.Log10(points.Max(point => point.Cost))));
        double smallest = points.Min(point => point.Size);
        double largest = points.Max(point => point.Size);
        double X(double size) => 90 + (Math.Log(size / smallest) / Math.Log(largest / smallest) * (Width - 150));
        double Y(double cost) => top + Height - (Math.Log(cost / least) / Math.Log(most / least) * Height);
        var svg = Begin(title, top + Height + 40);
        Legend(svg, [.. curves.Select(curve => curve.Name)]);
        for (double cost = least; cost <= most * 1.01; cost *= 10)
        {
            Line(svg, 90, Y(cost), Width - 60, Y(cost), "#dddddd");
            Text(svg, 84, Y(cost) + 4, $"{cost.ToString("N0", CultureInfo.InvariantCulture)} ns", "end");
        }

        foreach (double size in points.Select(point => point.Size).Distinct())
        {
            Text(svg, X(size), top + Height + 18, size.ToString("N0", CultureInfo.InvariantCulture), "middle");
        }

        for (int i = 0; i < curves.Count; i++)
        {
            string path = string.Join(' ', curves[i].Points.Select(point =>
                string.Create(CultureInfo.InvariantCulture, $"{X(point.Size):F1},{Y(point.Cost):F1}")));
            svg.Append(CultureInfo.InvariantCulture, $"  <polyline points=\"{path}\" fill=\"none\" ");
            svg.Append(CultureInfo.InvariantCulture, $"stroke=\"{Color(i)}\" stroke-width=\"2\"/>\n");
        }

        return End(svg);
    }

    private static string Color(int number) => s_colors[number % s_colors.Length];

    private static StringBuilder Begin(string title, int height)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" ");
        svg.Append(CultureInfo.InvariantCulture, $"height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"  <rect width=\"{Width}\" height=\"{height}\" fill=\"#ffffff\"/>\n");
        Text(svg, 10, 20, title, "start");
        return svg;
    }

    private static string End(StringBuilder svg) => svg.Append("</svg>\n").ToString();

    private static void Legend(StringBuilder svg, IReadOnlyList<string> names)
    {
        for (int i = 0; i < names.Count; i++)
        {
            int y = 30 + (i * 18);
            svg.Append(CultureInfo.InvariantCulture, $"  <rect x=\"10\" y=\"{y}\" width=\"10\" height=\"10\" ");
            svg.Append(CultureInfo.InvariantCulture, $"fill=\"{Color(i)}\"/>\n");
            Text(svg, 26, y + 9, names[i], "start");
        }
    }

    private static void Line(StringBuilder svg, double x1, double y1, double x2, double y2, string color)
    {
        svg.Append(CultureInfo.InvariantCulture, $"  <line x1=\"{x1:F1}\" y1=\"{y1:F1}\" x2=\"{x2:F1}\" ");
        svg.Append(CultureInfo.InvariantCulture, $"y2=\"{y2:F1}\" stroke=\"{color}\"/>\n");
    }

    private static void Text(StringBuilder svg, double x, double y, string text, string anchor)
    {
        string escaped = System.Security.SecurityElement.Escape(text);
        svg.Append(CultureInfo.InvariantCulture, $"  <text x=\"{x:F1}\" y=\"{y:F1}\" text-anchor=\"{anchor}\">");
        svg.Append(CultureInfo.InvariantCulture, $"{escaped}</text>\n");
    }
}
