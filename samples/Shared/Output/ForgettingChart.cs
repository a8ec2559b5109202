namespace PtxLosses.Samples;

/// <summary>
/// forgetting.svg: held-out perplexity and reward over the RL steps, a colour per γ, dashed for soft targets. With several seeds
/// the line is the mean and the band goes from the lowest seed to the highest.
/// </summary>
internal static class ForgettingChart
{
    private const int Width = 1104;
    private const int Height = 440;

    // Okabe and Ito's palette, told apart by colour-blind readers too; γ = 0 comes first and gets the warning colour.
    private static readonly string[] _colors = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];

    public static string Draw(ExperimentResult result)
    {
        var svg = new Svg(Width, Height);
        svg.Text(28, 34, "What fine-tuning forgets, and what the PTX term keeps", "title");
        svg.Text(28, 56, Subtitle(result), "note");
        double x = 28;
        double[] gammas = [.. result.Settings.Gammas];
        (PtxTerm Term, string Color, PolicyRun[] Runs)[] lines =
        [
            .. from entry in result.ByTerm()
               select (entry.Term, _colors[Array.IndexOf(gammas, entry.Term.Gamma) % _colors.Length], entry.Runs),
        ];
        foreach ((PtxTerm term, string color, _) in lines)
        {
            svg.Legend(x, 83, term.Name, Svg.Stroke(color, 3, IsDashed(term)));
            x += 50 + (8 * term.Name.Length);
        }

        svg.Legend(x, 83, "pretrained policy", "class=\"before\"");
        DrawPanel(76, "Held-out perplexity per token (log scale)", run => run.Perplexity, logarithmic: true);
        DrawPanel(614, $"Reward: different words starting with S, per {Rollout.ContinuationLength} tokens", run => run.Reward);
        return svg.ToString();

        void DrawPanel(double left, string title, Func<Measurement, double> value, bool logarithmic = false)
        {
            Curve[] curves = [.. lines.Select(
                line => new Curve(line.Term.Name, line.Color, Points(line.Runs, value), IsDashed(line.Term)))];
            new LinePanel(left, 126, 340, 256)
            {
                Title = title,
                XTitle = "RL steps (one rollout each)",
                LogarithmicY = logarithmic,
                Mark = curves[0].Points[0].Y,
                LabelsEnds = true,
            }.Draw(svg, curves);
        }
    }

    private static bool IsDashed(PtxTerm term) => term.Targets == PtxTargets.Soft;

    /// <summary>Each measurement over all seeds.</summary>
    private static CurvePoint[] Points(PolicyRun[] runs, Func<Measurement, double> value) =>
    [
        .. Enumerable.Range(0, runs.Min(run => run.Curve.Count)).Select(index =>
        {
            double[] values = [.. runs.Select(run => value(run.Curve[index]))];
            return new CurvePoint(runs[0].Curve[index].Step, values.Average(), values.Min(), values.Max());
        }),
    ];

    private static string Subtitle(ExperimentResult result)
    {
        IReadOnlyList<int> seeds = result.SeedCounts;
        string spread = seeds.Max() > 1 ? $"mean of {string.Join(" or ", seeds)} seeds, band from lowest to highest" : "1 seed";
        return $"PPO-ptx on {result.Source} · {result.ParameterCount / 1000:N0}k parameters · {spread}";
    }
}
