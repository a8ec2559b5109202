namespace PtxLosses.Benchmarks;

/// <summary>Panels side by side, logarithmic both ways, with one legend.</summary>
internal static class LineChart
{
    private const double PanelWidth = 270, PanelHeight = 260, Left = 56, Gap = 62, Top = 84;

    /// <summary>Measurements, what they have in common, what they are drawn against, and what of them.</summary>
    public sealed record Panel(
        IReadOnlyList<Measurement> Measurements,
        string Title,
        string XTitle,
        Func<Measurement, double> X,
        string YTitle,
        Func<Measurement, double> Y);

    public static string Draw(string title, IReadOnlyList<Panel> panels)
    {
        var svg = new Svg();
        svg.Text(16, 28, title, size: 15, bold: true);
        for (int i = 0; i < panels.Count; i++)
        {
            Draw(svg, panels[i], Left + (i * (PanelWidth + Gap)));
        }

        double y = Top + PanelHeight + 68, width = Left + (panels.Count * (PanelWidth + Gap));
        var series = SeriesOf(panels[0]).ToArray();
        int perLine = (series.Length + 1) / 2;
        for (int i = 0; i < series.Length; i++)
        {
            double x = Left + (i % perLine * (width - Left) / perLine), line = y + (i / perLine * 22);
            svg.Line([(x, line - 4), (x + 26, line - 4)], series[i].Colour, width: 2, series[i].Dashed);
            svg.Text(x + 32, line, series[i].Title);
        }

        return svg.ToString(width, y + 40);
    }

    private static void Draw(Svg svg, Panel panel, double left)
    {
        var xAxis = new LogAxis(panel.Measurements.Select(panel.X), left, left + PanelWidth, maxTicks: 7);
        var yAxis = new LogAxis(panel.Measurements.Select(panel.Y), Top + PanelHeight, Top, maxTicks: 9);
        foreach (double tick in yAxis.Decimal())
        {
            svg.Line([(left, yAxis.At(tick)), (left + PanelWidth, yAxis.At(tick))], Svg.Grid);
            svg.Text(left - 6, yAxis.At(tick) + 4, tick.ToString("0.###"), "end", 11, Svg.Faint);
        }

        foreach (double tick in xAxis.Some(panel.Measurements.Select(panel.X)))
        {
            var (value, unit) = tick >= 1024 && tick % 1024 == 0 ? (tick / 1024, "k") : (tick, "");
            string label = value.ToString() + unit;
            svg.Text(xAxis.At(tick), Top + PanelHeight + 16, label, "middle", 11, Svg.Faint);
        }

        svg.Line([(left, Top), (left, Top + PanelHeight), (left + PanelWidth, Top + PanelHeight)], Svg.Faint);
        svg.Text(left, Top - 30, panel.Title, size: 13, bold: true);
        svg.Text(left, Top - 12, panel.YTitle);
        svg.Text(left + (PanelWidth / 2), Top + PanelHeight + 34, panel.XTitle, "middle");
        foreach (var series in SeriesOf(panel))
        {
            var points = series.Measurements.Select(it => (xAxis.At(panel.X(it)), yAxis.At(panel.Y(it))));
            svg.Line(points, series.Colour, width: 2, series.Dashed);
        }
    }

    /// <summary>One line for each code and work, its fastest way at each point; losses are drawn through, gradients dashed.</summary>
    private static IEnumerable<(string Title, string Colour, bool Dashed, IEnumerable<Measurement> Measurements)> SeriesOf(Panel panel)
        => panel.Measurements.GroupBy(it => (it.Work, it.By)).Select(group => (
            $"{group.Key.By}: {group.First().Name.Split(", by")[0]}",
            Svg.ColourOf(group.Key.By),
            group.Key.Work == Work.Gradient,
            group.GroupBy(panel.X).OrderBy(point => point.Key).Select(point => point.MinBy(it => it.Milliseconds)!)));

    /// <summary>A logarithmic axis between two places of the drawing.</summary>
    private sealed class LogAxis(IEnumerable<double> values, double from, double to, int maxTicks)
    {
        private readonly double _min = Math.Log(values.Min() / 1.2), _max = Math.Log(values.Max() * 1.2);

        public double At(double value) => from + ((to - from) * (Math.Log(value) - _min) / (_max - _min));

        /// <summary>1, 2 and 5 times powers of ten, or these alone where that were too many.</summary>
        public IEnumerable<double> Decimal()
        {
            double[] steps = (_max - _min) / Math.Log(10) * 3 <= maxTicks ? [1, 2, 5] : [1];
            return Enumerable.Range(-9, 19)
                .SelectMany(power => steps.Select(step => step * Math.Pow(10, power)))
                .Where(tick => Math.Log(tick) >= _min && Math.Log(tick) <= _max);
        }

        /// <summary>As many of the values as fit, evenly.</summary>
        public IEnumerable<double> Some(IEnumerable<double> values)
        {
            double[] distinct = [.. values.Distinct().Order()];
            int step = (distinct.Length + maxTicks - 1) / maxTicks;
            return distinct.Where((_, i) => i % step == 0);
        }
    }
}
