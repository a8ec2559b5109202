using PtxLosses.Calls;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Losses and values per token over logits.</summary>
internal static class LogitCalls
{
    /// <summary>γ times the loss of the text, differentiable by the logits.</summary>
    public static Tensor Term(
        double rlLoss,
        Tensor logits,
        Tensor targets,
        double coefficient,
        PtxLossOptions? options,
        Tensor? token_weights,
        bool inplace,
        out PtxLossResult result)
    {
        options ??= PtxLossOptions.Default;
        Returned.DisposeEarlier();
        OptionChecks.Check(options, HonouredOptions.Reduction | HonouredOptions.Shift);
        Arguments.CheckCoefficient(coefficient);
        Arguments.CheckLogits(logits, targets, options, ArgumentNames.Targets);
        Arguments.CheckTokenWeights(token_weights, targets);
        bool wantsGradient = Route.WantsGradient(logits);
        if (wantsGradient)
        {
            Arguments.CheckAccumulation(options);
            if (inplace)
            {
                Arguments.CheckInPlace(logits);
            }
        }

        var checkedTargets = new Targets(targets, ArgumentNames.Targets, token_weights, logits.LastLength(), options);
        using Tensor dense = logits.DetachedWithDenseRows();

        // Where torch does not allow a change in place, as in one of several views of the same, it says so here, before there
        // is one.
        using Tensor? variable = wantsGradient ? LossFunction.Variable(logits) : null;
        Tensor? gradient = !wantsGradient ? null
            : inplace ? logits.detach()
            : FreshMemory.Empty(logits.Lengths(), logits.dtype, logits.device);
        try
        {
            result = Compute(rlLoss, dense, checkedTargets, coefficient, gradient);
        }
        catch
        {
            gradient?.Dispose();
            throw;
        }

        Tensor term = Scalars.Of(result.PtxTerm, ElementTypes.OfLosses(logits.dtype), logits.device);
        return gradient is null ? term : LossFunction.Attach(term, [variable!], [gradient], inplace);
    }

    /// <summary>The log-probabilities and entropies, differentiable by the logits.</summary>
    public static (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor logits, Tensor ids, PtxLossOptions? options)
    {
        options ??= PtxLossOptions.Default;
        Returned.DisposeEarlier();
        Arguments.CheckPerToken(options);
        Arguments.CheckLogits(logits, ids, options, ArgumentNames.Ids);
        bool wantsGradient = Route.WantsGradient(logits);
        if (wantsGradient)
        {
            Arguments.CheckAccumulation(options);
        }

        var targets = new Targets(ids, ArgumentNames.Ids, token_weights: null, logits.LastLength(), options);
        var call = new LogitTokens(targets, IsCore: Route.IsCoreFor(logits));
        return TokenFunction.Run(
            call, [logits.DetachedWithDenseRows()], [wantsGradient ? logits : null], logits.dtype, logits.device, ids.Lengths());
    }

    private static PtxLossResult Compute(double rlLoss, Tensor logits, Targets targets, double coefficient, Tensor? gradient)
    {
        if (Route.IsCoreFor(logits))
        {
            var call = new CoreLoss(rlLoss, logits, targets, coefficient, gradient);
            return ElementTypes.Run<CoreLoss, PtxLossResult>(call, logits.dtype);
        }

        return OperatorCalls.Loss(rlLoss, new StoredLogits(logits, gradient, targets.Ids.Length), targets, coefficient);
    }

    /// <summary>How values per token come of logits.</summary>
    private sealed record LogitTokens(Targets Targets, bool IsCore) : ITokenCall
    {
        public TokenValues Forward(IReadOnlyList<Tensor> inputs)
        {
            var values = new TokenValues(Targets.Ids.Length);
            if (IsCore)
            {
                ElementTypes.Run<CoreTokens, bool>(new(inputs[0], Targets, values), inputs[0].dtype);
            }
            else
            {
                OperatorCalls.Tokens(new StoredLogits(inputs[0], gradient: null, Targets.Ids.Length), Targets, values);
            }

            return values;
        }

        public Tensor[] Backward(IReadOnlyList<Tensor> inputs, bool[] wanted, TokenValues values, TokenGradients gradients)
        {
            Tensor logits = inputs[0], gradient = FreshMemory.Empty(logits.Lengths(), logits.dtype, logits.device);
            if (IsCore)
            {
                ElementTypes.Run<CoreTokensBackward, bool>(new(logits, Targets, values, gradients, gradient), logits.dtype);
            }
            else
            {
                OperatorCalls.TokensBackward(new StoredLogits(logits, gradient, Targets.Ids.Length), Targets, values, gradients);
            }

            return [gradient];
        }
    }
}
