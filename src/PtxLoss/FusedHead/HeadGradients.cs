using System.Numerics.Tensors;

namespace PtxLosses.FusedHead;

/// <summary>What the gradients of a head are written to; a tensor without dimensions, or an empty span, is not wanted.</summary>
internal ref struct HeadGradients
{
    public TensorSpan<float> Hidden;
    public TensorSpan<float> Weight;
    public Span<float> Bias;
}
