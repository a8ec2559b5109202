namespace PtxLosses.Samples.Gpt;

/// <summary>This package from the hidden states on: the logits are never in memory.</summary>
internal sealed class FusedLoss : ILossLayer
{
    public Tensor Loss(
        Tensor rlLoss, Tensor hidden, Tensor weight, Tensor targets, double ptxCoefficient, out PtxLossResult result) =>
        ptx.linear_loss(rlLoss, hidden, weight, targets, ptxCoefficient, out result);

    public (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor hidden, Tensor weight, Tensor ids) =>
        ptx.linear_token_log_probs(hidden, weight, ids);
}
