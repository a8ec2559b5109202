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
        GoldenBounds bounds = GoldenBounds.OfDouble(golden);
        foreach (ScalarReference reference in new[] { ofFloat, ofDouble })
        {
            CheckParts(golden, GoldenParts.Of(reference, golden.Options), bounds);
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
        CheckLibrary(golden, golden.Logits, GoldenBounds.OfFloat(golden));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Double_logits(string name)
    {
        Golden golden = GoldenFile.Cases[name];
        CheckLibrary(golden, TestData.ToDouble(golden.Logits), GoldenBounds.OfDouble(golden));
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
        GoldenBounds bounds = GoldenBounds.OfDouble(golden);
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
                && golden.Counts(i / golden.VocabularySize)
                    ? by * jacobian[i]
                    : 0;
    }

    [Theory]
    [MemberData(nameof(NamesOfProducts))]
    public void Products_of_float_logits(string name)
    {
        GoldenProduct golden = GoldenFile.Products[name];
        CheckProduct(golden, golden.Logits, GoldenBounds.OfFloat(golden));
    }

    [Theory]
    [MemberData(nameof(NamesOfProducts))]
    public void Products_of_double_logits(string name)
    {
        GoldenProduct golden = GoldenFile.Products[name];
        CheckProduct(golden, TestData.ToDouble(golden.Logits), GoldenBounds.OfDouble(golden));
    }

    /// <summary>From the forward of PyTorch, and from the library's own.</summary>
    private static void CheckProduct<TLogit>(GoldenProduct golden, TLogit[] logits, GoldenBounds bounds)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
    {
        CheckBackward(golden, logits, golden.LogSumExp, golden.Entropy, bounds);

        double[] logSumExp = new double[golden.Tokens], entropy = new double[golden.Tokens];
        Forward(golden, logits, new CrossEntropyOutputs { LogSumExp = logSumExp, Entropy = entropy });
        CheckForward(golden, logSumExp, entropy, bounds);
        CheckBackward(golden, logits, logSumExp, entropy, bounds);
    }

    private static void CheckLibrary<TLogit>(Golden golden, TLogit[] logits, GoldenBounds bounds)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
    {
        TLogit[] gradient = InitialGradient(golden, logits);
        PtxLossResult result = ComputeWithGradient(golden, logits, gradient);
        result.Should().Be(Compute(golden, logits), "the gradient must not change the loss");
        CheckParts(golden, GoldenParts.Of(result), bounds);
        Closeness.ShouldBeClose([.. gradient.Select(double.CreateChecked)], golden.Gradient, bounds.Gradient);
        if (golden.IdsPerToken > 0)
        {
            return; // nothing of soft targets is per token
        }

        int tokens = golden.Tokens;
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
        GoldenCase golden, TLogit[] logits, double[] logSumExp, double[] entropy, GoldenBounds bounds)
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
        => golden.Options with
        {
            Reduction = LossReduction.Mean,
            Denominator = null,
            ZLossCoefficient = 0,
            TargetWeighting = TargetWeighting.Uniform,
            Statistics = LossStatistics.None,
        };

    private static TLogit[] InitialGradient<TLogit>(GoldenCase golden, TLogit[] logits)
        where TLogit : unmanaged, IFloatingPointIeee754<TLogit>
        => golden.Options.AccumulateGradient
            ? [.. golden.InitialGradient.Select(TLogit.CreateChecked)]
            : new TLogit[logits.Length];

    private static void CheckForward(GoldenCase golden, double[] logSumExp, double[] entropy, GoldenBounds bounds)
    {
        Closeness.ShouldBeClose(logSumExp, golden.LogSumExp, token => bounds.LogSumExp(golden.LogSumExp[token]));
        Closeness.ShouldBeClose(entropy, golden.Entropy, token => bounds.Entropy(golden.Entropy[token]));
    }

    private static void CheckParts(Golden golden, GoldenParts parts, GoldenBounds bounds)
        => parts.Check(
            golden,
            token => bounds.Loss(golden.TokenLoss[token]),
            token => bounds.LogSumExp(golden.LogSumExp[token]),
            token => bounds.Entropy(golden.Entropy[token]),
            token => bounds.Loss(golden.HardLossOf(token)));

    private static void CheckTokens(
        Golden golden,
        double[] loss,
        double[] logSumExp,
        double[] targetLogit,
        double[] entropy,
        int[] argMax,
        GoldenBounds bounds)
    {
        Closeness.ShouldBeClose(loss, golden.TokenLoss, token => bounds.Loss(golden.TokenLoss[token]));
        CheckForward(golden, logSumExp, entropy, bounds);
        Closeness.ShouldBeClose(
            targetLogit,
            [.. Enumerable.Range(0, golden.Tokens).Select(
                token => golden.TargetsOf(token) is [var first, ..] ? golden.LogitOf(token, first.Id) : 0)],
            token => golden.Options.LogitSoftCap == 0 ? 0 : bounds.LogSumExp(targetLogit[token]));
        argMax.Should().Equal(golden.ArgMax);
    }

    private static PtxLossResult Compute<TLogit>(Golden golden, TLogit[] logits)
        where TLogit : unmanaged
        => golden.IdsPerToken > 0
            ? PtxLoss.Compute<TLogit, int>(
                golden.RlLoss,
                logits,
                new SoftTargets<int>(golden.Ids, golden.Probabilities, golden.IdsPerToken),
                golden.VocabularySize,
                golden.PtxCoefficient,
                golden.Options,
                golden.TokenWeights)
            : golden.Options.ShiftTargets
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

    private static PtxLossResult ComputeWithGradient<TLogit>(Golden golden, TLogit[] logits, TLogit[] gradient)
        where TLogit : unmanaged
        => golden.IdsPerToken > 0
            ? PtxLoss.ComputeWithGradient<TLogit, int>(
                golden.RlLoss,
                logits,
                new SoftTargets<int>(golden.Ids, golden.Probabilities, golden.IdsPerToken),
                golden.VocabularySize,
                golden.PtxCoefficient,
                gradient,
                golden.Options,
                golden.TokenWeights)
            : golden.Options.ShiftTargets
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
            golden.IdsPerToken > 0 ? golden.Ids : golden.Targets,
            golden.VocabularySize,
            golden.PtxCoefficient,
            golden.Options,
            golden.TokenWeights,
            golden.SequenceLength,
            golden.Probabilities,
            golden.IdsPerToken);
}
