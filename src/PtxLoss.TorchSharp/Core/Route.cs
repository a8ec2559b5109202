using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Who computes: the core, over memory of the CPU, or torch's operators, wherever the tensors are.</summary>
internal static class Route
{
    /// <summary>Whether this thread's calls go by torch's operators even where the core could compute: for tests.</summary>
    [field: ThreadStatic]
    public static bool IsForcedToOperators { get; set; }

    /// <summary>
    /// Whether the core takes a tensor. Where there are no tokens, its spans could not be made, and torch's operators do
    /// nothing.
    /// </summary>
    public static bool IsCoreFor(Tensor tensor)
        => tensor.device_type == DeviceType.CPU && !IsForcedToOperators && tensor.numel() > 0;

    /// <summary>Double hidden states are for torch: the core's products are of floats.</summary>
    public static bool IsCoreForHead(Tensor hidden) => IsCoreFor(hidden) && hidden.dtype != torch.ScalarType.Float64;

    /// <summary>Whether a call has to prepare a gradient for a tensor.</summary>
    public static bool WantsGradient(Tensor? tensor) => tensor is { requires_grad: true } && torch.is_grad_enabled();
}
