using System.Numerics.Tensors;

namespace PtxLosses.Samples.Mpi;

internal static class GradientDescent
{
    /// <summary>
    /// w −= rate · g, and g is 0 again. Without state that could hide a wrong gradient, or its scale, as Adam's would.
    /// </summary>
    public static void Step(Span<float> weights, Span<float> gradient, float rate)
    {
        TensorPrimitives.MultiplyAdd(gradient, -rate, weights, weights);
        gradient.Clear();
    }
}
