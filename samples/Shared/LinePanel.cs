namespace PtxLosses.Samples;

/// <summary>A line of a <see cref="LinePanel"/>, from left to right.</summary>
internal sealed record Curve(string Name, string Color, IReadOnlyList<CurvePoint> Points, bool Dashed = false);

/// <summary>A point, and the range around it that the band covers.</summary>
internal readonly record struct CurvePoint(double X, double Y, double Low, double High);

/// <summary>One pair of axes with its lines, in the pixels of the drawing.</summary>
internal sealed class LinePanel(double left, double top, double width, double height)
{
    private const double LabelDistance = 15;
    private const int MostTicks = 8;

    private static readonly double[] _roundFactors = [1, 2, 5];

    public required string Title { get; init; }

    public required string XTitle { get; init; }

    /// <summary>Otherwise the axis is linear, from 0; and so for <see cref="LogarithmicY"/>.</summary>
    public bool LogarithmicX { get; init; }

    public bool LogarithmicY { get; init; }

    /// <summary>A value that a dashed line marks.</summary>
    public double? Mark { get; init; }

    /// <summary>Whether each line ends in its name and last value.</summary>
    public bool LabelsEnds { get; init; }

    public void Draw(Svg svg, IReadOnlyList<Curve> curves)
    {
        CurvePoint[] all = [.. curves.SelectMany(curve => curve.Points)];
        double[] xs = [.. all.Select(point => point.X).Distinct().Order()];
        double firstX = LogarithmicX ? xs[0] : 0, lastX = LogarithmicX ? Math.Max(xs[^1], 2 * xs[0]) : xs[^1];
        double[] xTicks = LogarithmicX ? Thinned(xs) : [.. LinearTicks(lastX).Where(tick => tick <= lastX)];
        double highest = all.Max(point => point.High);
        double[] yTicks = LogarithmicY ? LogarithmicTicks(all.Min(point => point.Low), highest) : LinearTicks(highest);
        double X(double x) => left + (width * Part(x, firstX, lastX, LogarithmicX));
        double Y(double y) => top + height - (height * Part(y, yTicks[0], yTicks[^1], LogarithmicY));

        svg.Text(left - 48, top - 16, Title, "heading");
        foreach (double tick in yTicks)
        {
            svg.Line(left, Y(tick), left + width, Y(tick), "class=\"grid\"");
            svg.Text(left - 8, Y(tick) + 4, $"{tick:#,0.######}", "tick end");
        }

        foreach (double tick in xTicks)
        {
            string label = tick >= 1024 && tick % 1024 == 0 ? $"{tick / 1024}k" : $"{tick:0.#}";
            svg.Line(X(tick), top + height, X(tick), top + height + 5, "class=\"axis\"");
            svg.Text(X(tick), top + height + 19, label, "tick middle");
        }

        svg.Line(left, top + height, left + width, top + height, "class=\"axis\"");
        svg.Text(left + (width / 2), top + height + 40, XTitle, "label middle");
        if (Mark is { } mark)
        {
            svg.Line(left, Y(mark), left + width, Y(mark), "class=\"before\"");
        }

        foreach (Curve curve in curves)
        {
            if (curve.Points.Any(point => point.High > point.Low))
            {
                IEnumerable<(double, double)> highs = curve.Points.Select(point => (X(point.X), Y(point.High)));
                IEnumerable<(double, double)> lows = curve.Points.Select(point => (X(point.X), Y(point.Low)));
                svg.Polygon(highs.Concat(lows.Reverse()), curve.Color);
            }

            svg.Polyline(curve.Points.Select(point => (X(point.X), Y(point.Y))), curve.Color, curve.Dashed);
        }

        if (LabelsEnds)
        {
            var ends = curves.Select(curve => (Curve: curve, End: curve.Points[^1]));
            DrawEndLabels(svg, [.. ends.Select(it => (it.Curve, it.End.Y, X(it.End.X), Y(it.End.Y)))]);
        }
    }

    /// <summary>The final value beside the end of each line, moved apart where lines end close together.</summary>
    private static void DrawEndLabels(Svg svg, (Curve Curve, double Value, double X, double Y)[] ends)
    {
        double lowest = double.PositiveInfinity;
        foreach ((Curve curve, double value, double x, double y) in ends.OrderByDescending(end => end.Y))
        {
            double at = Math.Min(y, lowest - LabelDistance);
            lowest = at;
            svg.Dot(x, y, curve.Color);
            svg.Text(x + 9, at + 4, $"{curve.Name}: {value.ToString(value < 100 ? "F1" : "N0")}", "value", curve.Color);
        }
    }

    /// <summary>How far along the axis a value is, from 0 to 1.</summary>
    private static double Part(double value, double first, double last, bool logarithmic) =>
        logarithmic ? Math.Log(value / first) / Math.Log(last / first) : (value - first) / (last - first);

    /// <summary>0 and multiples of 1, 2 or 5 times a power of ten, about five of them.</summary>
    private static double[] LinearTicks(double highest)
    {
        double rough = Math.Max(highest, 1e-9) / 5;
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = _roundFactors.Append(10).Select(factor => factor * power).First(candidate => candidate >= rough * 0.999);
        return [.. Enumerable.Range(0, (int)Math.Ceiling((highest / step) - 1e-9) + 1).Select(index => index * step)];
    }

    /// <summary>1, 2, 5, 10, 20, … from below the lowest value to above the highest; if too many, powers of ten alone.</summary>
    private static double[] LogarithmicTicks(double lowest, double highest)
    {
        double[] ticks = Ticks(_roundFactors);
        return ticks.Length <= MostTicks ? ticks : Ticks([1]);

        double[] Ticks(double[] factors)
        {
            IEnumerable<double> powers = Enumerable.Range(-9, 27).Select(power => Math.Pow(10, power));
            double[] all = [.. powers.SelectMany(power => factors.Select(factor => factor * power))];
            int first = Math.Max(Array.FindLastIndex(all, tick => tick <= lowest), 0);
            int last = Array.FindIndex(all, tick => tick >= highest);
            return all[first..((last < 0 ? all.Length - 1 : Math.Max(last, first + 1)) + 1)];
        }
    }

    /// <summary>As many of the values as fit, evenly.</summary>
    private static double[] Thinned(double[] values)
    {
        int step = (values.Length + MostTicks - 1) / MostTicks;
        return [.. values.Where((_, index) => index % step == 0)];
    }
}
