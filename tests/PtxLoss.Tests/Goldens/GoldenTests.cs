using System.Numerics;
using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>
/// The library, and the reference that judges it elsewhere, against the seed's definition and PyTorch in float64.
/// </summary>
public class GoldenTests
{
    private const int MaxShortLength = SimdSoftmax<SimdFloat128, float, FloatFormat>.MaxShortLength;

    public static TheoryData<string> Names => [.. GoldenFile.Cases.Keys];

    public static TheoryData<string> NamesOfTheSeed
        => [.. GoldenFile.Cases.Values.Where(golden => golden.SeedTotal != null).Select(golden => golden.Name)];

    public static TheoryData<string> NamesOfProducts => [.. GoldenFile.Products.Keys];

    [Theory]
    [MemberData(nameof(NamesOfTheSeed))]
    public void Total_rounds_to_the_answer_of_the_seed(string name)
    {
        Golden golden = GoldenFile.Cases[name];
        double seedTotal = golden.SeedTotal!.Value;
        Math.Round(Reference(golden, golden.Logits).Total, 6).Should().Be(seedTotal);
        Math.Round(Compute(golden, TestData.ToDouble(golden.Logits)).Total, 6).Should().Be(seedTotal);

        // Beyond short rows, exponentials in float leave a loss off by up to the contract's 1e-6, which moves the sixth digit
        // only of a total that is this near to where its rounding turns.
        double doubt = golden.VocabularySize <= MaxShortLength ? 0 : golden.PtxCoefficient * 1e-6;
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
            CheckReduced(golden, reference.LanguageModelLoss, reference.ZLoss, reference.Total, bounds);
            CheckTokens(
                golden, reference.Loss, reference.LogSumExp, reference.TargetLogit, reference.Entropy, reference.ArgMax, bounds);
            double[] gradient = golden.Options.AccumulateGradient
                ? [.. reference.Gradient.Zip(golden.InitialGradient, (added, initial) => initial + added)]
                : reference.Gradient;
            Closeness.ShouldBeClose(gradient, golden.Gradient, bounds.Gradient);
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

    [Theory]
    [MemberData(nameof(NamesOfProducts))]
    public void Products_of_the_reference(string name)
    {
        GoldenProduct golden = GoldenFile.Products[name];
        GoldenOutputGradients by = golden.ByOutput;
        ScalarReference reference = ScalarReference.Compute<float, int>(
            rlLoss: 0,
            golden.Logits,
            golden.Targets,
            golden.VocabularySize,
            ptxCoefficient: 1,
            golden.Options with { Reduction = LossReduction.Sum },
            sequenceLength: golden.SequenceLength);
        Bounds bounds = Bounds.OfDouble(golden);
        CheckForward(golden, reference.LogSumExp, reference.Entropy, bounds);
        double[] gradient = [.. golden.Logits.Select((_, i) =>
            Product(by.Loss, reference.Gradient, i)
            + Product(by.LogSumExp, reference.LogSumExpGradient, i)
            + Product(by.Entropy, reference.EntropyGradient, i)
            + (golden.InitialGradient.Length == 0 ? 0 : golden.InitialGradient[i]))];
        Closeness.ShouldBeClose(gradient, golden.Gradient, bounds.Gradient);

        // A gradient of 0 takes no part, nor does an ignored token, whatever the row holds.
        double Product(double[] gradients, double[] jacobian, int i)
            => gradients.ElementAtOrDefault(i / golden.VocabularySize) is var by
                && by != 0
                && golden.TargetOf(i / golden.VocabularySize) != null
                    ? by * jacobian[i]
                    : 0;
    }

    [Theory]
    [MemberData(nameof(NamesOfProducts))]
    public void Products_of_float_logits(string name)
    {
        GoldenProduct golden = GoldenFile.Products[name];
        CheckProduct(golden, golden.Logits, Bounds.OfFloat(golden));
    }

    [Theory]
    [MemberData(nameof(NamesOfProducts))]
    public void Products_of_double_logits(string name)
    {
        GoldenProduct golden = GoldenFile.Products[name];
        CheckProduct(golden, TestData.ToDouble(golden.Logits), Bounds.OfDouble(golden));
    }

    /// <summary>From the forward of PyTorch, and from the library's own.</summary>
    private static void CheckProduct<TLogit>(GoldenProduct golden, TLogit[] logits, Bounds bounds)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
    {
        CheckBackward(golden, logits, golden.LogSumExp, golden.Entropy, bounds);

        double[] logSumExp = new double[golden.Targets.Length], entropy = new double[golden.Targets.Length];
        Forward(golden, logits, new CrossEntropyOutputs { LogSumExp = logSumExp, Entropy = entropy });
        CheckForward(golden, logSumExp, entropy, bounds);
        CheckBackward(golden, logits, logSumExp, entropy, bounds);
    }

    private static void CheckLibrary<TLogit>(Golden golden, TLogit[] logits, Bounds bounds)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
    {
        TLogit[] gradient = InitialGradient(golden, logits);
        PtxLossResult result = golden.Options.ShiftTargets
            ? PtxLoss.ComputeWithGradient(
                golden.RlLoss,
                LogitsTensor(golden, logits),
                TargetsTensor(golden),
                golden.PtxCoefficient,
                LogitsTensor(golden, gradient),
                golden.Options,
                golden.TokenWeights)
            : PtxLoss.ComputeWithGradient<TLogit, int>(
                golden.RlLoss,
                logits,
                golden.Targets,
                golden.VocabularySize,
                golden.PtxCoefficient,
                gradient,
                golden.Options,
                golden.TokenWeights);
        result.Should().Be(Compute(golden, logits), "the gradient must not change the loss");
        result.TokenCount.Should().Be(golden.TokenCount);
        CheckReduced(golden, result.LanguageModelLoss, result.ZLoss, result.Total, bounds);
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

        Forward(golden, logits, outputs);
        CheckTokens(golden, loss, logSumExp, targetLogit, entropy, argMax, bounds);

        // The gradient of PyTorch from the log-sum-exp of PyTorch; the z-loss is a gradient of it.
        CheckBackward(golden, logits, golden.LogSumExp, entropy: [], bounds);
    }

    private static void CheckBackward<TLogit>(
        GoldenCase golden, TLogit[] logits, double[] logSumExp, double[] entropy, Bounds bounds)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
    {
        TLogit[] gradient = InitialGradient(golden, logits);
        GoldenOutputGradients by = golden.ByOutput;
        var forward = new CrossEntropyOutputs { LogSumExp = logSumExp, Entropy = entropy };
        var gradients = new CrossEntropyOutputGradients { Loss = by.Loss, LogSumExp = by.LogSumExp, Entropy = by.Entropy };
        if (golden.Options.ShiftTargets)
        {
            ReadOnlyTensorSpan<TLogit> rows = LogitsTensor(golden, logits);
            ReadOnlyTensorSpan<int> targets = TargetsTensor(golden);
            CrossEntropy.Backward(in rows, in targets, forward, gradients, LogitsTensor(golden, gradient), PerToken(golden));
        }
        else
        {
            CrossEntropy.Backward<TLogit, int>(
                logits, golden.Targets, golden.VocabularySize, forward, gradients, gradient, PerToken(golden));
        }

        Closeness.ShouldBeClose([.. gradient.Select(double.CreateChecked)], golden.Gradient, bounds.Gradient);
    }

    private static void Forward<TLogit>(GoldenCase golden, TLogit[] logits, CrossEntropyOutputs outputs)
        where TLogit : unmanaged
    {
        if (golden.Options.ShiftTargets)
        {
            ReadOnlyTensorSpan<TLogit> rows = LogitsTensor(golden, logits);
            ReadOnlyTensorSpan<int> targets = TargetsTensor(golden);
            CrossEntropy.Forward(in rows, in targets, outputs, PerToken(golden));
        }
        else
        {
            CrossEntropy.Forward<TLogit, int>(logits, golden.Targets, golden.VocabularySize, outputs, PerToken(golden));
        }
    }

    private static PtxLossOptions PerToken(GoldenCase golden)
        => golden.Options with { Reduction = LossReduction.Mean, Denominator = null, ZLossCoefficient = 0 };

    private static TLogit[] InitialGradient<TLogit>(GoldenCase golden, TLogit[] logits)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
        => golden.Options.AccumulateGradient
            ? [.. golden.InitialGradient.Select(TLogit.CreateChecked)]
            : new TLogit[logits.Length];

    private static void CheckForward(GoldenCase golden, double[] logSumExp, double[] entropy, Bounds bounds)
    {
        Closeness.ShouldBeClose(logSumExp, golden.LogSumExp, token => bounds.LogSumExp(golden.LogSumExp[token]));
        Closeness.ShouldBeClose(entropy, golden.Entropy, token => 2 * bounds.Loss(golden.Entropy[token]));
    }

    private static void CheckReduced(Golden golden, double languageModelLoss, double zLoss, double total, Bounds bounds)
    {
        double divided = golden.Weight / golden.Divisor;
        double largest = golden.LogSumExp.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        double ofLoss = divided * bounds.Loss(golden.LanguageModelLoss / divided);
        double ofZLoss = divided * 2 * largest * bounds.LogSumExp(largest);
        Closeness.ShouldBeClose([languageModelLoss], [golden.LanguageModelLoss], _ => ofLoss);
        Closeness.ShouldBeClose([zLoss], [golden.ZLoss], _ => ofZLoss);
        double ofText = ofLoss + (golden.Options.ZLossCoefficient * ofZLoss);
        Closeness.ShouldBeClose(
            [total], [golden.Total], _ => (Math.Abs(golden.PtxCoefficient) * ofText) + Rounding(golden.Total));
    }

    private static void CheckTokens(
        Golden golden,
        double[] loss,
        double[] logSumExp,
        double[] targetLogit,
        double[] entropy,
        int[] argMax,
        Bounds bounds)
    {
        Closeness.ShouldBeClose(loss, golden.TokenLoss, token => bounds.Loss(golden.TokenLoss[token]));
        CheckForward(golden, logSumExp, entropy, bounds);
        Closeness.ShouldBeClose(
            targetLogit,
            [.. golden.Targets.Select((_, token) => golden.TargetOf(token) is { } target ? golden.LogitOf(token, target) : 0)],
            token => golden.Options.LogitSoftCap == 0 ? 0 : bounds.LogSumExp(targetLogit[token]));
        argMax.Should().Equal(golden.ArgMax);
    }

    private static PtxLossResult Compute<TLogit>(Golden golden, TLogit[] logits)
        where TLogit : unmanaged
        => golden.Options.ShiftTargets
            ? PtxLoss.Compute(
                golden.RlLoss,
                LogitsTensor(golden, logits),
                TargetsTensor(golden),
                golden.PtxCoefficient,
                golden.Options,
                golden.TokenWeights)
            : PtxLoss.Compute<TLogit, int>(
                golden.RlLoss,
                logits,
                golden.Targets,
                golden.VocabularySize,
                golden.PtxCoefficient,
                golden.Options,
                golden.TokenWeights);

    private static Tensor<TLogit> LogitsTensor<TLogit>(GoldenCase golden, TLogit[] logits)
        => Tensor.Create(logits, [.. LeadingShape(golden), golden.VocabularySize]);

    private static Tensor<int> TargetsTensor(GoldenCase golden) => Tensor.Create(golden.Targets, LeadingShape(golden));

    private static nint[] LeadingShape(GoldenCase golden)
        => golden.SequenceLength == 0
            ? [golden.Targets.Length]
            : [golden.Targets.Length / golden.SequenceLength, golden.SequenceLength];

    private static ScalarReference Reference<TLogit>(Golden golden, TLogit[] logits)
        where TLogit : unmanaged, INumberBase<TLogit>
        => ScalarReference.Compute<TLogit, int>(
            golden.RlLoss,
            logits,
            golden.Targets,
            golden.VocabularySize,
            golden.PtxCoefficient,
            golden.Options,
            golden.TokenWeights,
            golden.SequenceLength);

    /// <summary>A few roundings of a number of this size to double.</summary>
    private static double Rounding(double size) => 4 * Math.Pow(2, -53) * Math.Abs(size);

    /// <summary>How far from the golden a result may be.</summary>
    /// <param name="Loss">The bound on a token's loss, given the loss.</param>
    /// <param name="Gradient">The bound on a gradient, given its index.</param>
    private sealed record Bounds(Func<double, double> Loss, Func<int, double> Gradient)
    {
        public double LogSumExp(double logSumExp) => Loss(0) + Rounding(logSumExp);

        /// <summary>
        /// The contract's 1e-6 on a loss, absolute up to 100 and relative beyond. A probability is off by the rounding of
        /// x − lse (2⁻²⁴ of at most 104, beyond which it is 0) and of its exponential, less than 1e-5 of itself.
        /// </summary>
        public static Bounds OfFloat(GoldenCase golden) => new(
            loss => 1e-6 * Math.Max(1, Math.Abs(loss) / 100),
            OfGradient(golden, probability: 1e-5, smallestNormal: 1.2e-38, loss: 1e-6, addition: Math.Pow(2, -22)));

        /// <summary>
        /// 1e-12, relative above 1, and the rounding of a log-sum-exp, which a loss lse − x inherits at the size of the logits
        /// however small it is itself; PyTorch, which subtracts the maximum first, does not have it. Beside a term of 1, each
        /// addition to a sum of exponentials is off by up to half an ulp of 1.
        /// </summary>
        public static Bounds OfDouble(GoldenCase golden)
        {
            double rounding = Rounding(golden.Magnitude);
            double sum = golden.VocabularySize * Math.Pow(2, -53);
            return new(
                loss => (1e-12 * Math.Max(1, Math.Abs(loss))) + rounding,
                OfGradient(golden, 1e-12 + rounding, smallestNormal: 2.3e-308, loss: sum + rounding, addition: Math.Pow(2, -51)));
        }

        /// <summary>
        /// scale·p is off by what p is off, relative to itself, unless it is so small that p is subnormal; at the target,
        /// scale·(exp(−loss) − 1) is off by what the loss is off, relative to the scale. A gradient of the log-sum-exp, as of a
        /// z-loss, makes more of p, smoothing subtracts a share from it, which leaves their error in a smaller number, and a soft
        /// cap only lessens them all. A gradient of the entropy multiplies p with H + log p, each off by what p is off relative
        /// to itself. The scale of the logits is a factor of all. What the gradient is added to costs a rounding of the sum.
        /// </summary>
        private static Func<int, double> OfGradient(
            GoldenCase golden, double probability, double smallestNormal, double loss, double addition)
        {
            GoldenOutputGradients by = golden.ByOutput;
            double[] share = [.. golden.Logits.Chunk(golden.VocabularySize).Select(
                row => golden.Options.LabelSmoothing / Math.Max(1, row.Count(x => !float.IsNegativeInfinity(x))))];
            return i =>
            {
                (int token, int id) = Math.DivRem(i, golden.VocabularySize);
                double scale = Size(by.Loss), logSumExp = golden.LogSumExp[token];
                double slope = (scale * (1 + (2 * golden.Options.ZLossCoefficient))) + Size(by.LogSumExp);
                double initial = golden.InitialGradient.Length == 0 ? 0 : golden.InitialGradient[i];
                bool isTarget = id == golden.TargetOf(token);
                double logProbability = golden.LogitOf(token, id) - logSumExp;
                double ofEntropy = double.IsInfinity(logProbability)
                    ? 0
                    : Size(by.Entropy) * (1 + golden.Entropy[token] + Math.Abs(logProbability));
                double size = isTarget
                    ? Math.Abs(golden.Gradient[i] - initial) / golden.Options.LogitScale
                    : slope * Math.Exp(logProbability);
                double ofOutputs = (probability * (size + (scale * share[token]) + (ofEntropy * Math.Exp(logProbability))))
                    + (isTarget ? slope * loss : 0)
                    + ((slope + ofEntropy) * smallestNormal);
                return (golden.Options.LogitScale * ofOutputs)
                    + smallestNormal
                    + (initial == 0 ? 0 : addition * Math.Abs(golden.Gradient[i]));

                double Size(double[] gradients) => Math.Abs(gradients.ElementAtOrDefault(token));
            };
        }
    }
}
