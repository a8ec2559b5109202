using PtxLosses.Calls;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Losses and values per token from hidden states.</summary>
internal static class HeadCalls
{
    /// <summary>γ times the loss of the text, differentiable by hidden states, weight and bias.</summary>
    public static Tensor Term(
        double rlLoss,
        Tensor hidden,
        Tensor weight,
        Tensor targets,
        double coefficient,
        Tensor? bias,
        PtxLossOptions? options,
        Tensor? token_weights,
        out PtxLossResult result)
    {
        options ??= PtxLossOptions.Default;
        Returned.DisposeEarlier();
        OptionChecks.Check(options, HonouredOptions.Reduction | HonouredOptions.Shift);
        Arguments.CheckCoefficient(coefficient);
        Arguments.CheckHead(hidden, weight, bias, targets, options, ArgumentNames.Targets);
        Arguments.CheckTokenWeights(token_weights, targets);
        Tensor?[] variables = Variables(hidden, weight, bias, options);
        var checkedTargets = new Targets(targets, ArgumentNames.Targets, token_weights, weight.size(0), options);
        using Head head = Head.Of(hidden, weight, bias);
        HeadGradients gradients = HeadGradients.For(
            head, variables[0] is not null, variables[1] is not null, variables[2] is not null);
        try
        {
            result = Compute(rlLoss, head, checkedTargets, coefficient, gradients);
        }
        catch
        {
            gradients.Dispose();
            throw;
        }

        Tensor term = Scalars.Of(result.PtxTerm, ElementTypes.OfLosses(hidden.dtype), hidden.device);
        return !gradients.AreWanted ? term
            : LossFunction.Attach(term, [.. variables.OfType<Tensor>().Select(LossFunction.Variable)], gradients.Wanted);
    }

    /// <summary>The log-probabilities and entropies, differentiable by hidden states, weight and bias.</summary>
    public static (Tensor LogProbabilities, Tensor Entropy) Tokens(
        Tensor hidden, Tensor weight, Tensor ids, Tensor? bias, PtxLossOptions? options)
    {
        options ??= PtxLossOptions.Default;
        Returned.DisposeEarlier();
        Arguments.CheckPerToken(options);
        Arguments.CheckHead(hidden, weight, bias, ids, options, ArgumentNames.Ids);
        Tensor?[] variables = Variables(hidden, weight, bias, options);
        var targets = new Targets(ids, ArgumentNames.Ids, token_weights: null, weight.size(0), options);
        Head head = Head.Of(hidden, weight, bias);
        var call = new HeadTokens(targets, hidden.Lengths(), IsCore: Route.IsCoreForHead(hidden));
        Tensor[] inputs = head.Bias is null ? [head.Hidden, head.Weight] : [head.Hidden, head.Weight, head.Bias];
        return TokenFunction.Run(call, inputs, variables[..inputs.Length], hidden.dtype, hidden.device, ids.Lengths());
    }

    private static PtxLossResult Compute(
        double rlLoss, in Head head, Targets targets, double coefficient, in HeadGradients gradients)
    {
        if (Route.IsCoreForHead(head.Hidden))
        {
            var call = new CoreHeadLoss(rlLoss, head, targets, coefficient, gradients);
            return ElementTypes.Run<CoreHeadLoss, PtxLossResult>(call, head.Hidden.dtype);
        }

        return OperatorCalls.Loss(rlLoss, new HeadLogits(head, gradients), targets, coefficient);
    }

    /// <summary>Those of the three that a gradient is wanted of.</summary>
    private static Tensor?[] Variables(Tensor hidden, Tensor weight, Tensor? bias, PtxLossOptions options)
    {
        Tensor?[] variables = [Wanted(hidden), Wanted(weight), Wanted(bias)];
        if (variables.Any(variable => variable is not null))
        {
            Arguments.CheckAccumulation(options);
        }

        return variables;

        static Tensor? Wanted(Tensor? tensor) => Route.WantsGradient(tensor) ? tensor : null;
    }

    /// <summary>How values per token come of hidden states.</summary>
    private sealed record HeadTokens(Targets Targets, long[] HiddenShape, bool IsCore) : ITokenCall
    {
        public TokenValues Forward(IReadOnlyList<Tensor> inputs)
        {
            var values = new TokenValues(Targets.Ids.Length);
            Head head = HeadOf(inputs);
            if (IsCore)
            {
                ElementTypes.Run<CoreHeadTokens, bool>(new(head, Targets, values), head.Hidden.dtype);
            }
            else
            {
                OperatorCalls.Tokens(new HeadLogits(head, gradients: default), Targets, values);
            }

            return values;
        }

        public Tensor[] Backward(IReadOnlyList<Tensor> inputs, bool[] wanted, TokenValues values, TokenGradients gradients)
        {
            Head head = HeadOf(inputs);
            HeadGradients results = HeadGradients.For(head, wanted[0], wanted[1], wanted.Length > 2 && wanted[2]);
            if (IsCore)
            {
                var call = new CoreHeadTokensBackward(head, Targets, values, gradients, results);
                ElementTypes.Run<CoreHeadTokensBackward, bool>(call, head.Hidden.dtype);
            }
            else
            {
                OperatorCalls.TokensBackward(new HeadLogits(head, results), Targets, values, gradients);
            }

            return results.Wanted;
        }

        private Head HeadOf(IReadOnlyList<Tensor> inputs)
            => new(inputs[0], inputs[1], inputs.Count > 2 ? inputs[2] : null, HiddenShape);
    }
}
