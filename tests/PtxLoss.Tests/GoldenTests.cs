using System.Numerics;

namespace PtxLosses.Tests;

/// <summary>The library, and the reference that judges it elsewhere, against the seed's definition and PyTorch in float64.</summary>
public class GoldenTests
{
    public static TheoryData<string> Names => [.. GoldenFile.Cases.Keys];

    public static TheoryData<string> NamesOfTheSeed
        => [.. GoldenFile.Cases.Values.Where(golden => golden.SeedTotal != null).Select(golden => golden.Name)];

    [Theory]
    [MemberData(nameof(NamesOfTheSeed))]
    public void Total_rounds_to_the_answer_of_the_seed(string name)
    {
        Golden golden = GoldenFile.Cases[name];
        double seedTotal = golden.SeedTotal!.Value;
        Math.Round(Reference(golden, golden.Logits).Total, 6).Should().Be(seedTotal);
        Math.Round(Compute(golden, TestData.ToDouble(golden.Logits)).Total, 6).Should().Be(seedTotal);

        // Beyond short rows, exponentials in float leave a loss off by up to the contract's 1e-6, which moves the sixth digit only
        // of a total that is this near to where its rounding turns.
        double doubt = golden.VocabularySize <= ShortRows.MaxLength ? 0 : golden.PtxCoefficient * 1e-6;
        if (Math.Round(golden.Total - doubt, 6).Equals(Math.Round(golden.Total + doubt, 6)))
        {
            Math.Round(Compute(golden, golden.Logits).Total, 6).Should().Be(seedTotal);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_reference(string name)
    {
        Golden golden = GoldenFile.Cases[name];
        ScalarReference ofFloat = Reference(golden, golden.Logits);
        ScalarReference ofDouble = Reference(golden, TestData.ToDouble(golden.Logits));
        Bounds bounds = Bounds.OfDouble(golden);
        foreach (ScalarReference reference in new[] { ofFloat, ofDouble })
        {
            reference.TokenCount.Should().Be(golden.TokenCount);
            CheckReduced(golden, reference.LanguageModelLoss, reference.Total, bounds);
            CheckTokens(golden, reference.Loss, reference.LogSumExp, reference.Entropy, reference.ArgMax, bounds);
            Closeness.ShouldBeClose(reference.Gradient, golden.Gradient, bounds.Gradient);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Float_logits(string name)
    {
        Golden golden = GoldenFile.Cases[name];
        CheckLibrary(golden, golden.Logits, Bounds.OfFloat(golden));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Double_logits(string name)
    {
        Golden golden = GoldenFile.Cases[name];
        CheckLibrary(golden, TestData.ToDouble(golden.Logits), Bounds.OfDouble(golden));
    }

    private static void CheckLibrary<TLogit>(Golden golden, TLogit[] logits, Bounds bounds)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
    {
        var gradient = new TLogit[logits.Length];
        PtxLossResult result = PtxLoss.ComputeWithGradient<TLogit, int>(
            golden.RlLoss, logits, golden.Targets, golden.VocabularySize, golden.PtxCoefficient, gradient, golden.Options);
        result.Should().Be(Compute(golden, logits), "the gradient must not change the loss");
        result.TokenCount.Should().Be(golden.TokenCount);
        CheckReduced(golden, result.LanguageModelLoss, result.Total, bounds);
        Closeness.ShouldBeClose([.. gradient.Select(double.CreateChecked)], golden.Gradient, bounds.Gradient);

        int tokens = golden.Targets.Length;
        double[] loss = new double[tokens], logSumExp = new double[tokens], targetLogit = new double[tokens];
        double[] entropy = new double[tokens];
        int[] argMax = new int[tokens];
        var outputs = new CrossEntropyOutputs
        {
            Loss = loss,
            LogSumExp = logSumExp,
            TargetLogit = targetLogit,
            Entropy = entropy,
            ArgMax = argMax,
        };
        CrossEntropy.Forward<TLogit, int>(logits, golden.Targets, golden.VocabularySize, outputs, golden.Options);
        CheckTokens(golden, loss, logSumExp, entropy, argMax, bounds);
        targetLogit.Should().Equal(golden.Targets.Select((target, token) => target == golden.Options.IgnoreIndex
            ? 0
            : double.CreateChecked(logits[(token * golden.VocabularySize) + target])));

        // The gradient of PyTorch from the log-sum-exp of PyTorch.
        double[] tokenScale = [.. Enumerable.Repeat(golden.GradientScale, tokens)];
        Array.Clear(gradient);
        CrossEntropy.Backward<TLogit, int>(
            logits, golden.Targets, golden.VocabularySize, golden.LogSumExp, tokenScale, gradient, golden.Options);
        Closeness.ShouldBeClose([.. gradient.Select(double.CreateChecked)], golden.Gradient, bounds.Gradient);
    }

    private static void CheckReduced(Golden golden, double languageModelLoss, double total, Bounds bounds)
    {
        double divided = Math.Max(1, golden.TokenCount) / golden.Divisor;
        Closeness.ShouldBeClose(
            [languageModelLoss],
            [golden.LanguageModelLoss],
            _ => divided * bounds.Loss(golden.LanguageModelLoss / divided));
        Closeness.ShouldBeClose(
            [total],
            [golden.Total],
            _ => (Math.Abs(golden.PtxCoefficient) * divided * bounds.Loss(golden.LanguageModelLoss / divided)) + Rounding(golden.Total));
    }

    private static void CheckTokens(
        Golden golden, double[] loss, double[] logSumExp, double[] entropy, int[] argMax, Bounds bounds)
    {
        Closeness.ShouldBeClose(loss, golden.TokenLoss, token => bounds.Loss(golden.TokenLoss[token]));
        Closeness.ShouldBeClose(
            logSumExp, golden.LogSumExp, token => bounds.Loss(0) + Rounding(golden.LogSumExp[token]));
        Closeness.ShouldBeClose(entropy, golden.Entropy, token => 2 * bounds.Loss(golden.Entropy[token]));
        argMax.Should().Equal(golden.ArgMax);
    }

    private static PtxLossResult Compute<TLogit>(Golden golden, TLogit[] logits)
        where TLogit : unmanaged
        => PtxLoss.Compute<TLogit, int>(
            golden.RlLoss, logits, golden.Targets, golden.VocabularySize, golden.PtxCoefficient, golden.Options);

    private static ScalarReference Reference<TLogit>(Golden golden, TLogit[] logits)
        where TLogit : unmanaged, INumberBase<TLogit>
        => ScalarReference.Compute<TLogit, int>(
            golden.RlLoss, logits, golden.Targets, golden.VocabularySize, golden.PtxCoefficient, golden.Options);

    /// <summary>A few roundings of a number of this size to double.</summary>
    private static double Rounding(double size) => 4 * Math.Pow(2, -53) * Math.Abs(size);

    /// <summary>How far from the golden a result may be.</summary>
    /// <param name="Loss">The bound on a token's loss, given the loss.</param>
    /// <param name="Gradient">The bound on a gradient, given its index.</param>
    private sealed record Bounds(Func<double, double> Loss, Func<int, double> Gradient)
    {
        /// <summary>
        /// The contract's 1e-6 on a loss, absolute up to 100 and relative beyond. A probability is off by the rounding of
        /// x − lse (2⁻²⁴ of at most 104, beyond which it is 0) and of its exponential, less than 1e-5 of itself.
        /// </summary>
        public static Bounds OfFloat(Golden golden) => new(
            loss => 1e-6 * Math.Max(1, Math.Abs(loss) / 100),
            OfGradient(golden, probability: 1e-5, smallestNormal: 1.2e-38, loss: 1e-6));

        /// <summary>
        /// 1e-12, relative above 1, and the rounding of a log-sum-exp, which a loss lse − x inherits at the size of the logits
        /// however small it is itself; PyTorch, which subtracts the maximum first, does not have it. Beside a term of 1, each
        /// addition to a sum of exponentials is off by up to half an ulp of 1.
        /// </summary>
        public static Bounds OfDouble(Golden golden)
        {
            double rounding = Rounding(golden.Magnitude);
            double sum = golden.VocabularySize * Math.Pow(2, -53);
            return new(
                loss => (1e-12 * Math.Max(1, Math.Abs(loss))) + rounding,
                OfGradient(golden, 1e-12 + rounding, smallestNormal: 2.3e-308, loss: sum + rounding));
        }

        /// <summary>
        /// scale·p is off by what p is off, relative to itself, unless it is so small that p is subnormal; at the target,
        /// scale·(exp(−loss) − 1) is off by what the loss is off, relative to the scale.
        /// </summary>
        private static Func<int, double> OfGradient(Golden golden, double probability, double smallestNormal, double loss)
        {
            double scale = Math.Abs(golden.GradientScale);
            return i => (probability * Math.Abs(golden.Gradient[i])) + ((1 + scale) * smallestNormal)
                + (i % golden.VocabularySize == golden.Targets[i / golden.VocabularySize] ? scale * loss : 0);
        }
    }
}
