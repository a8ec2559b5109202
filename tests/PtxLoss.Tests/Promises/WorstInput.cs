using System.Globalization;

namespace PtxLosses.Tests;

/// <summary>
/// A row of logits that may be hard on a sum in float, and the options it meets: most logits on one level or on a ladder of
/// them, one per block, with noise; the first logit above them, and some peaks above that one, each of which may begin a run.
/// </summary>
/// <param name="Length">How many logits.</param>
/// <param name="Offset">The first logit.</param>
/// <param name="Low">What most are beside it.</param>
/// <param name="Slope">What each block of 1,024 is above the one before.</param>
/// <param name="Spread">The standard deviation of the noise.</param>
/// <param name="Peaks">How many peaks.</param>
/// <param name="Peak">What they are beside the first logit.</param>
/// <param name="PeakAt">Where they stand, one every 97 logits.</param>
/// <param name="Target">The target's id.</param>
/// <param name="SoftCap">c, or 0.</param>
/// <param name="Smoothing">ε.</param>
/// <param name="Seed">That of the noise.</param>
internal sealed record WorstInput(
    int Length, double Offset, double Low, double Slope, double Spread, int Peaks, double Peak, int PeakAt, int Target,
    double SoftCap, double Smoothing, int Seed)
{
    /// <summary>The names of what <see cref="ToString"/> lists.</summary>
    public const string Columns =
        "length; first logit; most, beside it; slope; spread; peaks; their height; their place; target; cap; ε; seed";

    public static WorstInput Parse(string text)
    {
        double[] x = [.. text.Split(';').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
        return new((int)x[0], x[1], x[2], x[3], x[4], (int)x[5], x[6], (int)x[7], (int)x[8], x[9], x[10], (int)x[11]);
    }

    public override string ToString()
        => FormattableString.Invariant(
            $"{Length}; {Offset}; {Low}; {Slope}; {Spread}; {Peaks}; {Peak}; {PeakAt}; {Target}; {SoftCap}; {Smoothing}; {Seed}");

    /// <summary>
    /// How far a kernel's loss is off, and its probabilities relative to themselves beyond the rounding of their type.
    /// </summary>
    public (double Loss, double Gradient) ErrorsOf<TLogit>(SoftmaxKernel<TLogit> kernel)
        where TLogit : unmanaged
    {
        TLogit[] row = Row<TLogit>(), gradient = new TLogit[Length];
        double[] exact = [.. row.Select(ElementConvert.ToDouble)];
        var options = new PtxLossOptions { LogitSoftCap = SoftCap, LabelSmoothing = Smoothing, MaxDegreeOfParallelism = 1 };
        PtxLossResult result = BatchPassCalls.Run(kernel, row, [Target], 1, gradient, options);
        ScalarReference expected = ScalarReference.Compute<double, int>(0, exact, [Target], Length, 1, options);

        Bounds bounds = Bounds.Of<TLogit>();
        double ofGradient = 0;
        for (int i = 0; i < Length; i++)
        {
            double capped = SoftCap == 0 ? exact[i] : SoftCap * Math.Tanh(exact[i] / SoftCap);
            double size = Math.Exp(capped - expected.LogSumExp[0]) + (Smoothing / Length);
            double error = Math.Abs(ElementConvert.ToDouble(gradient[i]) - expected.Gradient[i]);
            double beyondRounding = error - (bounds.Rounding * Math.Abs(expected.Gradient[i])) - bounds.Smallest;
            ofGradient = i == Target ? ofGradient : Math.Max(ofGradient, beyondRounding / size);
        }

        double loss = expected.LanguageModelLoss;
        return (Math.Abs(result.LanguageModelLoss - loss) / Math.Max(1, Math.Abs(loss) / 100), ofGradient);
    }

    private TLogit[] Row<TLogit>()
        where TLogit : unmanaged
    {
        float[] noise = Spread == 0 ? new float[Length] : TestData.Logits(Length, Seed, Spread);
        double[] row = [.. noise.Select((x, i) => Offset + Low + (Slope * (i / 1024)) + x)];
        row[0] = Offset;
        for (int peak = 0; peak < Peaks; peak++)
        {
            row[(PeakAt + (97 * peak)) % Length] = Offset + Peak;
        }

        return [.. row.Select(x => ElementConvert.FromDouble<TLogit>((float)x))];
    }
}
