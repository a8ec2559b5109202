using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// A loss whose gradients are known when it is computed: the backward pass multiplies them by the incoming gradient, and can be
/// done once.
/// </summary>
/// <remarks>
/// Torch calls both passes from native frames, through which no exception gets: a throw ends the process. So everything is
/// computed and checked before <c>apply</c>, and where the backward pass fails after all it returns gradients of a wrong shape,
/// which torch reports.
/// </remarks>
internal sealed class LossFunction : torch.autograd.SingleTensorFunction<LossFunction>
{
    private const string CountKey = "count";

    public override string Name => "PtxLoss";

    /// <summary>Makes a loss differentiable.</summary>
    /// <param name="value">The loss, a scalar.</param>
    /// <param name="variables">What it is differentiated by, which belong to the loss from now on.</param>
    /// <param name="gradients">Its gradients, one for each, which belong to the loss from now on.</param>
    /// <param name="inplace">Whether they stand where the inputs were.</param>
    /// <returns>The loss.</returns>
    public static Tensor Attach(Tensor value, Tensor[] variables, Tensor[] gradients, bool inplace = false)
    {
        // The saved gradient is given away in the backward pass. A second one must not pass: it multiplies by this 1, which the
        // first changes, and torch refuses to go on with what has changed.
        using Tensor one = torch.ones([], value.dtype, value.device);
        try
        {
            using Tensor release = ReleaseFunction.Variable(value.device);
            using Tensor loss = apply([new Saved(value, one, gradients, inplace), .. variables, release]);
            return loss.mul(one);
        }
        finally
        {
            value.Dispose();
            for (int i = 0; i < gradients.Length; i++)
            {
                variables[i].Dispose();
                gradients[i].Dispose();
            }
        }
    }

    /// <summary>What a function differentiates by in place of a tensor: a view of it.</summary>
    /// <remarks>
    /// Torch keeps a gradient as it is only where nobody else holds it, and copies it else. The handle that a backward pass returns
    /// holds it too; but what passes through a view is a view of it, held by nobody.
    /// </remarks>
    public static Tensor Variable(Tensor tensor) => tensor.view_as(tensor);

    public override Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars)
    {
        var saved = (Saved)vars[0];
        ctx.save_data(CountKey, saved.Gradients.Length);
        if (saved.InPlace)
        {
            // Here, for the graph of an input that is a view is known by now: torch would make it anew after a change, at the cost
            // of a copy. And the gradient is not saved yet, whose later changes torch will report.
            foreach (Tensor gradient in saved.Gradients)
            {
                using Tensor nothing = gradient.narrow(0, 0, 0);
                CountAsWritten(nothing);
            }
        }

        ctx.save_for_backward([saved.One, .. saved.Gradients]);
        return saved.Value;
    }

    public override List<Tensor?> backward(torch.autograd.AutogradContext ctx, Tensor grad_output)
    {
        List<Tensor> saved = [];
        try
        {
            Returned.DisposeEarlier();
            using var noGrad = torch.no_grad();
            saved = ctx.get_saved_variables();
            List<Tensor?> results = [null];
            bool isOne = IsOne(grad_output);
            for (int i = 1; i < saved.Count; i++)
            {
                Tensor gradient = Returned.Keep(Release(saved[i]));
                results.Add(isOne ? gradient : gradient.mul_(grad_output));
            }

            CountAsWritten(saved[0]);
            results.Add(null); // that of the release
            return results;
        }
        catch (Exception)
        {
            return Failure.Results((int)ctx.get_data(CountKey));
        }
        finally
        {
            grad_output.Dispose();
            saved.ForEach(tensor => tensor.Dispose());
        }
    }

    /// <summary>A tensor of the same memory, which the saved one lets go: it would hold it as long as there is a loss.</summary>
    private static Tensor Release(Tensor saved)
    {
        Tensor gradient = saved.detach();
        using Tensor nothing = torch.empty([0], saved.dtype, saved.device);
        saved.set_(nothing);
        return gradient;
    }

    /// <summary>
    /// Lets torch know that the values of a tensor, or of one that it is a view of, are others now: who needs the old ones in a
    /// backward pass fails, and says so. Of a 1 and of no elements the square is the same.
    /// </summary>
    private static void CountAsWritten(Tensor tensor) => tensor.mul_(tensor);

    /// <summary>Whether a multiplication would change nothing. To look at it on a device takes longer than to multiply.</summary>
    private static bool IsOne(Tensor incoming)
        => incoming.device_type == DeviceType.CPU && incoming.dtype switch
        {
            torch.ScalarType.Float32 => TensorMemory.Flat<float>(incoming)[0] == 1,
            torch.ScalarType.Float64 => TensorMemory.Flat<double>(incoming)[0] == 1,
            _ => false,
        };

    private sealed record Saved(Tensor Value, Tensor One, Tensor[] Gradients, bool InPlace);
}
