namespace PtxLosses.Benchmarks;

/// <summary>
/// Draws what the other commands measured: <c>throughput.svg</c> of <c>peers.csv</c>, and <c>scaling.svg</c> of
/// <c>vocabulary.csv</c>, <c>tokens.csv</c> and <c>threads.csv</c>, as far as these exist.
/// </summary>
internal static class ChartCommand
{
    public static void Run(ResultsFolder folder)
    {
        if (folder.Has("peers.csv"))
        {
            folder.WriteFile("throughput.svg", Throughput(folder.ReadCpuName("peers.csv"), folder.ReadCsv("peers.csv")));
        }

        if (folder.Has("vocabulary.csv"))
        {
            folder.WriteFile("scaling.svg", Scaling(
                folder.ReadCpuName("vocabulary.csv"),
                folder.ReadCsv("vocabulary.csv"),
                folder.ReadCsv("tokens.csv"),
                folder.ReadCsv("threads.csv")));
        }
    }

    /// <summary>Bars of GB/s, losses above gradients, the fastest first.</summary>
    private static string Throughput(string cpu, IReadOnlyList<Measurement> measurements)
    {
        const double width = 1000, left = 470, longest = 370, row = 23, thickness = 16;

        // The shape and threads that most of them were timed on.
        var group = measurements.GroupBy(it => (it.Shape, it.Threads)).MaxBy(group => group.Count())!;
        var svg = new Svg(width, 170 + (row * group.Count()));
        svg.Text(16, 28, $"{Describe(group.Key.Shape)} float32 logits, {Describe(group.Key.Threads)}, {cpu}", "title");
        double y = 34;
        foreach (var works in group.GroupBy(it => it.Work).OrderBy(works => works.Key))
        {
            Measurement[] bars = [.. works.OrderByDescending(it => it.GigabytesPerSecond)];
            svg.Text(16, y + 24, works.Key == Work.Forward ? "Loss" : "Loss and gradient", "heading");
            y += 38;
            foreach (Measurement it in bars)
            {
                double length = longest * it.GigabytesPerSecond / bars[0].GigabytesPerSecond, baseline = y + thickness - 4;
                svg.Text(left - 8, baseline, NameOf(it), "end");
                svg.Box(left, y, length, thickness, ColorOf(it.By));
                svg.Text(left + length + 6, baseline, $"{it.GigabytesPerSecond:F1} GB/s, {it.Milliseconds:G4} ms", "note");
                y += row;
            }
        }

        svg.Text(16, y + 24, "GB/s: the size of the logits, each counted once, over the median time. Longer is faster.", "note");
        const string freshMemory =
            "Fresh memory: outputs go to memory that each run asks for anew; of all others, to memory used before.";
        svg.Text(16, y + 44, freshMemory, "note");
        return svg.ToString();
    }

    private static string NameOf(Measurement it)
        => it.By == Contender.Limit ? $"{it.Name} ({it.By})"
            : it.Memory == OutputMemory.Fresh ? $"{it.By}: {it.Name}, fresh memory"
            : $"{it.By}: {it.Name}";

    /// <summary>Panels side by side, logarithmic both ways, with one legend.</summary>
    private static string Scaling(
        string cpu,
        IReadOnlyList<Measurement> vocabulary,
        IReadOnlyList<Measurement> tokens,
        IReadOnlyList<Measurement> threads)
    {
        const double left = 64, distance = 338, legendTop = 430;
        var svg = new Svg(width: 1040, height: 476);
        svg.Text(16, 28, $"Time against vocabulary, tokens and threads, {cpu}", "title");
        DrawPanel(
            0,
            "µs per token",
            $"vocabulary, {vocabulary[0].Shape.Logits / 1e6:F1} million logits, {Describe(vocabulary[0].Threads)}",
            vocabulary,
            it => it.Shape.VocabularySize,
            it => 1e3 * it.Milliseconds / it.Shape.Tokens);
        DrawPanel(
            1,
            "ms",
            $"tokens, vocabulary {tokens[0].Shape.VocabularySize:N0}, {Describe(tokens[0].Threads)}",
            tokens,
            it => it.Shape.Tokens,
            it => it.Milliseconds);
        DrawPanel(2, "ms", $"threads, {Describe(threads[0].Shape)}", threads, it => it.Threads, it => it.Milliseconds);

        Curve[] legend = [.. CurvesOf(vocabulary, it => it.Shape.VocabularySize, it => it.Milliseconds)];
        int perLine = (legend.Length + 1) / 2;
        for (int i = 0; i < legend.Length; i++)
        {
            double x = left + (i % perLine * distance), y = legendTop + (i / perLine * 22);
            svg.Legend(x, y, legend[i].Name, Svg.Stroke(legend[i].Color, 2.5, legend[i].Dashed));
        }

        return svg.ToString();

        void DrawPanel(
            int index,
            string title,
            string xTitle,
            IReadOnlyList<Measurement> measurements,
            Func<Measurement, double> x,
            Func<Measurement, double> y)
            => new LinePanel(left + (index * distance), 76, 270, 270)
            {
                Title = title,
                XTitle = xTitle,
                LogarithmicX = true,
                LogarithmicY = true,
            }.Draw(svg, [.. CurvesOf(measurements, x, y)]);
    }

    /// <summary>One line for each code and work, its fastest way at each point; those of gradients are dashed.</summary>
    private static IEnumerable<Curve> CurvesOf(
        IReadOnlyList<Measurement> measurements, Func<Measurement, double> x, Func<Measurement, double> y)
        => from measurement in measurements
           group measurement by (measurement.Work, measurement.By) into line
           select new Curve(
               $"{line.Key.By}: {line.First().Name.Split(", by")[0]}",
               ColorOf(line.Key.By),
               [
                   .. from point in line.GroupBy(x).OrderBy(point => point.Key)
                      let time = point.Min(y)
                      select new CurvePoint(point.Key, time, time, time),
               ],
               Dashed: line.Key.Work == Work.Gradient);

    /// <summary>One colour for the limits, one for this library, another for everyone else.</summary>
    private static string ColorOf(string by) => by switch
    {
        Contender.Limit or Contender.BareLoop => "#9a9a9a",
        Contender.PtxLoss or Contender.TorchSharp => "#1f5fbf",
        _ => "#e39b4b",
    };

    private static string Describe(Shape shape) => $"{shape.Tokens:N0} × {shape.VocabularySize:N0}";

    private static string Describe(int threads) => threads == 1 ? "one thread" : $"{threads} threads";
}
