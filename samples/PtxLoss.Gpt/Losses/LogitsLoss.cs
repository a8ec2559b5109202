using static TorchSharp.torch.nn.functional;

namespace PtxLosses.Samples.Gpt;

/// <summary>Torch's linear layer, then this package: the gradient of the text's logits takes their place.</summary>
internal sealed class LogitsLoss : ILossLayer
{
    public Tensor Loss(
        Tensor rlLoss, Tensor hidden, Tensor weight, Tensor targets, double ptxCoefficient, out PtxLossResult result) =>
        ptx.loss(rlLoss, linear(hidden, weight), targets, ptxCoefficient, out result, inplace: true);

    public (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor hidden, Tensor weight, Tensor ids) =>
        ptx.token_log_probs(linear(hidden, weight), ids);
}
