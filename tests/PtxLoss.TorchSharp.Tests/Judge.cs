using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>
/// The definition of a loss by torch, to be given float64: by torch's own functions wherever there is one. What torch does not know,
/// as a z-loss, is composed of its differentiable operators.
/// </summary>
/// <remarks>
/// Numbers are tensors without a shape: the garbage collector may free a <see cref="Scalar"/> while torch still reads it, but not what
/// a dispose scope holds.
/// </remarks>
internal static class Judge
{
    /// <summary>The cross-entropy of some logits with all options, the z-loss included.</summary>
    public static Tensor CrossEntropy(Tensor logits, Tensor targets, PtxLossOptions options, Tensor? weights = null)
    {
        (Tensor z, Tensor y, Tensor w) = Counted(logits, targets, options, weights);
        if (y.numel() == 0)
        {
            return logits.sum() * Number(0);
        }

        bool isMean = options is { Reduction: LossReduction.Mean, Denominator: null };
        bool isMasked = z.detach().isneginf().any().item<bool>();
        bool isPlain = options is { TargetWeighting: TargetWeighting.Uniform, ZLossCoefficient: 0 } && weights is null;
        if (isPlain && !(isMasked && options.LabelSmoothing > 0))
        {
            var reduction = isMean ? torch.nn.Reduction.Mean : torch.nn.Reduction.Sum;
            Tensor loss = F.cross_entropy(z, y, reduction: reduction, label_smoothing: options.LabelSmoothing);
            return loss / Number(options.Reduction == LossReduction.Sum ? 1 : options.Denominator ?? 1);
        }

        Tensor logSumExp = LogSumExp(z), losses = Losses(z, y, options.LabelSmoothing);
        Tensor penalized = losses + (Number(options.ZLossCoefficient) * logSumExp * logSumExp);
        Tensor sum = (w * Shares(z, y, options.TargetWeighting) * penalized).sum();
        return isMean ? sum / w.sum() : sum / Number(options.Reduction == LossReduction.Sum ? 1 : options.Denominator!.Value);
    }

    /// <summary>The mean of the rows' entropies, and the share of those whose largest logit is the target's.</summary>
    public static (double Entropy, double Accuracy) Statistics(
        Tensor logits, Tensor targets, PtxLossOptions options, Tensor? weights = null)
    {
        (Tensor z, Tensor y, Tensor w) = Counted(logits, targets, options, weights);
        Tensor isCorrect = (z.argmax(-1) == y).to_type(torch.float64);
        return (((Entropy(z) * w).sum() / w.sum()).item<double>(), ((isCorrect * w).sum() / w.sum()).item<double>());
    }

    /// <summary>Log-probabilities and entropies, 0 where ids are ignored.</summary>
    public static (Tensor LogProbabilities, Tensor Entropy) Tokens(Tensor logits, Tensor ids, PtxLossOptions options)
    {
        Tensor shifted = options.ShiftTargets
            ? torch.cat([ids.narrow(-1, 1, ids.size(-1) - 1), torch.full_like(ids.narrow(-1, 0, 1), -100)], -1) : ids;
        Tensor z = Transformed(logits, options);
        Tensor losses = F.cross_entropy(z.reshape(-1, z.LastLength()), shifted.reshape(-1), reduction: torch.nn.Reduction.None);
        return (-losses.reshape(ids.Lengths()), Entropy(z) * (shifted != -100));
    }

    /// <summary>The values of a tensor of float64, of which there may be none.</summary>
    public static double[] Values(Tensor tensor) => tensor.numel() == 0 ? [] : [.. tensor.detach().contiguous().data<double>()];

    /// <summary>z = LogitScale · cap(x), where what is masked stays masked.</summary>
    public static Tensor Transformed(Tensor x, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap;
        Tensor z = cap == 0 ? x : torch.where(x.detach().isinf(), x, Number(cap) * (x / Number(cap)).tanh());
        return z * Number(options.LogitScale);
    }

    /// <summary>The cross-entropy of each row with its target.</summary>
    public static Tensor Losses(Tensor z, Tensor y, double smoothing)
    {
        Tensor losses = F.cross_entropy(z, y, reduction: torch.nn.Reduction.None, label_smoothing: smoothing);
        return smoothing == 0 ? losses : WithoutMasks(z, losses, MaskedLoss);

        // A target that is masked cannot be left out: the loss is +inf.
        Tensor MaskedLoss(Tensor row, Tensor isVisible, long i)
        {
            long target = y[i].item<long>();
            Tensor visible = row.masked_select(isVisible);
            return isVisible[target].item<bool>()
                ? F.cross_entropy(visible, isVisible.narrow(0, 0, target).sum(), label_smoothing: smoothing)
                : (Number(1 - smoothing) * F.cross_entropy(row, y[i])) + (Number(smoothing) * (row.logsumexp(0) - visible.mean()));
        }
    }

