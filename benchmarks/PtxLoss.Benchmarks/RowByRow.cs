using System.Buffers;
using System.Numerics.Tensors;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The loss as one writes it without this library, a row at a time, on as many threads as the library gets: in plain scalar
/// code, and composed of <see cref="TensorPrimitives"/>. Buffers of logits are allocated once.
/// </summary>
internal sealed class RowByRow(float[] logits, int[] targets, int vocabularySize, int threads)
{
    private readonly double[] _losses = new double[targets.Length];

    /// <summary>The mean loss in scalar double precision: <see cref="Internals.ScalarReference"/> less all that it finds besides.</summary>
    public double Scalar() => Mean(token =>
    {
        ReadOnlySpan<float> row = Row(logits, token);
        return ScalarLogSumExp(row) - row[targets[token]];
    });

    public double ScalarWithGradient(float[] gradient, double scale) => Mean(token =>
    {
        ReadOnlySpan<float> row = Row(logits, token);
        Span<float> gradientRow = Row(gradient, token);
        int target = targets[token];
        double logSumExp = ScalarLogSumExp(row);
        for (int i = 0; i < row.Length; i++)
        {
            gradientRow[i] = (float)(scale * (Math.Exp(row[i] - logSumExp) - (i == target ? 1 : 0)));
        }

        return logSumExp - row[target];
    });

    public double Composed() => Mean(token =>
    {
        ReadOnlySpan<float> row = Row(logits, token);
        float[] rented = ArrayPool<float>.Shared.Rent(vocabularySize);
        Span<float> scratch = rented.AsSpan(0, vocabularySize);
        float max = TensorPrimitives.Max(row);
        TensorPrimitives.Subtract(row, max, scratch);
        TensorPrimitives.Exp<float>(scratch, scratch);
        float sum = TensorPrimitives.Sum<float>(scratch);
        ArrayPool<float>.Shared.Return(rented);
        return max + Math.Log(sum) - row[targets[token]];
    });

    public double ComposedWithGradient(float[] gradient, double scale) => Mean(token =>
    {
        ReadOnlySpan<float> row = Row(logits, token);
        Span<float> gradientRow = Row(gradient, token);
        int target = targets[token];
        float max = TensorPrimitives.Max(row);
        TensorPrimitives.Subtract(row, max, gradientRow);
        TensorPrimitives.Exp(gradientRow, gradientRow);
        float sum = TensorPrimitives.Sum<float>(gradientRow);
        TensorPrimitives.Multiply(gradientRow, (float)(scale / sum), gradientRow);
        gradientRow[target] -= (float)scale;
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

    private double Mean(Func<int, double> loss)
    {
        if (threads == 1)
        {
            for (int token = 0; token < targets.Length; token++)
            {
                _losses[token] = loss(token);
            }
        }
        else
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = threads };
            Parallel.For(0, targets.Length, options, token => _losses[token] = loss(token));
        }

        return _losses.Sum() / targets.Length;
    }

    private Span<float> Row(float[] matrix, int token) => matrix.AsSpan(token * vocabularySize, vocabularySize);
}
