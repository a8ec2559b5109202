using System.Text.Json.Serialization;

namespace PtxLosses.Tests;

/// <summary>A case of the goldens that Goldens/generate.py makes, which says what its fields are.</summary>
internal abstract record GoldenCase
{
    public required string Name { get; init; }
    public required int VocabularySize { get; init; }
    public required PtxLossOptions Options { get; init; }

    /// <summary>One per token; none where they are soft.</summary>
    public int[] Targets { get; init; } = [];

    /// <summary>Soft targets, as many ids per token; 0 where targets are hard.</summary>
    public int IdsPerToken { get; init; }
    public int[] Ids { get; init; } = [];
    public float[] Probabilities { get; init; } = [];

    /// <summary>None where there is a <see cref="Head"/>, which makes them.</summary>
    public float[] Logits { get; init; } = [];
    public GoldenHead? Head { get; init; }

    /// <summary>
    /// Where targets are shifted, the targets per sequence, the last dimension of their tensor; 0: all are one.
    /// </summary>
    public int SequenceLength { get; init; }

    /// <summary>What the gradient is added to where gradients accumulate, otherwise empty.</summary>
    public float[] InitialGradient { get; init; } = [];

    public required double[] LogSumExp { get; init; }
    public required double[] Entropy { get; init; }

    /// <summary>Of the logits, where there is no <see cref="Head"/>.</summary>
    public double[] Gradient { get; init; } = [];

    /// <summary>What the gradient is the product with: of each output, one per token, or none.</summary>
    [JsonIgnore]
    public abstract GoldenOutputGradients ByOutput { get; }

    [JsonIgnore]
    public int Tokens => LogSumExp.Length;

    /// <summary>The size of the largest finite logit that is read: what the rounding of a log-sum-exp is relative to.</summary>
    [JsonIgnore]
    public double Magnitude => Options.LogitScale * Logits.Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();

    /// <summary>
    /// What the row of a token is to predict: ids of it, each with its probability. Empty if the token counts nowhere, or if its
    /// target is in another shard.
    /// </summary>
    public (int Id, double Probability)[] TargetsOf(int token)
    {
        int first = (int)(Options.VocabularyStart ?? 0);
        return IdsPerToken > 0
            ? [.. Enumerable.Range(token * IdsPerToken, IdsPerToken)
                .Where(i => Ids[i] != Options.IgnoreIndex)
                .Select(i => (Ids[i], (double)Probabilities[i]))]
            : Counts(token) && Targets[PredictedBy(token)!.Value] - first is var id && id >= 0 && id < VocabularySize
                ? [(id, 1)]
                : [];
    }

    /// <summary>Whether the row of a token is not ignored.</summary>
    public bool Counts(int token) => IdsPerToken > 0
        ? TargetsOf(token).Length > 0
        : PredictedBy(token) is { } position && Targets[position] != Options.IgnoreIndex;

    /// <summary>The logit of an id, soft cap and scale included.</summary>
    public double LogitOf(int token, int id)
    {
        double logit = Head?.LogitOf(token, id) ?? Logits[(token * VocabularySize) + id], cap = Options.LogitSoftCap;
        return Options.LogitScale * (cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap));
    }

    /// <summary>The loss of a token's hard target, whatever the smoothing.</summary>
    public double HardLossOf(int token) => LogSumExp[token] - LogitOf(token, TargetsOf(token)[0].Id);

    /// <summary>
    /// By how much of itself what a token counts besides its weight changes, for a change of <see cref="HardLossOf"/>.
    /// </summary>
    public virtual double FactorSlopeOf(int token) => 0;

    /// <summary>Where the target and the weight of the row of a token are, or null at the end of a shifted sequence.</summary>
    protected int? PredictedBy(int token)
    {
        int length = SequenceLength == 0 ? Tokens : SequenceLength;
        return !Options.ShiftTargets ? token : (token + 1) % length == 0 ? null : token + 1;
    }
}

/// <summary>A loss, its parts, and its gradient.</summary>
internal sealed record Golden : GoldenCase
{
    public required double RlLoss { get; init; }
    public required double PtxCoefficient { get; init; }

    /// <summary>One per target, or none.</summary>
    public float[] TokenWeights { get; init; } = [];

    public required double? SeedTotal { get; init; }
    public required long TokenCount { get; init; }
    public required double Total { get; init; }
    public required double LanguageModelLoss { get; init; }
    public double ZLoss { get; init; }
    public double? Perplexity { get; init; }
    public double? Accuracy { get; init; }
    public double? MeanEntropy { get; init; }
    public required double[] TokenLoss { get; init; }
    public required int[] ArgMax { get; init; }

