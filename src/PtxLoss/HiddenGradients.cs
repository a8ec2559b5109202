using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;

namespace PtxLosses;

/// <summary>Where the gradients of a call that starts from hidden states go. What is left empty is not computed.</summary>
/// <typeparam name="TElement">
/// The type of the hidden states: <see cref="float"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
/// </typeparam>
/// <remarks>
/// With <see cref="PtxLossOptions.AccumulateGradient"/> those of weight and bias are added to what their memory holds. That of
/// the hidden states belongs to one call, and is written.
/// </remarks>
[SuppressMessage("Design", "CA1051:Do not declare visible instance fields", Justification = "A plain bundle of memory to fill.")]
[SuppressMessage("Performance", "CA1815:Override equals", Justification = "A ref struct cannot be compared as an object.")]
public ref struct HiddenGradients<TElement>
    where TElement : unmanaged
{
    /// <summary>Receives <c>∂L/∂hidden</c>, <c>[tokens, d]</c>; rows of tokens that add nothing become 0.</summary>
    public TensorSpan<TElement> Hidden;

    /// <summary>
    /// Receives <c>∂L/∂weight</c>, <c>[vocabulary, d]</c>, in <see cref="float"/> whatever the weight is; left empty where the
    /// head is frozen.
    /// </summary>
    public TensorSpan<float> Weight;

    /// <summary>Receives <c>∂L/∂bias</c>, <c>[vocabulary]</c>.</summary>
    public Span<float> Bias;
}
