using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>y = x / √(mean(x²) + ε), row by row, without a gain: the next matrix can learn it.</summary>
internal static class RmsNorm
{
    private const double Epsilon = 1e-6;

    public static void Forward(Matrix x, Matrix y, float[] scale, int firstRow, int rows) =>
        RowParallel.For(firstRow, rows, (first, end) =>
        {
            for (int row = first; row < end; row++)
            {
                Span<float> input = x.Row(row);
                scale[row] = (float)(1 / Math.Sqrt((OrderedSum.Dot(input, input) / input.Length) + Epsilon));
                TensorPrimitives.Multiply(input, scale[row], y.Row(row));
            }
        });

    /// <summary>dx += s·(dy − y·mean(dy·y)), with s = 1/√(mean(x²) + ε); dy is overwritten.</summary>
    public static void Backward(Matrix dy, Matrix y, float[] scale, Matrix dx) =>
        RowParallel.For(0, dy.Rows, (first, end) =>
        {
            for (int row = first; row < end; row++)
            {
                Span<float> gradient = dy.Row(row);
                ReadOnlySpan<float> output = y.Row(row);
                float mean = OrderedSum.Dot(gradient, output) / output.Length;
                TensorPrimitives.MultiplyAdd(output, -mean, gradient, gradient);
                TensorPrimitives.MultiplyAdd(gradient, scale[row], dx.Row(row), dx.Row(row));
            }
        });
}
