using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>The definition of a loss in torch's own differentiable operators, to be given float64.</summary>
internal static class Judge
{
    /// <summary>The cross-entropy of some logits with all options, the z-loss included.</summary>
    public static Tensor CrossEntropy(Tensor logits, Tensor targets, PtxLossOptions options, Tensor? weights = null)
    {
        (Tensor z, Tensor y, Tensor w) = Counted(logits, targets, options, weights);
        if (y.numel() == 0)
        {
            return logits.sum() * 0;
        }

        Tensor logSumExp = z.logsumexp(-1), surprisal = F.cross_entropy(z, y, reduction: torch.nn.Reduction.None);
        Tensor isIn = z.detach() != double.NegativeInfinity;
        Tensor mean = torch.where(isIn, z, torch.zeros_like(z)).sum(-1) / isIn.sum(-1);
        double smoothing = options.LabelSmoothing;
        Tensor loss = smoothing == 0 ? surprisal : ((1 - smoothing) * surprisal) + (smoothing * (logSumExp - mean));
        Tensor probability = surprisal.detach().neg().exp();
        Tensor share = options.TargetWeighting switch
        {
            TargetWeighting.Probability => probability,
            TargetWeighting.ProbabilityVariance => probability * (1 - probability),
            _ => torch.ones_like(probability),
        };
        Tensor sum = (w * share * (loss + (options.ZLossCoefficient * logSumExp * logSumExp))).sum();
        return options.Reduction == LossReduction.Sum ? sum : options.Denominator is { } divisor ? sum / divisor : sum / w.sum();
    }

    /// <summary>The mean of the rows' entropies, and the share of those whose largest logit is the target's.</summary>
    public static (double Entropy, double Accuracy) Statistics(Tensor logits, Tensor targets, PtxLossOptions options, Tensor? weights = null)
    {
        (Tensor z, Tensor y, Tensor w) = Counted(logits, targets, options, weights);
        Tensor p = z.softmax(-1), entropy = torch.special.entr(p).sum(-1), isCorrect = (z.argmax(-1) == y).to_type(torch.float64);
        return (((entropy * w).sum() / w.sum()).item<double>(), ((isCorrect * w).sum() / w.sum()).item<double>());
    }

    /// <summary>Log-probabilities and entropies, 0 where ids are ignored.</summary>
    public static (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor logits, Tensor ids, PtxLossOptions options)
    {
        Tensor shifted = options.ShiftTargets
            ? torch.cat([ids.narrow(-1, 1, ids.size(-1) - 1), torch.full_like(ids.narrow(-1, 0, 1), -100)], -1) : ids;
        Tensor counts = shifted != -100, y = torch.where(counts, shifted, torch.zeros_like(shifted));
        Tensor z = Transformed(logits, options), logP = z.log_softmax(-1);
        Tensor entropy = torch.where(z.detach() == double.NegativeInfinity, torch.zeros_like(z), logP.exp() * logP).sum(-1).neg();
        return (logP.gather(-1, y.unsqueeze(-1)).squeeze(-1) * counts, entropy * counts);
    }

    private static Tensor Transformed(Tensor x, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap;
        Tensor z = cap == 0 ? x : torch.where(x.detach().isinf(), x, cap * (x / cap).tanh());
        return z * options.LogitScale;
    }

    /// <summary>The logits, targets and weights of the tokens that count.</summary>
    private static (Tensor Z, Tensor Targets, Tensor Weights) Counted(Tensor logits, Tensor targets, PtxLossOptions options, Tensor? weights)
    {
        weights = weights?.to_type(torch.float64) ?? torch.ones(targets.Lengths(), torch.float64);
        if (options.ShiftTargets)
        {
            long length = targets.size(-1) - 1;
            (logits, targets, weights) = (logits.narrow(-2, 0, length), targets.narrow(-1, 1, length), weights.narrow(-1, 1, length));
        }

        Tensor y = targets.reshape(-1).to_type(torch.int64), w = weights.reshape(-1);
        Tensor counts = ((options.IgnoreIndex is { } ignored ? y != ignored : torch.ones_like(y, dtype: torch.@bool)) & (w > 0)).nonzero().squeeze(-1);
        return (Transformed(logits.reshape(-1, logits.LastLength()).index_select(0, counts), options), y.index_select(0, counts), w.index_select(0, counts));
    }
}