    /// <summary>The cross-entropy of each row with its probabilities, which need not add up to 1.</summary>
    /// <param name="z">[tokens, vocabulary].</param>
    /// <param name="q">[tokens, vocabulary].</param>
    public static Tensor SoftLosses(Tensor z, Tensor q)
    {
        // A probability of 0 adds 0: torch would make 0 · ∞ of it where the id is masked, and NaN where the row has no softmax.
        Tensor losses = F.cross_entropy(z, q, reduction: torch.nn.Reduction.None);
        return torch.where(q.any(-1), WithoutMasks(z, losses, MaskedLoss), Number(0));

        Tensor MaskedLoss(Tensor row, Tensor isVisible, long i)
        {
            Tensor isMaskedTarget = isVisible.logical_not().logical_and(q[i]);
            Tensor loss = F.cross_entropy(row.masked_select(isVisible), q[i].masked_select(isVisible));
            return isMaskedTarget.any().item<bool>()
                ? loss - (q[i].masked_select(isMaskedTarget) * row.log_softmax(0).masked_select(isMaskedTarget)).sum() : loss;
        }
    }

    /// <summary>The entropy of each row, where 0 · log 0 is 0.</summary>
    public static Tensor Entropy(Tensor z)
    {
        Tensor logP = z.log_softmax(-1);
        return (logP.exp() * torch.where(z.detach().isneginf(), Number(0), logP)).sum(-1).neg();
    }

    /// <summary>The log-sum-exp of each row: NaN where there is a +inf, as the loss is.</summary>
    public static Tensor LogSumExp(Tensor z) => torch.where(z.detach().isposinf().any(-1), Number(double.NaN), z.logsumexp(-1));

    public static Tensor Number(double value) => torch.tensor(value, torch.float64);

    /// <summary>What each row counts by the probability of its target, a constant; 1 − p is what the other ids have.</summary>
    public static Tensor Shares(Tensor z, Tensor y, TargetWeighting weighting)
    {
        Tensor p = z.detach().softmax(-1), places = y.unsqueeze(-1), ofTarget = p.gather(-1, places).squeeze(-1);
        return weighting switch
        {
            TargetWeighting.Probability => ofTarget,
            TargetWeighting.ProbabilityVariance => ofTarget * p.scatter(-1, places, torch.zeros_like(places, torch.float64)).sum(-1),
            _ => torch.ones_like(ofTarget),
        };
    }

    /// <summary>The losses, in those rows that have masks those without what is masked.</summary>
    private static Tensor WithoutMasks(Tensor z, Tensor losses, Func<Tensor, Tensor, long, Tensor> maskedLoss)
    {
        Tensor isVisible = z.detach().isneginf().logical_not();
        bool[] isMasked = isVisible.all(-1).logical_not().logical_and(isVisible.any(-1)).data<bool>().ToArray();
        return !isMasked.Contains(true) ? losses
            : torch.stack(isMasked.Select((masked, i) => masked ? maskedLoss(z[i], isVisible[i], i) : losses[i]));
    }

    /// <summary>The logits, targets and weights of the tokens that count.</summary>
    private static (Tensor Z, Tensor Targets, Tensor Weights) Counted(
        Tensor logits, Tensor targets, PtxLossOptions options, Tensor? weights)
    {
        weights = weights?.to_type(torch.float64) ?? torch.ones(targets.Lengths(), torch.float64);
        if (options.ShiftTargets)
        {
            long length = targets.size(-1) - 1;
            (logits, targets, weights) = (logits.narrow(-2, 0, length), targets.narrow(-1, 1, length), weights.narrow(-1, 1, length));
        }

        Tensor y = targets.reshape(-1).to_type(torch.int64), w = weights.reshape(-1);
        Tensor isTarget = options.IgnoreIndex is { } ignored ? y != ignored : torch.ones_like(y, dtype: torch.@bool);
        Tensor counts = (isTarget & (w > 0)).nonzero().squeeze(-1);
        Tensor rows = logits.reshape(-1, logits.LastLength()).index_select(0, counts);
        return (Transformed(rows, options), y.index_select(0, counts), w.index_select(0, counts));
    }
}
