using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Numbers as tensors without a shape, and back.</summary>
internal static class Scalars
{
    public static Tensor Of(double value, torch.ScalarType type, torch.Device device)
        => type == torch.ScalarType.Float64 ? torch.tensor(value, device: device) : torch.tensor((float)value, device: device);

    /// <summary>The value of a tensor of one element, of any real type, on any device.</summary>
    public static double Read(Tensor scalar)
    {
        using Tensor detached = scalar.detach();
        using Tensor here = detached.cpu();
        using Tensor value = here.to_type(torch.ScalarType.Float64);
        return TensorMemory.Flat<double>(value)[0];
    }
}
