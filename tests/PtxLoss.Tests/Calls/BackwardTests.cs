namespace PtxLosses.Tests;

/// <summary>
/// <see cref="CrossEntropy"/>'s vector-Jacobian product of all its outputs: against what they do when a logit moves, in double,
/// and for the other types against double.
/// </summary>
public class BackwardTests
{
    private const int Tokens = 4;

    /// <summary>∂L/∂ of each output; 0 for some tokens.</summary>
    private static readonly double[] _ofLoss = [0.7, 0, -1.5, 0.4], _ofLogSumExp = [0.3, -0.8, 0, 0.1];
    private static readonly double[] _ofEntropy = [-0.6, 0.9, 0.5, 0];

    public static TheoryData<int, double, double, double, bool> Cases
    {
        get
        {
            var cases = new TheoryData<int, double, double, double, bool>();
            foreach (int vocabularySize in new[] { 7, 300 })
            {
                foreach (double cap in new[] { 0.0, 4 })
                {
                    foreach (double scale in new[] { 1, 0.6, 2.5 })
                    {
                        cases.Add(vocabularySize, cap, scale, 0, false);
                        cases.Add(vocabularySize, cap, scale, 0.2, true);
                    }
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Double_logits_match_central_differences_of_the_outputs(
        int vocabularySize, double cap, double scale, double smoothing, bool hasMasks)
    {
        const double step = 1e-5;
        var options = new PtxLossOptions { LogitSoftCap = cap, LogitScale = scale, LabelSmoothing = smoothing };
        int[] targets = [3, vocabularySize - 1, -100, 0];
        double[] logits = TestData.ToDouble(TestData.Logits(Tokens * vocabularySize, seed: vocabularySize, spread: 2));
        for (int i = 1; i < logits.Length && hasMasks; i += 5)
        {
            logits[i] = i % vocabularySize == targets[i / vocabularySize] ? logits[i] : double.NegativeInfinity;
        }

        double[] gradient = Backward(logits, targets, vocabularySize, options);

        for (int i = 0; i < logits.Length; i++)
        {
            double[] up = [.. logits], down = [.. logits];
            up[i] += step;
            down[i] -= step;
            double expected = (Weighed(up) - Weighed(down)) / (2 * step);
            gradient[i].Should().BeApproximately(expected, 2e-9 * vocabularySize, "logit {0}", i);
        }

        double Weighed(double[] moved)
        {
            double[] loss = new double[Tokens], logSumExp = new double[Tokens], entropy = new double[Tokens];
            CrossEntropy.Forward(
                moved, targets, vocabularySize, new() { Loss = loss, LogSumExp = logSumExp, Entropy = entropy }, options);
            return Enumerable.Range(0, Tokens)
                .Sum(t => (_ofLoss[t] * loss[t]) + (_ofLogSumExp[t] * logSumExp[t]) + (_ofEntropy[t] * entropy[t]));
        }
    }

    [Theory]
    [InlineData(7)]
    [InlineData(300)]
    [InlineData(3000)]
    [InlineData(40_000)] // more than a segment
    public void Other_types_match_double(int vocabularySize)
    {
        foreach ((double cap, double scale, double smoothing) in new[]
        {
            (0.0, 1.0, 0.0), (0, 1.7, 0), (30, 1, 0), (5, 0.6, 0.1), (0, 1, 0.3),
        })
        {
            foreach (bool accumulates in new[] { false, true })
            {
                var options = new PtxLossOptions
                {
                    LogitSoftCap = cap,
                    LogitScale = scale,
                    LabelSmoothing = smoothing,
                    AccumulateGradient = accumulates,
                };
                MatchesDouble<float>(vocabularySize, options, rounding: Math.Pow(2, -24));
                MatchesDouble<Half>(vocabularySize, options, rounding: Math.Pow(2, -11));
                MatchesDouble<BFloat16>(vocabularySize, options, rounding: Math.Pow(2, -8));
            }
        }
    }

    [Theory]
    [InlineData(300, 30, 0)]
    [InlineData(3000, 30, 0)]
    [InlineData(3000, 3, 10_000)]
    [InlineData(3000, 3, -10_000)]
    [InlineData(3000, 0, 5)]
    [InlineData(40_000, 200, 0)]
    public void Float_logits_match_double_wherever_they_are(int vocabularySize, double spread, double offset)
    {
        MatchesDouble<float>(vocabularySize, new(), Math.Pow(2, -24), spread, offset);
        MatchesDouble<float>(vocabularySize, new() { LogitScale = 0.3 }, Math.Pow(2, -24), spread, offset);
        MatchesDouble<float>(vocabularySize, new() { LogitSoftCap = 40 }, Math.Pow(2, -24), spread, offset);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_row_without_a_softmax_has_the_gradient_NaN_and_leaves_others_alone(double special)
    {
        foreach (int vocabularySize in new[] { 2, 300, 3000 })
        {
            foreach (int place in new[] { 0, vocabularySize / 2, vocabularySize - 1 })
            {
                double[] logits = new double[Tokens * vocabularySize];
                logits[place] = special;
                CheckRows(logits, vocabularySize);
                CheckRows<float>([.. logits.Select(x => (float)x)], vocabularySize);
                CheckRows<Half>([.. logits.Select(x => (Half)x)], vocabularySize);
            }
        }

        static void CheckRows<TLogit>(TLogit[] logits, int vocabularySize)
            where TLogit : unmanaged
        {
            TLogit[] gradient = new TLogit[logits.Length];
            double[] logSumExp = new double[Tokens], entropy = new double[Tokens];
            CrossEntropy.Forward<TLogit, int>(
                logits, [0, 0, 0, 0], vocabularySize, new() { LogSumExp = logSumExp, Entropy = entropy });
            CrossEntropy.Backward<TLogit, int>(
                logits,
                [0, 0, 0, 0],
                vocabularySize,
                new() { LogSumExp = logSumExp, Entropy = entropy },
                new() { Loss = _ofLoss, LogSumExp = _ofLogSumExp, Entropy = _ofEntropy },
                gradient);

            entropy[0].Should().Be(double.NaN);
            double[] values = [.. gradient.Select(ElementConvert.ToDouble)];
            values[..vocabularySize].Should().OnlyContain(g => double.IsNaN(g), "{0}, {1}", typeof(TLogit), vocabularySize);
            values[vocabularySize..].Should().NotContain(g => double.IsNaN(g));
        }
    }

    [Theory]
    [InlineData("loss")]
    [InlineData("logSumExp")]
    [InlineData("entropy")]
    public void The_gradient_of_one_output_needs_no_other(string output)
    {
        double[] logits = [0.5, -1, 2, 0.25], logSumExp = new double[1], entropy = new double[1], gradient = new double[4];
        CrossEntropy.Forward(logits, [2], 4, new() { LogSumExp = logSumExp, Entropy = entropy });

        CrossEntropy.Backward(
            logits,
            [2],
            4,
            new() { LogSumExp = logSumExp, Entropy = output == "entropy" ? entropy : default },
            new()
            {
                Loss = output == "loss" ? [2] : default,
                LogSumExp = output == "logSumExp" ? [2] : default,
                Entropy = output == "entropy" ? [2] : default,
            },
            gradient);

        double[] p = [.. logits.Select(x => Math.Exp(x - logSumExp[0]))];
        double[] expected = [.. p.Select((pi, i) => 2 * output switch
        {
            "loss" => pi - (i == 2 ? 1 : 0),
            "logSumExp" => pi,
            _ => -pi * (Math.Log(pi) + entropy[0]),
        })];
        Closeness.ShouldBeClose(gradient, expected, _ => 1e-14);
    }

    [Fact]
    public void Rows_whose_gradients_are_all_0_are_not_read_and_no_gradients_at_all_give_0()
    {
        float[] logits = [float.NaN, 1, 2, 3], gradient = [9, 9, 9, 9];

        CrossEntropy.Backward(logits, [0, 1], 2, new() { LogSumExp = (double[])[double.NaN, 0] }, default, gradient);
        gradient.Should().Equal(0, 0, 0, 0);

        CrossEntropy.Backward(
            logits, [0, -100], 2, new() { LogSumExp = (double[])[double.NaN, 0] }, new() { Loss = [0, double.NaN] }, gradient);
        gradient.Should().Equal(0, 0, 0, 0);
    }

    [Fact]
    public void A_z_loss_is_a_gradient_of_the_log_sum_exp()
    {
        const int vocabularySize = 2000;
        const double beta = 0.01;
        double[] logits = TestData.ToDouble(TestData.Logits(2 * vocabularySize, seed: 3)), logSumExp = new double[2];
        double[] gradient = new double[logits.Length], expected = new double[logits.Length];
        PtxLoss.ComputeWithGradient(
            0, logits, [5, 6], vocabularySize, 1, expected, new() { ZLossCoefficient = beta, Reduction = LossReduction.Sum });
        CrossEntropy.Forward(logits, [5, 6], vocabularySize, new() { LogSumExp = logSumExp });

        CrossEntropy.Backward(
            logits,
            [5, 6],
            vocabularySize,
            new() { LogSumExp = logSumExp },
            new() { Loss = [1, 1], LogSumExp = [.. logSumExp.Select(lse => 2 * beta * lse)] },
            gradient);

        Closeness.ShouldBeClose(gradient, expected, i => 1e-12 * (1e-3 + Math.Abs(expected[i])));
    }

    private static double[] Backward(
        double[] logits, int[] targets, int vocabularySize, PtxLossOptions options, double[]? initial = null)
    {
        (double[] logSumExp, double[] entropy) = Forward(logits, targets, vocabularySize, options);
        double[] gradient = [.. initial ?? new double[logits.Length]];
        CrossEntropy.Backward(
            logits,
            targets,
            vocabularySize,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            new() { Loss = _ofLoss, LogSumExp = _ofLogSumExp, Entropy = _ofEntropy },
            gradient,
            options);
        return gradient;
    }

    private static (double[] LogSumExp, double[] Entropy) Forward(
        double[] logits, int[] targets, int vocabularySize, PtxLossOptions options)
    {
        double[] logSumExp = new double[Tokens], entropy = new double[Tokens];
        CrossEntropy.Forward(logits, targets, vocabularySize, new() { LogSumExp = logSumExp, Entropy = entropy }, options);
        return (logSumExp, entropy);
    }

    private static void MatchesDouble<TLogit>(
        int vocabularySize, PtxLossOptions options, double rounding, double spread = 3, double offset = 0)
        where TLogit : unmanaged
    {
        TLogit[] logits = [.. TestData.Logits(Tokens * vocabularySize, seed: 9, spread, offset).Select(
            x => ElementConvert.FromDouble<TLogit>(x))];
        logits[1] = ElementConvert.FromDouble<TLogit>(double.NegativeInfinity);
        int[] targets = [3, vocabularySize - 1, -100, 0];
        TLogit[] initial = [.. TestData.Logits(logits.Length, seed: 10, spread: 0.01).Select(
            x => ElementConvert.FromDouble<TLogit>(x))];
        double[] exact = [.. logits.Select(ElementConvert.ToDouble)], before = [.. initial.Select(ElementConvert.ToDouble)];
        double[] expected = Backward(exact, targets, vocabularySize, options, before);
        (double[] logSumExp, double[] entropy) = Forward(exact, targets, vocabularySize, options);

        TLogit[] inPlace = [.. logits];
        Write(logits, initial);
        Check(initial);
        if (!options.AccumulateGradient)
        {
            Write(inPlace, inPlace);
            Check(inPlace);
        }

        void Write(TLogit[] row, TLogit[] gradient) => CrossEntropy.Backward<TLogit, int>(
            row,
            targets,
            vocabularySize,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            new() { Loss = _ofLoss, LogSumExp = _ofLogSumExp, Entropy = _ofEntropy },
            gradient,
            options);

        // Each exponential is off by less than 1e-5 of itself, as in Closeness.ShouldBeTheGradient, or 3e-5 below a cap, which
        // is a tanh in float.
        void Check(TLogit[] gradient) => Closeness.ShouldBeClose([.. gradient.Select(ElementConvert.ToDouble)], expected, i =>
        {
            int token = i / vocabularySize;
            double cap = options.LogitSoftCap;
            double z =
                options.LogitScale * (cap == 0 || double.IsInfinity(exact[i]) ? exact[i] : cap * Math.Tanh(exact[i] / cap));
            double below = z - logSumExp[token], p = Math.Exp(below);
            double factor = Math.Abs(_ofLoss[token]) + Math.Abs(_ofLogSumExp[token])
                + Math.Abs(_ofEntropy[token] * entropy[token]);
            double multiple = double.IsInfinity(below) ? 0 : factor + Math.Abs(_ofEntropy[token] * below), product = p * multiple;
            double softmax = cap == 0 ? 1e-5 : 3e-5, added = options.AccumulateGradient ? Math.Abs(before[i]) : 0;
            return (2 * rounding * (Math.Abs(expected[i]) + added))
                + (options.LogitScale * ((softmax * product) + (Math.Pow(2, -22) * options.LabelSmoothing / vocabularySize)))
                // Exponentials below may be flushed.
                + (typeof(TLogit) == typeof(Half) ? Math.Pow(2, -25) : 1.2e-38 * (1 + multiple));
        });
    }
}
