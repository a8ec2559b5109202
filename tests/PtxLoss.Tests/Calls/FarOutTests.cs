namespace PtxLosses.Tests;

/// <summary>Finite numbers far from those of any model: huge and tiny logits, caps and coefficients.</summary>
public class FarOutTests
{
    private const float Inf = float.PositiveInfinity;

    [Theory]
    [InlineData(300)]
    [InlineData(3000)]
    public void Large_finite_logits_have_a_loss(int vocabularySize)
    {
        foreach (float size in new[] { 1e6f, 1.1629e7f, 1.1630e7f, 1e8f, 3e9f, 1e10f, 1e20f, 7e37f, 3e38f })
        {
            for (float peak = -size; peak <= size; peak += 2 * size)
            {
                float[] logits = [.. Enumerable.Repeat(peak > 0 ? 0 : -3.4e38f, vocabularySize)];
                (logits[7], logits[8]) = (peak, peak);
                ShouldMatch(logits, 7);
                ShouldMatch([.. logits.Select(x => (BFloat16)x)], 7);
            }
        }
    }

    [Theory]
    [InlineData(1e-3)]
    [InlineData(1)]
    [InlineData(2.5)]
    public void A_small_cap_keeps_very_negative_logits_in_the_vocabulary(double cap)
    {
        float[] logits = [.. Enumerable.Repeat(0f, 300), .. Enumerable.Repeat(float.MinValue, 300), -Inf];
        var options = new PtxLossOptions { LogitSoftCap = cap };

        PtxLoss.Compute(0, logits, [0], logits.Length, 1, options).Total
            .Should().BeApproximately(Math.Log(300 + (300 * Math.Exp(-cap))), 1e-6);
        ShouldMatch(logits, 0, options);
        ShouldMatch(logits, 0, options with { LabelSmoothing = 0.2 });
    }

    [Theory]
    [InlineData(1e-300)]
    [InlineData(1e-40)]
    [InlineData(1e-35)]
    [InlineData(1e-15)]
    [InlineData(1e30)]
    [InlineData(3e38)]
    [InlineData(1e39)]
    [InlineData(1e44)]
    [InlineData(1e300)]
    public void Any_cap_is_a_cap(double cap)
    {
        float[] logits = TestData.Logits(600, seed: 3, spread: 5);
        (logits[1], logits[2]) = (1e38f, -1e38f);
        foreach (double smoothing in new[] { 0, 0.3 })
        {
            ShouldMatch(logits, 5, new() { LogitSoftCap = cap, LabelSmoothing = smoothing });
            ShouldMatch(TestData.Logits(600, seed: 4, spread: 5), 5, new() { LogitSoftCap = cap, LabelSmoothing = smoothing });
        }
    }

    [Theory]
    [InlineData(1e10)]
    [InlineData(1e26)]
    public void Large_logits_below_a_larger_cap_are_as_those_without(double cap)
    {
        foreach (float size in new[] { 1e6f, 1e8f, 1e10f, 1e15f })
        {
            float[] logits = [.. Enumerable.Range(0, 600).Select(i => i % 2 == 0 ? size : size - 3)];
            ShouldMatch(logits, 5, new() { LogitSoftCap = cap });
            ShouldMatch([.. logits.Select(x => (double)x)], 5, new() { LogitSoftCap = cap });
        }
    }

