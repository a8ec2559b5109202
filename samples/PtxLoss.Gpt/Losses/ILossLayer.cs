namespace PtxLosses.Samples.Gpt;

/// <summary>
/// The output layer and what is computed of its logits: the losses of both halves of a step. Hidden states are
/// [batch, tokens, width], ids [batch, tokens], and the weight [vocabulary, width].
/// </summary>
internal interface ILossLayer
{
    /// <summary>L_rl + γ · L_ptx, differentiable, and its parts as numbers.</summary>
    Tensor Loss(Tensor rlLoss, Tensor hidden, Tensor weight, Tensor targets, double ptxCoefficient, out PtxLossResult result);

    /// <summary>The log-probability of each id and the entropy of its distribution, differentiable.</summary>
    (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor hidden, Tensor weight, Tensor ids);
}
