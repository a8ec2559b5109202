using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>How values per token come of tensors, and the gradients of these of theirs.</summary>
internal interface ITokenCall
{
    TokenValues Forward(IReadOnlyList<Tensor> inputs);

    /// <param name="inputs">The tensors that the forward pass had.</param>
    /// <param name="wanted">Which of their gradients are wanted.</param>
    /// <param name="values">What the forward pass found.</param>
    /// <param name="gradients">∂L/∂ of that.</param>
    /// <returns>The gradients that are wanted, in the order of the tensors.</returns>
    Tensor[] Backward(IReadOnlyList<Tensor> inputs, bool[] wanted, TokenValues values, TokenGradients gradients);
}

/// <summary>Log-probabilities and entropies: the work of the gradients is done in the backward pass, where two are known per token.</summary>
/// <remarks>Nothing is thrown through torch's native frames: see <see cref="LossFunction"/>.</remarks>
internal sealed class TokenFunction : torch.autograd.MultiTensorFunction<TokenFunction>
{
    private const string StateKey = "state";

    public override string Name => "PtxTokenLogProbs";

    /// <summary>Computes the values, and makes them differentiable.</summary>
    /// <param name="call">What computes them.</param>
    /// <param name="inputs">The tensors, without a graph, which belong to the function from now on.</param>
    /// <param name="variables">For each the one to differentiate by, or <see langword="null"/>.</param>
    /// <param name="type">The type of the inputs.</param>
    /// <param name="device">Where the results go.</param>
    /// <param name="shape">The shape of the results.</param>
    public static (Tensor LogProbabilities, Tensor Entropy) Run(
        ITokenCall call, Tensor[] inputs, Tensor?[] variables, torch.ScalarType type, torch.Device device, long[] shape)
    {
        Tensor[] views = [];
        try
        {
            TokenValues values = call.Forward(inputs);
            Tensor logProbabilities = ToTensor(values.Loss, -1), entropy = ToTensor(values.Entropy, 1);
            bool[] wanted = [.. variables.Select(variable => variable is not null)];
            if (!wanted.Contains(true))
            {
                return (logProbabilities, entropy);
            }

            using (logProbabilities)
            using (entropy)
            {
                views = [.. variables.OfType<Tensor>().Select(LossFunction.Variable)];
                using Tensor release = ReleaseFunction.Variable(device);
                List<Tensor> results = apply([new State(call, inputs, wanted, values, [logProbabilities, entropy]), .. views, release]);
                return (results[0], results[1]);
            }
        }
        finally
        {
            foreach (Tensor tensor in inputs.Concat(views))
            {
                tensor.Dispose();
            }
        }

        // 0 − x, for an ignored token has 0 and not −0.
        Tensor ToTensor(double[] values, double sign)
        {
            using Tensor all = torch.tensor(Array.ConvertAll(values, value => 0 + (sign * value)), ElementTypes.OfLosses(type), device);
            return all.reshape(shape);
        }
    }

    public override List<Tensor> forward(torch.autograd.AutogradContext ctx, params object[] vars)
    {
        var state = (State)vars[0];
        ctx.set_materialize_grads(false);
        ctx.save_for_backward([.. state.Inputs]);
        ctx.save_data(StateKey, state with { Inputs = [], Results = [] });
        return [.. state.Results];
    }

    public override List<Tensor?> backward(torch.autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        var state = (State)ctx.get_data(StateKey);
        int wanted = state.Wanted.Count(isWanted => isWanted);
        List<Tensor> inputs = [];
        try
        {
            Returned.DisposeEarlier();
            using var noGrad = torch.no_grad();
            inputs = ctx.get_saved_variables();
            var gradients = new TokenGradients(ToArray(grad_outputs[0], -1), ToArray(grad_outputs[1], 1));
            Tensor[] results = state.Call.Backward(inputs, state.Wanted, state.Values, gradients);
            return [null, .. results.Select(Returned.Keep), null];
        }
        catch (Exception)
        {
            return Failure.Results(wanted);
        }
        finally
        {
            inputs.ForEach(tensor => tensor.Dispose());
            grad_outputs.ForEach(tensor => tensor.Dispose());
        }
    }

    /// <summary>The gradient of each token, or <see langword="null"/> where there is none.</summary>
    private static double[]? ToArray(Tensor gradient, double sign)
    {
        if (gradient.IsInvalid)
        {
            return null;
        }

        using Tensor here = gradient.cpu();
        using Tensor wide = here.to_type(torch.ScalarType.Float64);
        using Tensor dense = wide.contiguous();
        double[] values = TensorMemory.Flat<double>(dense).ToArray();
        for (int i = 0; i < values.Length; i++)
        {
            values[i] *= sign;
        }

        return values;
    }

    private sealed record State(ITokenCall Call, Tensor[] Inputs, bool[] Wanted, TokenValues Values, Tensor[] Results);
}
