using BenchmarkDotNet.Attributes;
using PtxLosses.Internals;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The shapes, the threads and the data that losses are timed on, and the check of what is timed: nothing is, before every
/// contender has answered as the double-precision reference does, on the very data.
/// </summary>
public abstract class LossBenchmarks
{
    /// <summary>An RL loss as any other.</summary>
    protected const double RlLoss = 0.5;

    /// <summary>γ.</summary>
    protected const double Coefficient = 0.1;

    /// <summary>The shapes, in cache first.</summary>
    public static IEnumerable<Shape> Shapes => [.. Shape.InCache, .. Shape.OutOfCache];

    /// <summary>One thread, and one for each core.</summary>
    public static IEnumerable<int> ThreadCounts => new[] { 1, Environment.ProcessorCount }.Distinct();

    /// <summary>Tokens × vocabulary.</summary>
    [ParamsSource(nameof(Shapes))]
    public Shape Shape { get; set; }

    /// <summary>How many threads each contender may use.</summary>
    [ParamsSource(nameof(ThreadCounts))]
    public int Threads { get; set; }

    /// <summary>The logits, which no benchmark changes.</summary>
    protected float[] Logits { get; private set; } = [];

    /// <summary>The target ids.</summary>
    protected int[] Targets { get; private set; } = [];

    /// <summary>Options that say how many threads there are.</summary>
    protected PtxLossOptions Options { get; private set; } = PtxLossOptions.Default;

    /// <summary>∂Total / ∂(the loss of a token).</summary>
    protected double Scale => Coefficient / Shape.Tokens;

    /// <summary>Makes the data and checks the contenders on it.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Logits = new float[Shape.Logits];
        Targets = new int[Shape.Tokens];
        Options = new() { MaxDegreeOfParallelism = Threads };
        Parallel.For(0, Shape.Tokens, token =>
        {
            var random = new Random(token);
            foreach (ref float logit in Logits.AsSpan(token * Shape.VocabularySize, Shape.VocabularySize))
            {
                // Normal, with the spread of a trained model's logits.
                double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
                logit = (float)(3 * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
            }

            Targets[token] = random.Next(Shape.VocabularySize);
        });
        CheckContenders();
    }

    /// <summary>Runs each contender once and has its results checked.</summary>
    protected abstract void CheckContenders();

    /// <summary>Throws if a total, or a gradient where there is one, is not the reference's.</summary>
    /// <param name="contender">Whose results they are.</param>
    /// <param name="total">The total loss.</param>
    /// <param name="gradient">The gradient of the logits; empty if there is none.</param>
    /// <param name="tolerance">What the contender's own arithmetic costs it, as a relative error of a probability.</param>
    protected void Check(string contender, double total, float[] gradient, double tolerance)
    {
        double[] losses = new double[Shape.Tokens];
        Parallel.For(0, Shape.Tokens, token =>
        {
            int start = token * Shape.VocabularySize, target = Targets[token];
            var row = ScalarReference.Compute<float, int>(
                0, Logits.AsSpan(start, Shape.VocabularySize), [target], Shape.VocabularySize, Scale);
            losses[token] = row.LanguageModelLoss;
            for (int i = 0; i < Shape.VocabularySize && gradient.Length > 0; i++)
            {
                // The target's p − 1 is as far off as p is.
                double bound = tolerance * (i == target ? Scale : row.Gradient[i]);
                if (!(Math.Abs(gradient[start + i] - row.Gradient[i]) <= bound))
                {
                    throw new InvalidOperationException(FormattableString.Invariant(
                        $"{contender}: gradient [{token}, {i}] is {gradient[start + i]}, not {row.Gradient[i]}."));
                }
            }
        });

        double expected = RlLoss + (Scale * losses.Sum());
        if (!(Math.Abs(total - expected) <= tolerance))
        {
            throw new InvalidOperationException(
                FormattableString.Invariant($"{contender}: the total is {total}, not {expected}."));
        }
    }
}
