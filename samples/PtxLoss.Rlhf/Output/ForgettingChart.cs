namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// forgetting.svg: held-out perplexity and reward over the RL steps, a line per γ. With several seeds the line is the mean and
/// the band goes from the lowest seed to the highest.
/// </summary>
internal static class ForgettingChart
{
    private const int Width = 1040;
    private const int Height = 440;

    // Okabe and Ito's palette, told apart by colour-blind readers too; γ = 0 comes first and gets the warning colour.
    private static readonly string[] _colors = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];

    public static string Draw(ExperimentResult result)
    {
        var svg = new SvgWriter(Width, Height);
        svg.Text(28, 34, "What fine-tuning forgets, and what the PTX term keeps", "title");
        svg.Text(28, 56, Subtitle(result), "note");
        double legend = 28;
        var curves = new List<ChartCurves>();
        foreach ((double gamma, PolicyRun[] runs) in result.ByGamma())
        {
            var curve = new ChartCurves($"γ = {gamma}", _colors[curves.Count % _colors.Length], runs);
            svg.Line(legend, 79, legend + 26, 79, $"stroke=\"{curve.Color}\" stroke-width=\"3\"");
            svg.Text(legend + 33, 83, curve.Name, "label");
            legend += 50 + (8 * curve.Name.Length);
            curves.Add(curve);
        }

        svg.Line(legend, 79, legend + 26, 79, "class=\"before\"");
        svg.Text(legend + 33, 83, "pretrained policy", "label");

        new ChartPanel(76, 126, 340, 256)
        {
            Title = "Held-out perplexity per token (log scale)",
            Value = measurement => measurement.Perplexity,
            Logarithmic = true,
        }.Draw(svg, curves);
        new ChartPanel(588, 126, 340, 256)
        {
            Title = $"Reward: different words starting with S, per {Rollout.ContinuationLength} tokens",
            Value = measurement => measurement.Reward,
        }.Draw(svg, curves);
        return svg.ToString();
    }

    private static string Subtitle(ExperimentResult result)
    {
        IReadOnlyList<int> seeds = result.SeedCounts;
        string spread = seeds.Max() > 1 ? $"mean of {string.Join(" or ", seeds)} seeds, band from lowest to highest" : "1 seed";
        return $"PPO-ptx on {result.Source} · {result.ParameterCount / 1000:N0}k parameters · {spread}";
    }
}

/// <summary>The runs of one γ.</summary>
internal sealed record ChartCurves(string Name, string Color, PolicyRun[] Runs)
{
    public ChartPoint[] Points(Func<Measurement, double> value) =>
    [
        .. Enumerable.Range(0, Runs.Min(run => run.Curve.Count)).Select(index =>
        {
            double[] values = [.. Runs.Select(run => value(run.Curve[index]))];
            return new ChartPoint(Runs[0].Curve[index].Step, values.Average(), values.Min(), values.Max());
        }),
    ];
}

/// <summary>A measurement over all seeds.</summary>
internal readonly record struct ChartPoint(double Step, double Mean, double Low, double High);
