using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>Adam (Kingma and Ba 2015) with the gradient's norm clipped first.</summary>
internal sealed class Adam(int count)
{
    private const float Beta1 = 0.9f;
    private const float Beta2 = 0.95f;
    private const float Epsilon = 1e-8f;
    private const float LargestNorm = 1;
    private const int Chunk = 4096;

    private readonly float[] _mean = new float[count];
    private readonly float[] _square = new float[count];
    private int _step;

    /// <summary>Steps <paramref name="parameters"/> along the gradient, which is set to zero for the next step.</summary>
    public void Step(Parameters parameters, Parameters gradient, double learningRate)
    {
        _step++;
        double norm = 0;
        for (int first = 0; first < count; first += Chunk)
        {
            ReadOnlySpan<float> part = gradient.Values.AsSpan(first, Math.Min(Chunk, count - first));
            norm += OrderedSum.Dot(part, part);
        }

        float clip = (float)Math.Min(1, LargestNorm / Math.Sqrt(norm));
        float rate = (float)(learningRate / (1 - Math.Pow(Beta1, _step)));
        float correction = (float)(1 / (1 - Math.Pow(Beta2, _step)));
        Parallel.For(0, (count + Chunk - 1) / Chunk, chunk =>
        {
            int first = chunk * Chunk;
            int length = Math.Min(Chunk, count - first);
            Span<float> g = gradient.Values.AsSpan(first, length);
            Span<float> m = _mean.AsSpan(first, length);
            Span<float> v = _square.AsSpan(first, length);

            TensorPrimitives.Multiply(g, clip, g);
            TensorPrimitives.Lerp(g, m, Beta1, m);
            TensorPrimitives.Multiply(g, g, g);
            TensorPrimitives.Lerp(g, v, Beta2, v);

            // The gradient's memory now takes √(v·correction) + ε, and then the step itself.
            TensorPrimitives.Multiply(v, correction, g);
            TensorPrimitives.Sqrt(g, g);
            TensorPrimitives.Add(g, Epsilon, g);
            TensorPrimitives.Divide(m, g, g);
            Span<float> weights = parameters.Values.AsSpan(first, length);
            TensorPrimitives.MultiplyAdd(g, -rate, weights, weights);
            g.Clear();
        });
    }
}
