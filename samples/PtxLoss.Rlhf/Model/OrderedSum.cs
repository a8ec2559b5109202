using System.Numerics;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// Sums whose order follows from the length alone. Those of TensorPrimitives may follow the address as well, and a run has to
/// repeat exactly; element-wise operations have no such order and come from TensorPrimitives.
/// </summary>
internal static class OrderedSum
{
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Vector<float> sum = default;
        int i = 0;
        for (; i <= a.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            sum = Vector.FusedMultiplyAdd(new Vector<float>(a[i..]), new Vector<float>(b[i..]), sum);
        }

        float total = Vector.Sum(sum);
        for (; i < a.Length; i++)
        {
            total += a[i] * b[i];
        }

        return total;
    }

    public static float Of(ReadOnlySpan<float> values)
    {
        Vector<float> sum = default;
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            sum += new Vector<float>(values[i..]);
        }

        float total = Vector.Sum(sum);
        for (; i < values.Length; i++)
        {
            total += values[i];
        }

        return total;
    }
}
