using PtxLosses.Tests;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The data that losses are timed on, and the check of what is timed: nothing is, before every contender has answered as the
/// double-precision reference does, on the very data.
/// </summary>
internal sealed class LossProblem : IPeerProblem
{
    /// <summary>An RL loss as any other.</summary>
    public const double RlLoss = 0.5;

    /// <summary>γ.</summary>
    public const double Coefficient = 0.1;

    /// <summary>Rows repeat after these many, which no contender can know.</summary>
    private const int DistinctRows = 1024;

    public const string LogitsFile = "logits.f32";

    private readonly Lazy<AlignedFloats> _gradient;
    private readonly Lazy<(double Loss, double GradientDotLogits)[]> _rows;

    /// <summary>Makes the data.</summary>
    public LossProblem(Shape shape)
        : this(shape, new int[shape.Tokens])
    {
        int distinct = Math.Min(shape.Tokens, DistinctRows);
        Parallel.For(0, distinct, token =>
        {
            var random = new Random(token);
            foreach (ref float logit in Row(Logits, token))
            {
                // Normal, with the spread of a trained model's logits.
                double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
                logit = (float)(3 * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
            }

            Targets[token] = random.Next(shape.VocabularySize);
        });
        for (int token = distinct; token < shape.Tokens; token++)
        {
            Row(Logits, token - distinct).CopyTo(Row(Logits, token));
            Targets[token] = Targets[token - distinct];
        }
    }

    private LossProblem(Shape shape, int[] targets)
    {
        Shape = shape;
        Targets = targets;
        Logits = new(shape.Logits);
        _gradient = new(() => new(shape.Logits));
        _rows = new(ReferenceRows);
    }

    public Shape Shape { get; }

    public IReadOnlyList<int> Sizes => [Shape.Tokens, Shape.VocabularySize];

    /// <summary>The logits, which no contender changes.</summary>
    public AlignedFloats Logits { get; }

    public int[] Targets { get; }

    /// <summary>Memory for gradients, which every contender may change.</summary>
    public AlignedFloats Gradient => _gradient.Value;

    /// <summary>∂Total / ∂(the loss of a token).</summary>
    public double Scale => Coefficient / Shape.Tokens;

    /// <summary>The mean loss of a token, by the reference.</summary>
    public double MeanLoss => Targets.Select((_, token) => _rows.Value[token % DistinctRows].Loss).Average();

    /// <summary>Σ gradient · logit, by the reference.</summary>
    public double GradientDotLogits => Targets.Select((_, token) => _rows.Value[token % DistinctRows].GradientDotLogits).Sum();

    public IReadOnlyList<(string What, double Value)> Answers(Work work)
    {
        (string, double) loss = ("mean loss", MeanLoss);
        return work == Work.Forward ? [loss] : [loss, ("Σ gradient · logit", GradientDotLogits)];
    }

    /// <summary>The data that <see cref="Save"/> left.</summary>
    public static LossProblem Load(Shape shape, string folder)
    {
        var problem = new LossProblem(shape, Array.ConvertAll(TargetFile.Load(folder), target => (int)target));
        FloatFile.Load(Path.Combine(folder, LogitsFile), problem.Logits.Span);
        return problem;
    }

    public void Save(string folder)
    {
        FloatFile.Save(Path.Combine(folder, LogitsFile), Logits.Span);
        TargetFile.Save(folder, Targets);
    }

    /// <summary>The row of a token in the logits or in anything shaped like them.</summary>
    public Span<float> Row(AlignedFloats matrix, int token)
        => matrix.Span.Slice(token * Shape.VocabularySize, Shape.VocabularySize);

    /// <summary>The mean loss of the rows, which so many threads share as the library's do.</summary>
    public double Mean(int threads, Func<int, double> rowLoss)
    {
        double[] losses = new double[Shape.Tokens];
        ForEachRow(threads, token => losses[token] = rowLoss(token));
        return losses.Sum() / losses.Length;
    }

    /// <summary>Visits the rows on so many threads.</summary>
    public void ForEachRow(int threads, Action<int> visit)
    {
        if (threads > 1)
        {
            Parallel.For(0, Shape.Tokens, new ParallelOptions { MaxDegreeOfParallelism = threads }, visit);
            return;
        }

        for (int token = 0; token < Shape.Tokens; token++)
        {
            visit(token);
        }
    }

    /// <summary>Throws if a total is not the reference's.</summary>
    /// <param name="contender">Whose it is.</param>
    /// <param name="total">The total loss.</param>
    /// <param name="tolerance">What the contender's own arithmetic costs it.</param>
    public void Check(string contender, double total, double tolerance)
    {
        double expected = RlLoss + (Coefficient * MeanLoss);
        if (!(Math.Abs(total - expected) <= tolerance))
        {
            throw new InvalidOperationException(
                $"{contender}: the total is {total}, not {expected}.");
        }
    }

    /// <summary>Throws if a total, or what is in <see cref="Gradient"/>, is not the reference's.</summary>
    /// <param name="contender">Whose they are.</param>
    /// <param name="total">The total loss.</param>
    /// <param name="tolerance">What the contender's own arithmetic costs it, as a relative error of a probability.</param>
    public void CheckGradient(string contender, double total, double tolerance)
    {
        Check(contender, total, tolerance);
        Parallel.For(0, Math.Min(Shape.Tokens, DistinctRows), token =>
        {
            double[] expected = Reference(token).Gradient;
            Span<float> actual = Row(Gradient, token);
            for (int i = 0; i < expected.Length; i++)
            {
                // The target's p − 1 is as far off as p is.
                double bound = tolerance * (i == Targets[token] ? Scale : expected[i]);
                if (!(Math.Abs(actual[i] - expected[i]) <= bound))
                {
                    throw new InvalidOperationException(
                        $"{contender}: gradient [{token}, {i}] is {actual[i]}, not {expected[i]}.");
                }
            }
        });
    }

    public void Dispose()
    {
        Logits.Dispose();
        if (_gradient.IsValueCreated)
        {
            _gradient.Value.Dispose();
        }
    }

    private (double Loss, double GradientDotLogits)[] ReferenceRows()
    {
        var rows = new (double, double)[Math.Min(Shape.Tokens, DistinctRows)];
        Parallel.For(0, rows.Length, token =>
        {
            ScalarReference reference = Reference(token);
            double dot = 0;
            for (int i = 0; i < reference.Gradient.Length; i++)
            {
                dot += reference.Gradient[i] * Row(Logits, token)[i];
            }

            rows[token] = (reference.LanguageModelLoss, dot);
        });
        return rows;
    }

    private ScalarReference Reference(int token) => ScalarReference.Compute<float, int>(
        0, Row(Logits, token), [Targets[token]], Shape.VocabularySize, Scale);
}
