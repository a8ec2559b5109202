using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>
/// The calls from hidden states, and the reference on the logits that they make, against PyTorch in float64.
/// </summary>
public class GoldenHeadTests
{
    public static TheoryData<string> Names => [.. GoldenFile.HeadCases.Keys];

    public static TheoryData<string> NamesOf16Bits
        => [.. GoldenFile.HeadCases.Values.Where(golden => golden.Head!.Element != "float").Select(golden => golden.Name)];

    public static TheoryData<string> NamesOfTheSeed
        => [.. GoldenFile.HeadCases.Values.Where(golden => golden.SeedTotal != null).Select(golden => golden.Name)];

    public static TheoryData<string> NamesOfProducts => [.. GoldenFile.HeadProducts.Keys];

    public static TheoryData<string> NamesOfProductsOf16Bits
        => [.. GoldenFile.HeadProducts.Values.Where(golden => golden.Head!.Element != "float").Select(golden => golden.Name)];

    [Theory]
    [MemberData(nameof(NamesOfTheSeed))]
    public void Total_rounds_to_the_answer_of_the_seed(string name)
    {
        Golden golden = GoldenFile.HeadCases[name];
        double seedTotal = golden.SeedTotal!.Value;
        Math.Round(Reference(golden).Total, 6).Should().Be(seedTotal);

        // Sums in float move the sixth digit only of a total that is this near to where its rounding turns.
        GoldenHeadBounds bounds = GoldenHeadBounds.OfFloat(golden);
        double doubt = Math.Abs(golden.PtxCoefficient)
            * golden.TokenLoss.Select((loss, token) => bounds.Loss(token, loss)).DefaultIfEmpty().Max();
        if (Math.Round(golden.Total - doubt, 6).Equals(Math.Round(golden.Total + doubt, 6)))
        {
            Math.Round(Compute(golden, new Inputs<float>(golden)).Total, 6).Should().Be(seedTotal);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_reference(string name)
    {
        Golden golden = GoldenFile.HeadCases[name];
        GoldenHeadBounds bounds = GoldenHeadBounds.OfDouble(golden);
        ScalarReference reference = Reference(golden);
        CheckParts(golden, GoldenParts.Of(reference, golden.Options), bounds);
        Closeness.ShouldBeClose(reference.Loss, golden.TokenLoss, token => bounds.Loss(token, golden.TokenLoss[token]));
        CheckForward(golden, reference.LogSumExp, reference.TargetLogit, reference.Entropy, bounds);
        reference.ArgMax.Should().Equal(golden.ArgMax);
        CheckReferenceGradients(golden, reference.Gradient, bounds);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Losses(string name)
    {
        Golden golden = GoldenFile.HeadCases[name];
        ElementNames.Run(golden.Head!.Element, new LossCase(golden));
    }

    [Theory]
    [MemberData(nameof(NamesOf16Bits))]
    public void Losses_of_the_same_numbers_in_float(string name)
        => CheckLoss<float>(GoldenFile.HeadCases[name]);

    [Theory]
    [MemberData(nameof(NamesOfProducts))]
    public void Products_of_the_reference(string name)
    {
        GoldenProduct golden = GoldenFile.HeadProducts[name];
        GoldenHeadBounds bounds = GoldenHeadBounds.OfDouble(golden);
        if (golden.Options.VocabularyStart != null)
        {
            return; // the reference is one of whole rows
        }

        ScalarReference reference = ScalarReference.Compute<double, int>(
            0,
            Logits(golden),
            golden.Targets,
            golden.VocabularySize,
            1,
            golden.Options with { Reduction = LossReduction.Sum });
        CheckForward(golden, reference.LogSumExp, reference.TargetLogit, reference.Entropy, bounds);
        GoldenOutputGradients by = golden.ByOutput;
        CheckReferenceGradients(
            golden,
            [.. reference.Gradient.Select((_, i) =>
                Product(by.Loss, reference.Gradient, i)
                + Product(by.LogSumExp, reference.LogSumExpGradient, i)
                + Product(by.Entropy, reference.EntropyGradient, i))],
            bounds);

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
    public void Products(string name)
    {
        GoldenProduct golden = GoldenFile.HeadProducts[name];
        ElementNames.Run(golden.Head!.Element, new ProductCase(golden));
    }

    [Theory]
    [MemberData(nameof(NamesOfProductsOf16Bits))]
    public void Products_of_the_same_numbers_in_float(string name)
        => CheckProduct<float>(GoldenFile.HeadProducts[name]);

    private sealed record LossCase(Golden Golden) : IElementCase<bool>
    {
        public bool Run<TElement>()
            where TElement : unmanaged
        {
            CheckLoss<TElement>(Golden);
            return true;
        }
    }

    private sealed record ProductCase(GoldenProduct Golden) : IElementCase<bool>
    {
        public bool Run<TElement>()
            where TElement : unmanaged
        {
            CheckProduct<TElement>(Golden);
            return true;
        }
    }

    private static void CheckLoss<TElement>(Golden golden)
        where TElement : unmanaged
    {
        CheckLoss<TElement>(golden, golden.Options);
        CheckLoss<TElement>(golden, OneTokenAtATime(golden));
    }

    private static void CheckProduct<TElement>(GoldenProduct golden)
        where TElement : unmanaged
    {
        CheckProduct<TElement>(golden, golden.Options);
        CheckProduct<TElement>(golden, OneTokenAtATime(golden));
    }

    private static PtxLossOptions OneTokenAtATime(GoldenCase golden)
        => golden.Options with { MaxScratchBytes = HeadScratch.Needed(1, golden.VocabularySize, golden.Head!.HiddenSize) };

    private static void CheckLoss<TElement>(Golden golden, PtxLossOptions options)
        where TElement : unmanaged
    {
        golden = golden with { Options = options };
        GoldenHeadBounds bounds = GoldenHeadBounds.OfFloat(golden);
        var inputs = new Inputs<TElement>(golden);
        var outputs = new Outputs<TElement>(golden);
        PtxLossResult result = ComputeWithGradient(golden, inputs, outputs);
        result.Should().Be(Compute(golden, inputs), "the gradient must not change the loss");
        CheckParts(golden, GoldenParts.Of(result), bounds);
        outputs.Check(bounds);
        if (golden.IdsPerToken > 0)
        {
            return; // nothing of soft targets is per token
        }

        int tokens = golden.Tokens;
        double[] loss = new double[tokens], logSumExp = new double[tokens], targetLogit = new double[tokens];
        double[] entropy = new double[tokens];
        int[] argMax = new int[tokens];
        Forward(
            golden,
            inputs,
            new() { Loss = loss, LogSumExp = logSumExp, TargetLogit = targetLogit, Entropy = entropy, ArgMax = argMax });
        Closeness.ShouldBeClose(loss, golden.TokenLoss, token => bounds.Loss(token, golden.TokenLoss[token]));
        CheckForward(golden, logSumExp, targetLogit, entropy, bounds);
        argMax.Should().Equal(golden.ArgMax);

        // The gradient of PyTorch from the log-sum-exp of PyTorch; the z-loss is a gradient of it.
        CheckBackward(golden, inputs, golden.LogSumExp, entropy: [], bounds);
    }

    /// <summary>From the forward of PyTorch, and, where it is of whole rows, from the library's own.</summary>
    private static void CheckProduct<TElement>(GoldenProduct golden, PtxLossOptions options)
        where TElement : unmanaged
    {
        golden = golden with { Options = options };
        GoldenHeadBounds bounds = GoldenHeadBounds.OfFloat(golden);
        var inputs = new Inputs<TElement>(golden);
        CheckBackward(golden, inputs, golden.LogSumExp, golden.Entropy, bounds);

        int tokens = golden.Tokens;
        double[] logSumExp = new double[tokens], targetLogit = new double[tokens], entropy = new double[tokens];
        int[] argMax = new int[tokens];
        Forward(
            golden, inputs, new() { LogSumExp = logSumExp, TargetLogit = targetLogit, Entropy = entropy, ArgMax = argMax });
        if (golden.Options.VocabularyStart == null)
        {
            CheckForward(golden, logSumExp, targetLogit, entropy, bounds);
            CheckBackward(golden, inputs, logSumExp, entropy, bounds);
            return;
        }

        // Of the shard: what these say of the whole is as far off.
        CheckForward(
            golden with { LogSumExp = golden.ShardLogSumExp, Entropy = golden.ShardEntropy },
            logSumExp,
            targetLogit,
            entropy,
            bounds);
        argMax.Should().Equal(golden.ArgMax);
    }

    private static void CheckBackward<TElement>(
        GoldenCase golden,
        Inputs<TElement> inputs,
        double[] logSumExp,
        double[] entropy,
        GoldenHeadBounds bounds)
        where TElement : unmanaged
    {
        GoldenOutputGradients by = golden.ByOutput;
        var outputs = new Outputs<TElement>(golden);
        CrossEntropy.BackwardFromHidden<TElement, int>(
            inputs.Hidden,
            inputs.Weight,
            golden.Targets,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            new() { Loss = by.Loss, LogSumExp = by.LogSumExp, Entropy = by.Entropy },
            outputs.Gradients,
            PerToken(golden),
            inputs.Bias);
        outputs.Check(bounds);
    }

    private static void Forward<TElement>(GoldenCase golden, Inputs<TElement> inputs, CrossEntropyOutputs outputs)
        where TElement : unmanaged
        => CrossEntropy.ForwardFromHidden<TElement, int>(
            inputs.Hidden, inputs.Weight, golden.Targets, outputs, PerToken(golden), inputs.Bias);

    private static PtxLossOptions PerToken(GoldenCase golden)
        => golden.Options with
        {
            Reduction = LossReduction.Mean,
            Denominator = null,
            ZLossCoefficient = 0,
            TargetWeighting = TargetWeighting.Uniform,
            Statistics = LossStatistics.None,
        };

    private static void CheckParts(Golden golden, GoldenParts parts, GoldenHeadBounds bounds)
        => parts.Check(
            golden,
            token => bounds.Loss(token, golden.TokenLoss[token]),
            bounds.LogSumExp,
            token => bounds.Entropy(token, golden.Entropy[token]),
            bounds.HardLoss);

    private static void CheckForward(
        GoldenCase golden, double[] logSumExp, double[] targetLogit, double[] entropy, GoldenHeadBounds bounds)
    {
        Closeness.ShouldBeClose(logSumExp, golden.LogSumExp, bounds.LogSumExp);
        Closeness.ShouldBeClose(
            targetLogit,
            [.. Enumerable.Range(0, golden.Tokens).Select(
                token => golden.TargetsOf(token) is [var first, ..] ? golden.LogitOf(token, first.Id) : 0)],
            bounds.TargetLogit);
        Closeness.ShouldBeClose(entropy, golden.Entropy, token => bounds.Entropy(token, golden.Entropy[token]));
    }

    /// <summary>What the gradient of the logits makes of hidden states, weight and bias.</summary>
    private static void CheckReferenceGradients(GoldenCase golden, double[] ofLogits, GoldenHeadBounds bounds)
    {
        GoldenHead head = golden.Head!;
        int size = head.HiddenSize;
        double[] hidden = new double[head.Hidden.Length];
        double[] weight = Initial(head.InitialWeightGradient, head.Weight.Length);
        double[] bias = Initial(head.InitialBiasGradient, head.Bias.Length);
        for (int i = 0; i < ofLogits.Length; i++)
        {
            (int token, int id) = Math.DivRem(i, golden.VocabularySize);
            for (int k = 0; k < size && ofLogits[i] != 0; k++)
            {
                hidden[(token * size) + k] += ofLogits[i] * head.Weight[(id * size) + k];
                weight[(id * size) + k] += ofLogits[i] * head.Hidden[(token * size) + k];
            }

            if (bias.Length > 0)
            {
                bias[id] += ofLogits[i];
            }
        }

        Closeness.ShouldBeClose(hidden, head.HiddenGradient, i => bounds.Hidden(i, Math.Pow(2, -53), 1e-300));
        Closeness.ShouldBeClose(weight, head.WeightGradient, bounds.Weight);
        Closeness.ShouldBeClose(bias, head.BiasGradient, bounds.Bias);

        static double[] Initial(float[] values, int length)
            => values.Length == 0 ? new double[length] : TestData.ToDouble(values);
    }

    private static ScalarReference Reference(Golden golden)
        => ScalarReference.Compute<double, int>(
            golden.RlLoss,
            Logits(golden),
            golden.IdsPerToken > 0 ? golden.Ids : golden.Targets,
            golden.VocabularySize,
            golden.PtxCoefficient,
            golden.Options,
            golden.TokenWeights,
            probabilities: golden.Probabilities,
            idsPerToken: golden.IdsPerToken);

    private static double[] Logits(GoldenCase golden)
        => [.. Enumerable.Range(0, golden.Tokens * golden.VocabularySize).Select(
            i => golden.Head!.LogitOf(i / golden.VocabularySize, i % golden.VocabularySize))];

    private static PtxLossResult Compute<TElement>(Golden golden, Inputs<TElement> inputs)
        where TElement : unmanaged
        => golden.IdsPerToken > 0
            ? PtxLoss.ComputeFromHidden<TElement, int>(
                golden.RlLoss,
                inputs.Hidden,
                inputs.Weight,
                new SoftTargets<int>(golden.Ids, golden.Probabilities, golden.IdsPerToken),
                golden.PtxCoefficient,
                golden.Options,
                inputs.Bias,
                golden.TokenWeights)
            : PtxLoss.ComputeFromHidden<TElement, int>(
                golden.RlLoss,
                inputs.Hidden,
                inputs.Weight,
                golden.Targets,
                golden.PtxCoefficient,
                golden.Options,
                inputs.Bias,
                golden.TokenWeights);

    private static PtxLossResult ComputeWithGradient<TElement>(Golden golden, Inputs<TElement> inputs, Outputs<TElement> outputs)
        where TElement : unmanaged
        => golden.IdsPerToken > 0
            ? PtxLoss.ComputeFromHiddenWithGradient<TElement, int>(
                golden.RlLoss,
                inputs.Hidden,
                inputs.Weight,
                new SoftTargets<int>(golden.Ids, golden.Probabilities, golden.IdsPerToken),
                golden.PtxCoefficient,
                outputs.Gradients,
                golden.Options,
                inputs.Bias,
                golden.TokenWeights)
            : PtxLoss.ComputeFromHiddenWithGradient<TElement, int>(
                golden.RlLoss,
                inputs.Hidden,
                inputs.Weight,
                golden.Targets,
                golden.PtxCoefficient,
                outputs.Gradients,
                golden.Options,
                inputs.Bias,
                golden.TokenWeights);

    /// <summary>A head in memory.</summary>
    private sealed class Inputs<TElement>
        where TElement : unmanaged
    {
        public Inputs(GoldenCase golden)
        {
            GoldenHead head = golden.Head!;
            Hidden = Tensor.Create(Exactly(head.Hidden), [golden.Tokens, head.HiddenSize]);
            Weight = Tensor.Create(Exactly(head.Weight), [golden.VocabularySize, head.HiddenSize]);
            Bias = Exactly(head.Bias);
        }

        public Tensor<TElement> Hidden { get; }
        public Tensor<TElement> Weight { get; }
        public TElement[] Bias { get; }

        private static TElement[] Exactly(float[] values)
        {
            TElement[] elements = [.. values.Select(value => ElementConvert.FromDouble<TElement>(value))];
            elements.Select(ElementConvert.ToDouble).Should().Equal(TestData.ToDouble(values), "goldens are exact in their type");
            return elements;
        }
    }

    /// <summary>Gradients in memory: that of the hidden states holds anything before it is written, accumulated or not.</summary>
    private sealed class Outputs<TElement>
        where TElement : unmanaged
    {
        private readonly GoldenHead _head;
        private readonly Tensor<TElement> _hidden;
        private readonly Tensor<float> _weight;
        private readonly float[] _bias;

        public Outputs(GoldenCase golden)
        {
            _head = golden.Head!;
            TElement[] hidden = new TElement[_head.Hidden.Length];
            Array.Fill(hidden, ElementConvert.FromDouble<TElement>(77));
            _hidden = Tensor.Create(hidden, [golden.Tokens, _head.HiddenSize]);
            _weight = Tensor.Create(
                Before(_head.InitialWeightGradient, _head.Weight.Length), [golden.VocabularySize, _head.HiddenSize]);
            _bias = Before(_head.InitialBiasGradient, _head.Bias.Length);

            static float[] Before(float[] initial, int length)
                => initial.Length > 0 ? [.. initial] : [.. Enumerable.Repeat(77f, length)];
        }

        public HiddenGradients<TElement> Gradients => new() { Hidden = _hidden, Weight = _weight, Bias = _bias };

        public void Check(GoldenHeadBounds bounds)
        {
            Closeness.ShouldBeClose(
                [.. _hidden.ToArray().Select(ElementConvert.ToDouble)],
                _head.HiddenGradient,
                i => bounds.Hidden(i, Bounds.Of<TElement>().Rounding, Bounds.Of<TElement>().Smallest));
            Closeness.ShouldBeClose(TestData.ToDouble([.. _weight.ToArray()]), _head.WeightGradient, bounds.Weight);
            Closeness.ShouldBeClose(TestData.ToDouble(_bias), _head.BiasGradient, bounds.Bias);
        }
    }
}
