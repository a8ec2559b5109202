using System.Net;
using System.Text;

namespace PtxLosses.Samples;

/// <summary>
/// The few shapes that charts need, on a white ground so that they read the same in a dark page. Lengths are in pixels; texts
/// stand on their baseline.
/// </summary>
internal sealed class Svg
{
    private readonly StringBuilder _svg = new();

    public Svg(double width, double height)
    {
        Append($"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">""");
        Append("""
            <style>
            text { font-family: -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Arial, sans-serif }
            text { font-size: 13px; fill: #24292f }
            .title { font-size: 19px; font-weight: 600 }
            .heading { font-size: 14px; font-weight: 600 }
            .note, .tick { fill: #57606a }
            .tick { font-size: 12px }
            .value { font-weight: 600; font-size: 12px }
            .end { text-anchor: end }
            .middle { text-anchor: middle }
            .grid { stroke: #e4e7eb }
            .axis { stroke: #57606a }
            .before { stroke: #6e7781; stroke-width: 1.5; stroke-dasharray: 5 4 }
            </style>
            """);
        Append($"""<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>""");
    }

    public void Text(double x, double y, string text, string style, string? color = null)
    {
        string fill = color is null ? "" : $" style=\"fill: {color}\"";
        Append($"""<text x="{x:0.#}" y="{y:0.#}" class="{style}"{fill}>{WebUtility.HtmlEncode(text)}</text>""");
    }

    public void Line(double x1, double y1, double x2, double y2, string attributes) =>
        Append($"""<line x1="{x1:0.#}" y1="{y1:0.#}" x2="{x2:0.#}" y2="{y2:0.#}" {attributes}/>""");

    public void Polyline(IEnumerable<(double X, double Y)> points, string color, bool dashed = false) => Append(
        $"""<polyline points="{Coordinates(points)}" fill="none" {Stroke(color, 2.5, dashed)}/>""");

    public void Polygon(IEnumerable<(double X, double Y)> points, string color) =>
        Append($"""<polygon points="{Coordinates(points)}" fill="{color}" fill-opacity="0.15"/>""");

    public void Box(double x, double y, double width, double height, string color) =>
        Append($"""<rect x="{x:0.#}" y="{y:0.#}" width="{width:0.#}" height="{height:0.#}" fill="{color}"/>""");

    /// <summary>An entry of the legend: a piece of the line, and its name to the right.</summary>
    public void Legend(double x, double y, string name, string lineAttributes)
    {
        Line(x, y - 4, x + 26, y - 4, lineAttributes);
        Text(x + 33, y, name, "label");
    }

    public static string Stroke(string color, double width, bool dashed = false) =>
        $"stroke=\"{color}\" stroke-width=\"{width}\"{(dashed ? " stroke-dasharray=\"5 4\"" : "")}";

    public void Dot(double x, double y, string color) =>
        Append($"""<circle cx="{x:0.#}" cy="{y:0.#}" r="3.5" fill="{color}"/>""");

    public override string ToString() => $"{_svg}</svg>\n";

    private static string Coordinates(IEnumerable<(double X, double Y)> points) =>
        string.Join(' ', points.Select(point => $"{point.X:0.#},{point.Y:0.#}"));

    private void Append(string line) => _svg.Append(line).Append('\n');
}
