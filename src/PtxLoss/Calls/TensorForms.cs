using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace PtxLosses.Calls;

/// <summary>Tensors as the spans that they convert to, for C# does not infer type arguments through conversions.</summary>
internal static class TensorForms
{
    public static ReadOnlyTensorSpan<T> Span<T>(Tensor<T> tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        return tensor;
    }

    public static TensorSpan<T> WritableSpan<T>(Tensor<T> tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        return tensor;
    }
}
