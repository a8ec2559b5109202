using System.Security;
using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>A drawing on white; lengths are in pixels, and texts stand on their baseline.</summary>
internal sealed class Svg
{
    public const string Grid = "#e4e4e4", Ink = "#222222", Faint = "#666666";

    private readonly StringBuilder _shapes = new();

    public void Text(double x, double y, string text, string anchor = "start", int size = 12, string colour = Ink, bool bold = false)
    {
        string weight = bold ? "bold" : "normal", font = $"""font-size="{size}" font-weight="{weight}" """;
        Add($"""<text x="{x:F1}" y="{y:F1}" text-anchor="{anchor}" {font}fill="{colour}">{SecurityElement.Escape(text)}</text>""");
    }

    public void Box(double x, double y, double width, double height, string colour)
        => Add($"""<rect x="{x:F1}" y="{y:F1}" width="{width:F1}" height="{height:F1}" fill="{colour}"/>""");

    public void Line(IEnumerable<(double X, double Y)> points, string colour, double width = 1, bool dashed = false)
    {
        string path = string.Join(' ', points.Select(point => $"{point.X:F1},{point.Y:F1}"));
        string dashes = dashed ? "5 4" : "none";
        Add($"""<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"/>""");
    }

    public string ToString(double width, double height) => FormattableString.Invariant($"""
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:F0} {height:F0}" width="{width:F0}" height="{height:F0}"
          font-family="Helvetica, Arial, sans-serif">
        <rect width="100%" height="100%" fill="white"/>
        {_shapes}</svg>

        """);

    /// <summary>One colour for the limits, one for this library, others for everyone else.</summary>
    public static string ColourOf(string by) => by switch
    {
        Contender.Limit => "#9a9a9a",
        Contender.PtxLoss => "#1f5fbf",
        _ => "#e39b4b",
    };

    private void Add(FormattableString element) => _shapes.Append(element.ToString()).Append('\n');
}
