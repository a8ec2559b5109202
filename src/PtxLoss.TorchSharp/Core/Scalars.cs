using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Numbers as torch takes them, and back.</summary>
internal static class Scalars
{
    public static Tensor Of(double value, torch.ScalarType type, torch.Device device)
        => type == torch.ScalarType.Float64 ? torch.tensor(value, device: device) : torch.tensor((float)value, device: device);

    /// <summary>
    /// An operator with a number. TorchSharp passes torch a pointer to a <see cref="Scalar"/> and then forgets it: made by an implicit
    /// conversion, the garbage collector may free it while torch still reads it. Here it lives until the operator is through.
    /// </summary>
    public static Tensor With(this Tensor tensor, double value, Func<Tensor, Scalar, Tensor> apply)
    {
        using Scalar scalar = value;
        return apply(tensor, scalar);
    }

    public static Tensor Times(this Tensor tensor, double value) => tensor.With(value, static (x, scalar) => x.mul(scalar));

    public static Tensor Plus(this Tensor tensor, double value) => tensor.With(value, static (x, scalar) => x.add(scalar));

    /// <summary>The values where the mask is not set, else a number.</summary>
    public static Tensor Fill(this Tensor tensor, Tensor mask, double value)
        => tensor.With(value, (x, scalar) => x.masked_fill(mask, scalar));

    /// <summary>The value of a tensor of one element, of any real type, on any device.</summary>
    public static double Read(Tensor scalar)
    {
        using Tensor detached = scalar.detach();
        using Tensor here = detached.cpu();
        using Tensor value = here.to_type(torch.ScalarType.Float64);
        return TensorMemory.Flat<double>(value)[0];
    }
}