    /// <summary>What the sum of the losses is divided by.</summary>
    [JsonIgnore]
    public double Divisor => Options.Reduction == LossReduction.Sum ? 1
        : Options.Denominator ?? (Enumerable.Range(0, Tokens).Sum(WeightOf) is var sum && sum == 0 ? 1 : sum);

    /// <summary>∂Total / ∂(the loss of each token), and the z-loss as a gradient of the log-sum-exp.</summary>
    [JsonIgnore]
    public override GoldenOutputGradients ByOutput
    {
        get
        {
            double[] scale = [.. Enumerable.Range(0, Tokens).Select(token => PtxCoefficient * PartOf(token))];
            double beta = 2 * Options.ZLossCoefficient;
            return new GoldenOutputGradients
            {
                Loss = scale,
                LogSumExp = beta == 0 ? [] : [.. scale.Zip(LogSumExp, (s, logSumExp) => s == 0 ? 0 : s * beta * logSumExp)],
            };
        }
    }

    /// <summary>∂<see cref="LanguageModelLoss"/> / ∂(the loss of a token).</summary>
    public double PartOf(int token) => WeightOf(token) is var weight && weight == 0 ? 0 : weight * FactorOf(token) / Divisor;

    public override double FactorSlopeOf(int token)
    {
        if (Options.TargetWeighting == TargetWeighting.Uniform || !Counts(token) || FactorOf(token) == 0)
        {
            return 0;
        }

        double p = Math.Exp(-HardLossOf(token));
        return Options.TargetWeighting == TargetWeighting.Probability ? 1 : Math.Abs(1 - (2 * p)) / OthersOf(token);
    }

    /// <summary>How often the row of a token counts, 0 where it is ignored.</summary>
    private double WeightOf(int token)
        => !Counts(token) ? 0 : TokenWeights.Length == 0 ? 1 : TokenWeights[PredictedBy(token)!.Value];

    /// <summary>s.</summary>
    private double FactorOf(int token) => Options.TargetWeighting switch
    {
        TargetWeighting.Probability => Math.Exp(-HardLossOf(token)),
        TargetWeighting.ProbabilityVariance => Math.Exp(-HardLossOf(token)) * OthersOf(token),
        _ => 1,
    };

    /// <summary>1 − p of a token's target, from what makes it, for little is left of 1 − p where the model is sure.</summary>
    private double OthersOf(int token)
        => Enumerable.Range(0, VocabularySize)
            .Where(id => id != TargetsOf(token)[0].Id)
            .Sum(id => Math.Exp(LogitOf(token, id) - LogSumExp[token]));
}

/// <summary>A vector-Jacobian product of the cross-entropy's outputs.</summary>
internal sealed record GoldenProduct : GoldenCase
{
    public required GoldenOutputGradients OutputGradients { get; init; }

    /// <summary>What Forward gives of a shard, where the other fields are of whole rows.</summary>
    public double[] ShardLogSumExp { get; init; } = [];
    public double[] ShardEntropy { get; init; } = [];
    public int[] ArgMax { get; init; } = [];

    [JsonIgnore]
    public override GoldenOutputGradients ByOutput => OutputGradients;
}

/// <summary>What <see cref="CrossEntropyOutputGradients"/> holds.</summary>
internal sealed record GoldenOutputGradients
{
    public double[] Loss { get; init; } = [];
    public double[] LogSumExp { get; init; } = [];
    public double[] Entropy { get; init; } = [];
}

/// <summary>What logits are made of: hidden · weightᵀ + bias.</summary>
internal sealed record GoldenHead
{
    public required int HiddenSize { get; init; }

    /// <summary>The type that has all of these numbers exactly.</summary>
    public string Element { get; init; } = "float";

    public required float[] Hidden { get; init; }
    public required float[] Weight { get; init; }
    public float[] Bias { get; init; } = [];

    /// <summary>What gradients are added to where they accumulate, otherwise empty.</summary>
    public float[] InitialWeightGradient { get; init; } = [];
    public float[] InitialBiasGradient { get; init; } = [];

    public required double[] HiddenGradient { get; init; }
    public required double[] WeightGradient { get; init; }

    /// <summary>Empty where there is no bias.</summary>
    public double[] BiasGradient { get; init; } = [];

    /// <summary>A logit in double.</summary>
    public double LogitOf(int token, int id) => Terms(token, id).Sum();

    /// <summary>What a logit is the sum of.</summary>
    public IEnumerable<double> Terms(int token, int id)
        => Enumerable.Range(0, HiddenSize)
            .Select(k => (double)Hidden[(token * HiddenSize) + k] * Weight[(id * HiddenSize) + k])
            .Append(Bias.Length == 0 ? 0 : Bias[id]);
}
