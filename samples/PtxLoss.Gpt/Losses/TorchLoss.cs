using static TorchSharp.torch.nn.functional;

namespace PtxLosses.Samples.Gpt;

/// <summary>Torch's own operators, as one writes them without this package.</summary>
internal sealed class TorchLoss : ILossLayer
{
    public Tensor Loss(
        Tensor rlLoss, Tensor hidden, Tensor weight, Tensor targets, double ptxCoefficient, out PtxLossResult result)
    {
        Tensor text = cross_entropy(linear(hidden, weight).flatten(0, 1), targets.flatten());
        Tensor total = rlLoss + (ptxCoefficient * text);

        long count = targets.ne(TokenizedText.Ignored).sum().item<long>();
        var parts = new PtxLossAccumulator();
        parts.Add(lossSum: text.item<float>() * (double)count, weightSum: count, tokenCount: count);
        result = parts.ToResult(rlLoss.item<float>(), ptxCoefficient);
        return total;
    }

    public (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor hidden, Tensor weight, Tensor ids)
    {
        Tensor logProbabilities = log_softmax(linear(hidden, weight), dim: -1);
        Tensor entropy = -(logProbabilities.exp() * logProbabilities).sum(-1);
        return (logProbabilities.gather(-1, ids.unsqueeze(-1)).squeeze(-1), entropy);
    }
}
