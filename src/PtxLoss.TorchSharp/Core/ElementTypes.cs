using TorchSharp;

namespace PtxLosses.Torch;

/// <summary>What is done with tensors once the type of their elements is known.</summary>
internal interface ITypedCall<TResult>
{
    TResult Run<TElement>()
        where TElement : unmanaged;
}

/// <summary>From torch's types, which are values, to those of C#.</summary>
internal static class ElementTypes
{
    public static bool AreLogits(torch.ScalarType type)
        => type is torch.ScalarType.Float32 or torch.ScalarType.Float64 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16;

    public static bool AreTargets(torch.ScalarType type) => type is torch.ScalarType.Int64 or torch.ScalarType.Int32;

    /// <summary>The type of losses and of values per token.</summary>
    public static torch.ScalarType OfLosses(torch.ScalarType logits)
        => logits == torch.ScalarType.Float64 ? torch.ScalarType.Float64 : torch.ScalarType.Float32;

    public static TResult Run<TCall, TResult>(TCall call, torch.ScalarType elements)
        where TCall : struct, ITypedCall<TResult>
        => elements switch
        {
            torch.ScalarType.Float32 => call.Run<float>(),
            torch.ScalarType.Float64 => call.Run<double>(),
            torch.ScalarType.Float16 => call.Run<Half>(),
            torch.ScalarType.BFloat16 => call.Run<BFloat16>(),
            _ => throw new ArgumentOutOfRangeException(nameof(elements), elements, "not a type of logits"),
        };
}
