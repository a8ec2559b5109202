using System.Numerics.Tensors;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The data that losses from hidden states are timed on, and the check of what is timed: losses against those of all logits in
/// double precision, gradients in a few rows of each.
/// </summary>
internal sealed class HeadProblem : IPeerProblem
{
    public const string HiddenFile = "hidden.f32", WeightFile = "weight.f32";

    private readonly Lazy<AlignedFloats> _hiddenGradient;
    private readonly Lazy<AlignedFloats> _weightGradient;
    private readonly Lazy<RowReference[]> _rows;

    /// <summary>Makes the data: logits with the spread of a trained model's, and, where the width is not tiny, normal.</summary>
    public HeadProblem(HeadShape shape)
        : this(shape, new int[shape.Tokens])
    {
        Fill(Hidden, deviation: 1, seed: 0);
        Fill(Weight, deviation: 3 / Math.Sqrt(shape.Width), seed: shape.Tokens);
        var forTargets = new Random(shape.Tokens + shape.VocabularySize);
        foreach (ref int target in Targets.AsSpan())
        {
            target = forTargets.Next(shape.VocabularySize);
        }

        void Fill(AlignedFloats matrix, double deviation, int seed) => Parallel.For(0, matrix.Length / shape.Width, row =>
        {
            var random = new Random(seed + row);
            float range = (float)(Math.Sqrt(12) * deviation); // of even numbers with that standard deviation
            foreach (ref float value in Row(matrix, row))
            {
                value = range * (random.NextSingle() - 0.5f);
            }
        });
    }

    private HeadProblem(HeadShape shape, int[] targets)
    {
        HeadShape = shape;
        Targets = targets;
        Hidden = new(checked(shape.Tokens * shape.Width));
        Weight = new(checked(shape.VocabularySize * shape.Width));
        _hiddenGradient = new(() => new(Hidden.Length));
        _weightGradient = new(() => new(Weight.Length));
        _rows = new(ReferenceRows);
    }

    public HeadShape HeadShape { get; }

    public Shape Shape => HeadShape.Logits;

    public IReadOnlyList<int> Sizes => [HeadShape.Tokens, HeadShape.Width, HeadShape.VocabularySize];

    public AlignedFloats Hidden { get; }

    public AlignedFloats Weight { get; }

    public int[] Targets { get; }

    public AlignedFloats HiddenGradient => _hiddenGradient.Value;

    public AlignedFloats WeightGradient => _weightGradient.Value;

    /// <summary>∂Total / ∂(the loss of a token).</summary>
    public double Scale => LossProblem.Coefficient / HeadShape.Tokens;

    /// <summary>The mean loss of a token, by the reference.</summary>
    private double MeanLoss => _rows.Value.Average(row => row.LogSumExp - row.TargetLogit);

    /// <summary>Σ gradient · logit, by the reference: Σ gradient · value for the hidden states as for the weight.</summary>
    private double GradientDotLogits => _rows.Value.Sum(row => Scale * (row.MeanLogit - row.TargetLogit));

    /// <summary>The data that <see cref="Save"/> left.</summary>
    public static HeadProblem Load(HeadShape shape, string folder)
    {
        var problem = new HeadProblem(shape, Array.ConvertAll(TargetFile.Load(folder), target => (int)target));
        FloatFile.Load(Path.Combine(folder, HiddenFile), problem.Hidden.Span);
        FloatFile.Load(Path.Combine(folder, WeightFile), problem.Weight.Span);
        return problem;
    }

    public void Save(string folder)
    {
        FloatFile.Save(Path.Combine(folder, HiddenFile), Hidden.Span);
        FloatFile.Save(Path.Combine(folder, WeightFile), Weight.Span);
        TargetFile.Save(folder, Targets);
    }

    /// <summary>A row of the hidden states, of the weight or of a gradient.</summary>
    public Span<float> Row(AlignedFloats matrix, int row) => matrix.Span.Slice(row * HeadShape.Width, HeadShape.Width);

    public IReadOnlyList<(string What, double Value)> Answers(Work work)
    {
        (string, double) loss = ("mean loss", MeanLoss);
        return work == Work.Forward
            ? [loss]
            : [loss, ("Σ hidden gradient · hidden", GradientDotLogits), ("Σ weight gradient · weight", GradientDotLogits)];
    }

    /// <summary>Throws if a mean loss is not the reference's.</summary>
    public void Check(string contender, double meanLoss)
    {
        if (!(Math.Abs(meanLoss - MeanLoss) <= 1e-5))
        {
            throw new InvalidOperationException(
                $"{contender}: the mean loss is {meanLoss}, not {MeanLoss}.");
        }
    }

