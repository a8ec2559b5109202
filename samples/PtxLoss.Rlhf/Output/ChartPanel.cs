namespace PtxLosses.Samples.Rlhf;

/// <summary>One pair of axes with its lines, in the pixels of the drawing.</summary>
internal sealed class ChartPanel(double left, double top, double width, double height)
{
    private const double LabelDistance = 15;

    private static readonly double[] _roundFactors = [1, 2, 5, 10];

    public required string Title { get; init; }

    public required Func<Measurement, double> Value { get; init; }

    public bool Logarithmic { get; init; }

    public void Draw(SvgWriter svg, IReadOnlyList<ChartCurves> curves)
    {
        var lines = curves.Select(curve => (Curve: curve, Points: curve.Points(Value))).ToArray();
        double lastStep = lines.Max(line => line.Points[^1].Step);
        double lowest = lines.Min(line => line.Points.Min(point => point.Low));
        double highest = lines.Max(line => line.Points.Max(point => point.High));
        double[] ticks = Logarithmic ? LogarithmicTicks(lowest, highest) : LinearTicks(highest);
        double Scale(double value) => Logarithmic ? Math.Log(value / ticks[0]) : value - ticks[0];
        double X(double step) => left + (width * step / lastStep);
        double Y(double value) => top + height - (height * Scale(value) / Scale(ticks[^1]));

        svg.Text(left - 48, top - 16, Title, "heading");
        foreach (double tick in ticks)
        {
            svg.Line(left, Y(tick), left + width, Y(tick), "class=\"grid\"");
            svg.Text(left - 8, Y(tick) + 4, $"{tick:#,0.##}", "tick end");
        }

        foreach (double tick in LinearTicks(lastStep).Where(tick => tick <= lastStep))
        {
            svg.Line(X(tick), top + height, X(tick), top + height + 5, "class=\"axis\"");
            svg.Text(X(tick), top + height + 19, $"{tick:0.#}", "tick middle");
        }

        svg.Line(left, top + height, left + width, top + height, "class=\"axis\"");
        svg.Text(left + (width / 2), top + height + 40, "RL steps (one rollout each)", "label middle");

        double before = lines[0].Points[0].Mean;
        svg.Line(left, Y(before), left + width, Y(before), "class=\"before\"");
        foreach ((ChartCurves curve, ChartPoint[] points) in lines)
        {
            if (curve.Runs.Length > 1)
            {
                IEnumerable<(double, double)> highs = points.Select(point => (X(point.Step), Y(point.High)));
                IEnumerable<(double, double)> lows = points.Select(point => (X(point.Step), Y(point.Low)));
                svg.Polygon(highs.Concat(lows.Reverse()), curve.Color);
            }

            svg.Polyline(points.Select(point => (X(point.Step), Y(point.Mean))), curve.Color);
        }

        var ends = lines.Select(line => (line.Curve, End: line.Points[^1]));
        DrawEndLabels(svg, [.. ends.Select(end => (end.Curve, end.End.Mean, X(end.End.Step), Y(end.End.Mean)))]);
    }

    /// <summary>The final value beside the end of each line, moved apart where lines end close together.</summary>
    private static void DrawEndLabels(SvgWriter svg, (ChartCurves Curve, double Value, double X, double Y)[] ends)
    {
        double lowest = double.PositiveInfinity;
        foreach ((ChartCurves curve, double value, double x, double y) in ends.OrderByDescending(end => end.Y))
        {
            double at = Math.Min(y, lowest - LabelDistance);
            lowest = at;
            svg.Dot(x, y, curve.Color);
            svg.Text(x + 9, at + 4, $"{curve.Name}: {value.ToString(value < 100 ? "F1" : "N0")}", "value", curve.Color);
        }
    }

    /// <summary>0 and multiples of 1, 2 or 5 times a power of ten, about five of them.</summary>
    private static double[] LinearTicks(double highest)
    {
        double rough = Math.Max(highest, 1e-9) / 5;
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = _roundFactors.Select(factor => factor * power).First(candidate => candidate >= rough * 0.999);
        return [.. Enumerable.Range(0, (int)Math.Ceiling((highest / step) - 1e-9) + 1).Select(index => index * step)];
    }

    /// <summary>1, 2, 5, 10, 20, … from below the lowest value to above the highest.</summary>
    private static double[] LogarithmicTicks(double lowest, double highest)
    {
        double[] ticks =
        [
            .. from power in Enumerable.Range(-2, 20)
               from factor in _roundFactors.SkipLast(1)
               select factor * Math.Pow(10, power),
        ];
        int first = Array.FindLastIndex(ticks, tick => tick <= lowest);
        int last = Array.FindIndex(ticks, tick => tick >= highest);
        return ticks[Math.Max(first, 0)..((last < 0 ? ticks.Length - 1 : Math.Max(last, first + 1)) + 1)];
    }
}