    [Fact]
    public void Masks_in_front_of_the_lowest_Half_add_nothing()
    {
        Half[] logits = [.. Enumerable.Repeat(Half.NegativeInfinity, 1024), .. Enumerable.Repeat(Half.MinValue, 976)];

        PtxLoss.Compute(0, logits, [1999], 2000, 1).Total.Should().BeApproximately(Math.Log(976), 1e-6);
        ShouldMatch(logits, 1999);
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.002)]
    [InlineData(1)]
    public void Infinity_and_NaN_among_the_largest_Halves_are_seen_whatever_the_scale(double scale)
    {
        foreach (Half special in new[] { Half.PositiveInfinity, Half.NaN, -Half.NaN, BitConverter.UInt16BitsToHalf(0x7C01) })
        {
            Half[] logits = [.. Enumerable.Repeat(Half.MaxValue, 3000)], gradient = new Half[3000];
            logits[1500] = special;
            int[] argMax = new int[1];
            foreach (double cap in new[] { 0, 1e5 })
            {
                var options = new PtxLossOptions { LogitScale = scale, LogitSoftCap = cap };

                PtxLoss.ComputeWithGradient(0, logits, [0], 3000, 1, gradient, options).Total.Should().Be(double.NaN);
                gradient.Should().OnlyContain(g => Half.IsNaN(g));
                CrossEntropy.Forward(logits, [0], 3000, new() { ArgMax = argMax }, options);
                argMax[0].Should().Be(1500);
            }
        }
    }

    [Theory]
    [InlineData(20)]
    [InlineData(300)]
    public void The_slope_of_a_cap_keeps_its_digits_far_beyond_it(int vocabularySize)
    {
        double[] logits = [.. Enumerable.Repeat(0.0, vocabularySize)], gradient = new double[vocabularySize];
        logits[1] = 30 * 17; // 17 caps
        double slope = Math.Pow(Math.Cosh(17), -2), p = 1 / (1 + ((vocabularySize - 1) * Math.Exp(-30)));

        PtxLoss.ComputeWithGradient(0, logits, [0], vocabularySize, 1, gradient, new() { LogitSoftCap = 30 });

        gradient[1].Should().BeApproximately(p * slope, 1e-12 * slope);
    }

    [Fact]
    public void Overflow_of_an_earlier_gradient_stays_visible()
    {
        ShouldAdd<Half>();
        ShouldAdd<BFloat16>();
        ShouldAdd<float>();
        ShouldAdd<double>();

        static void ShouldAdd<TLogit>()
            where TLogit : unmanaged
        {
            foreach (double earlier in new[] { double.PositiveInfinity, double.NegativeInfinity, double.NaN, 65_504, -6e-8 })
            {
                TLogit[] logits = Of<TLogit>(TestData.Logits(300, seed: 1));
                TLogit[] gradient = Of<TLogit>(Enumerable.Repeat((float)earlier, 300));
                double before = ElementConvert.ToDouble(gradient[9]);

                PtxLoss.ComputeWithGradient<TLogit, int>(
                    0, logits, [0], 300, earlier > 0 ? -1000 : 1e-9, gradient, new() { AccumulateGradient = true });

                if (double.IsFinite(earlier))
                {
                    ElementConvert.ToDouble(gradient[9]).Should().BeApproximately(before, 60);
                }
                else
                {
                    gradient.Select(ElementConvert.ToDouble).Should().OnlyContain(
                        g => g.Equals(earlier), "{0} {1}", typeof(TLogit), earlier);
                }
            }
        }
    }

    [Theory]
    [InlineData(1e300)]
    [InlineData(-1e300)]
    [InlineData(1e44)]
    public void A_gradient_beyond_the_range_of_its_type_is_infinite_and_a_masked_one_0(double coefficient)
    {
        foreach (int vocabularySize in new[] { 20, 300, 3000 })
        {
            float[] logits = [.. Enumerable.Repeat(0f, vocabularySize - 1), -Inf], gradient = new float[vocabularySize];
            foreach (var options in new PtxLossOptions[] { new(), new() { LabelSmoothing = 0.5 }, new() { LogitSoftCap = 30 } })
            {
                PtxLoss.ComputeWithGradient(0, logits, [0], vocabularySize, coefficient, gradient, options);
                Check(gradient);
                float[] inPlace = [.. logits];
                PtxLoss.ComputeWithGradient(0, inPlace, [0], vocabularySize, coefficient, inPlace, options);
                Check(inPlace);

                void Check(float[] values)
                {
                    values[0].Should().Be(coefficient > 0 ? -Inf : Inf);
                    values[^1].Should().Be(0);
                    values[1..^1].Should().OnlyContain(g => g == (coefficient > 0 ? Inf : -Inf));
                }
            }
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(300)]
    [InlineData(3000)]
    public void Smoothing_adds_up_the_largest_doubles(int vocabularySize)
    {
        double[] logits = [.. Enumerable.Repeat(1.5e308, vocabularySize)];
        var options = new PtxLossOptions { LabelSmoothing = 0.1 };

        PtxLoss.Compute(0, logits, [0], vocabularySize, 1, options).Total.Should().BeInRange(-1e296, 1e296);
        double[] withMask = [.. logits, double.NegativeInfinity];
        PtxLoss.Compute(0, withMask, [0], vocabularySize + 1, 1, options).Total.Should().BeInRange(-1e296, 1e296);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(300)]
    [InlineData(50_257)]
    public void The_entropy_of_equal_logits_is_at_most_that_of_the_uniform_distribution(int vocabularySize)
    {
        for (float logit = -40; logit < 40; logit += 0.77f)
        {
            double[] entropy = new double[1];
            float[] logits = [.. Enumerable.Repeat(logit, vocabularySize)];
            CrossEntropy.Forward(logits, [0], vocabularySize, new() { Entropy = entropy });
            entropy[0].Should().BeLessThanOrEqualTo(Math.Log(vocabularySize)).And.BeGreaterThan(Math.Log(vocabularySize) - 1e-6);
        }
    }

    [Fact]
    public void The_largest_logit_is_the_first_NaN_wherever_infinities_are()
    {
        float[] logits = new float[3000];
        (logits[100], logits[1500], logits[1600]) = (float.NaN, Inf, float.NaN);
        ArgMax(logits).Should().Be(100);
        ArgMax([.. logits.Select(x => (Half)x)]).Should().Be(100);
        ArgMax([.. logits.Select(x => (BFloat16)x)]).Should().Be(100);
        ArgMax([.. logits.Select(x => (double)x)]).Should().Be(100);

        static int ArgMax<TLogit>(TLogit[] row)
            where TLogit : unmanaged
        {
            int[] argMax = new int[1];
            CrossEntropy.Forward<TLogit, int>(row, [0], row.Length, new() { ArgMax = argMax });
            return argMax[0];
        }
    }

    private static TLogit[] Of<TLogit>(IEnumerable<float> values)
        where TLogit : unmanaged
        => [.. values.Select(x => ElementConvert.FromDouble<TLogit>(x))];

    private static void ShouldMatch<TLogit>(TLogit[] logits, int target, PtxLossOptions? options = null)
        where TLogit : unmanaged
    {
        options ??= PtxLossOptions.Default;
        double[] exact = [.. logits.Select(ElementConvert.ToDouble)];
        ScalarReference expected = ScalarReference.Compute<double, int>(0, exact, [target], logits.Length, 1, options);
        Bounds bounds = Bounds.Of<TLogit>();
        TLogit[] gradient = new TLogit[logits.Length], inPlace = [.. logits];
        double[] entropy = new double[1], logSumExp = new double[1];

        bounds.CheckLosses(
            PtxLoss.ComputeWithGradient<TLogit, int>(0, logits, [target], logits.Length, 1, gradient, options),
            expected,
            1,
            options);
        CheckGradient(gradient);
        PtxLoss.ComputeWithGradient<TLogit, int>(0, inPlace, [target], logits.Length, 1, inPlace, options);
        CheckGradient(inPlace);
        CrossEntropy.Forward<TLogit, int>(
            logits, [target], logits.Length, new() { Entropy = entropy, LogSumExp = logSumExp }, options);
        entropy[0].Should().BeApproximately(expected.Entropy[0], bounds.Entropy);
        CrossEntropy.Backward<TLogit, int>(
            logits, [target], logits.Length, new() { LogSumExp = logSumExp }, new() { Loss = [1] }, gradient, options);
        CheckGradient(gradient, isOfLogSumExp: true);

        void CheckGradient(TLogit[] actual, bool isOfLogSumExp = false) => Closeness.ShouldBeClose(
            [.. actual.Select(ElementConvert.ToDouble)],
            expected.Gradient,
            i => bounds.OfGradient(
                exact[i],
                i == target,
                expected.LogSumExp[0],
                1,
                Math.Abs(expected.Gradient[i]),
                logits.Length,
                options,
                isOfLogSumExp));
    }
}