    /// <summary>Throws if some rows of the gradients are not the reference's.</summary>
    public void CheckGradients(string contender)
    {
        int[] tokens = [.. new[] { 0, Shape.Tokens / 2, Shape.Tokens - 1 }.Distinct()];
        Parallel.ForEach(tokens, token => CheckRow(
            $"{contender}: hidden gradient, row {token}",
            Row(HiddenGradient, token),
            Weighted(Weight, word => LogitGradient(token, word))));
        int[] words = [.. new[] { 0, Targets[0], Targets[^1], Shape.VocabularySize - 1 }.Distinct()];
        Parallel.ForEach(words, word => CheckRow(
            $"{contender}: weight gradient, row {word}",
            Row(WeightGradient, word),
            Weighted(Hidden, token => LogitGradient(token, word))));
    }

    public void Dispose()
    {
        Hidden.Dispose();
        Weight.Dispose();
        foreach (Lazy<AlignedFloats> gradient in new[] { _hiddenGradient, _weightGradient }.Where(it => it.IsValueCreated))
        {
            gradient.Value.Dispose();
        }
    }

    private static void CheckRow(string what, ReadOnlySpan<float> actual, double[] expected)
    {
        double bound = 1e-4 * expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(actual[i] - expected[i]) <= bound))
            {
                throw new InvalidOperationException(
                    $"{what} [{i}] is {actual[i]}, not {expected[i]}.");
            }
        }
    }

    /// <summary>∂Total / ∂logit, in double.</summary>
    private double LogitGradient(int token, int word)
    {
        double logit = TensorPrimitives.Dot<double>(Doubles(Hidden, token), Doubles(Weight, word));
        return Scale * (Math.Exp(logit - _rows.Value[token].LogSumExp) - (word == Targets[token] ? 1 : 0));
    }

    /// <summary>The sum of the rows, each times its factor.</summary>
    private double[] Weighted(AlignedFloats matrix, Func<int, double> factor)
    {
        double[] sum = new double[HeadShape.Width];
        for (int row = 0; row < matrix.Length / HeadShape.Width; row++)
        {
            TensorPrimitives.MultiplyAdd(Doubles(matrix, row), factor(row), sum, sum);
        }

        return sum;
    }

    /// <summary>All logits in double, of a few words at once, so that the hidden states are read more seldom.</summary>
    private RowReference[] ReferenceRows()
    {
        const int WordsAtOnce = 16;
        double[][] hidden = [.. Enumerable.Range(0, Shape.Tokens).Select(token => Doubles(Hidden, token))];
        var sums = new (double Exp, double ExpTimesLogit)[Shape.Tokens];
        Parallel.For(
            0,
            (Shape.VocabularySize + WordsAtOnce - 1) / WordsAtOnce,
            () => new (double Exp, double ExpTimesLogit)[Shape.Tokens],
            (block, _, mine) =>
            {
                int start = block * WordsAtOnce, count = Math.Min(WordsAtOnce, Shape.VocabularySize - start);
                double[][] weight = [.. Enumerable.Range(start, count).Select(word => Doubles(Weight, word))];
                for (int token = 0; token < mine.Length; token++)
                {
                    foreach (double[] row in weight)
                    {
                        double logit = TensorPrimitives.Dot<double>(hidden[token], row);
                        double exp = Math.Exp(logit); // logits of this spread are far from overflow
                        mine[token].Exp += exp;
                        mine[token].ExpTimesLogit += exp * logit;
                    }
                }

                return mine;
            },
            mine =>
            {
                lock (sums)
                {
                    for (int token = 0; token < sums.Length; token++)
                    {
                        sums[token].Exp += mine[token].Exp;
                        sums[token].ExpTimesLogit += mine[token].ExpTimesLogit;
                    }
                }
            });
        return
        [
            .. sums.Select((sum, token) => new RowReference(
                Math.Log(sum.Exp),
                sum.ExpTimesLogit / sum.Exp,
                TensorPrimitives.Dot<double>(hidden[token], Doubles(Weight, Targets[token])))),
        ];
    }

    private double[] Doubles(AlignedFloats matrix, int row)
    {
        double[] doubles = new double[HeadShape.Width];
        TensorPrimitives.ConvertChecked<float, double>(Row(matrix, row), doubles);
        return doubles;
    }

    /// <param name="LogSumExp">Of the logits.</param>
    /// <param name="MeanLogit">Their mean, each as often as its softmax.</param>
    /// <param name="TargetLogit">The target's.</param>
    private readonly record struct RowReference(double LogSumExp, double MeanLogit, double TargetLogit);
}
