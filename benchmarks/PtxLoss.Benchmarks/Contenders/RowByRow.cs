using System.Buffers;
using System.Numerics.Tensors;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The total as one writes it without this library, a row at a time, on as many threads as the library gets: in plain scalar
/// code, and composed of <see cref="TensorPrimitives"/>.
/// </summary>
internal sealed class RowByRow(LossProblem problem, int threads)
{
    private const int BlockLength = 1024;

    /// <summary>
    /// The definition in scalar double precision: <see cref="Tests.ScalarReference"/> less all that it finds besides.
    /// </summary>
    public double Scalar() => Total(token =>
    {
        ReadOnlySpan<float> row = problem.Row(problem.Logits, token);
        return ScalarLogSumExp(row) - row[problem.Targets[token]];
    });

    public double ScalarWithGradient() => Total(token =>
    {
        ReadOnlySpan<float> row = problem.Row(problem.Logits, token);
        Span<float> gradient = problem.Row(problem.Gradient, token);
        int target = problem.Targets[token];
        double logSumExp = ScalarLogSumExp(row);
        for (int i = 0; i < row.Length; i++)
        {
            gradient[i] = (float)(problem.Scale * (Math.Exp(row[i] - logSumExp) - (i == target ? 1 : 0)));
        }

        return logSumExp - row[target];
    });

    /// <summary>Max, Subtract, Exp and Sum over each row, with one row of scratch memory per thread.</summary>
    public double Composed() => Total(token =>
    {
        ReadOnlySpan<float> row = problem.Row(problem.Logits, token);
        float[] rented = ArrayPool<float>.Shared.Rent(row.Length);
        Span<float> scratch = rented.AsSpan(0, row.Length);
        float max = TensorPrimitives.Max(row);
        TensorPrimitives.Subtract(row, max, scratch);
        TensorPrimitives.Exp<float>(scratch, scratch);
        float sum = TensorPrimitives.Sum<float>(scratch);
        ArrayPool<float>.Shared.Return(rented);
        return max + Math.Log(sum) - row[problem.Targets[token]];
    });

    /// <summary>The same over blocks that stay in the first-level cache, rescaling the sum whenever the maximum rises.</summary>
    public double ComposedInBlocks() => Total(token =>
    {
        ReadOnlySpan<float> row = problem.Row(problem.Logits, token);
        Span<float> scratch = stackalloc float[BlockLength];
        float max = float.NegativeInfinity;
        double sum = 0;
        for (int start = 0; start < row.Length; start += BlockLength)
        {
            ReadOnlySpan<float> block = row.Slice(start, Math.Min(BlockLength, row.Length - start));
            Span<float> exponentials = scratch[..block.Length];
            float blockMax = TensorPrimitives.Max(block);
            if (blockMax > max)
            {
                sum *= Math.Exp(max - blockMax);
                max = blockMax;
            }

            TensorPrimitives.Subtract(block, max, exponentials);
            TensorPrimitives.Exp<float>(exponentials, exponentials);
            sum += TensorPrimitives.Sum<float>(exponentials);
        }

        return max + Math.Log(sum) - row[problem.Targets[token]];
    });

    /// <summary>Max, Subtract, Exp, Sum and Multiply over each row.</summary>
    public double ComposedWithGradient() => Total(token =>
    {
        ReadOnlySpan<float> row = problem.Row(problem.Logits, token);
        Span<float> gradient = problem.Row(problem.Gradient, token);
        int target = problem.Targets[token];
        float max = TensorPrimitives.Max(row);
        TensorPrimitives.Subtract(row, max, gradient);
        TensorPrimitives.Exp(gradient, gradient);
        float sum = TensorPrimitives.Sum<float>(gradient);
        TensorPrimitives.Multiply(gradient, (float)(problem.Scale / sum), gradient);
        gradient[target] -= (float)problem.Scale;
        return max + Math.Log(sum) - row[target];
    });

    private static double ScalarLogSumExp(ReadOnlySpan<float> row)
    {
        double max = double.NegativeInfinity;
        foreach (float x in row)
        {
            max = Math.Max(max, x);
        }

        double sum = 0;
        foreach (float x in row)
        {
            sum += Math.Exp(x - max);
        }

        return max + Math.Log(sum);
    }

    private double Total(Func<int, double> rowLoss)
        => LossProblem.RlLoss + (LossProblem.Coefficient * problem.Mean(threads, rowLoss));
}
