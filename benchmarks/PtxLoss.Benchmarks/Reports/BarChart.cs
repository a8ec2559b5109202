namespace PtxLosses.Benchmarks;

/// <summary>Horizontal bars of GB/s, a panel over another, the fastest first.</summary>
internal static class BarChart
{
    private const double Width = 940, Left = 430, Right = 130, Row = 23, Bar = 16, PanelTop = 38;

    public static string Draw(string title, IEnumerable<(string Title, IEnumerable<Measurement> Measurements)> panels)
    {
        var svg = new Svg();
        svg.Text(16, 28, title, size: 15, bold: true);
        double y = 34;
        foreach (var (panel, measurements) in panels)
        {
            Measurement[] bars = [.. measurements.OrderByDescending(it => it.GigabytesPerSecond)];
            svg.Text(16, y + PanelTop - 14, panel, size: 13, bold: true);
            y += PanelTop;
            double scale = (Width - Left - Right) / bars[0].GigabytesPerSecond;
            foreach (Measurement it in bars)
            {
                double length = it.GigabytesPerSecond * scale, baseline = y + Bar - 4;
                svg.Text(Left - 8, baseline, it.By == Contender.Limit ? $"{it.Name} ({it.By})" : $"{it.By}: {it.Name}", "end");
                svg.Box(Left, y, length, Bar, Svg.ColourOf(it.By));
                svg.Text(
                    Left + length + 6,
                    baseline,
                    $"{it.GigabytesPerSecond:F1} GB/s, {it.Milliseconds:G3} ms",
                    colour: Svg.Faint);
                y += Row;
            }
        }

        svg.Text(16, y + 24, "GB/s: the size of the logits, each counted once, over the median time. Longer is faster.", colour: Svg.Faint);
        return svg.ToString(Width, y + 40);
    }
}
