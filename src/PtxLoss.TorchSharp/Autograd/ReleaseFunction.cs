using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// A node of the graph whose backward pass comes right after that of a loss, and disposes the handles that the loss returned: see
/// <see cref="Returned"/>.
/// </summary>
/// <remarks>
/// Of the nodes that are ready torch visits the one that was made last. This one is made with the loss, after the layers that the
/// logits come from, and hangs below the loss beside them. So it is visited before those layers are, whose backward passes then find
/// the gradient held by torch alone, which frees it as soon as it is used.
/// </remarks>
internal sealed class ReleaseFunction : torch.autograd.SingleTensorFunction<ReleaseFunction>
{
    public override string Name => "PtxRelease";

    /// <summary>What a loss takes besides its variables, and gives no gradient to.</summary>
    public static Tensor Variable(torch.Device device)
    {
        using Tensor value = torch.zeros([], torch.ScalarType.Float32, device);
        using Tensor leaf = torch.zeros([], torch.ScalarType.Float32, device, requires_grad: true);
        return apply([new Output(value), leaf]);
    }

    public override Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars) => ((Output)vars[0]).Value;

    public override List<Tensor?> backward(torch.autograd.AutogradContext ctx, Tensor grad_output)
    {
        try
        {
            grad_output.Dispose();
            Returned.DisposeEarlier();
        }
        catch (Exception)
        {
            // Through torch's native frames no exception gets. The handles are left to the garbage collector, then.
        }

        return [null, null];
    }

    private sealed record Output(Tensor Value);
}
