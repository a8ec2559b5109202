using System.Numerics;

namespace PtxLosses.Batch;

/// <summary>
/// What a call reads and writes per token: validated, and pinned as long as it lasts. A null pointer means "not given" or "not
/// asked for"; each points to a value per token, but for the weights, of which there is one per target.
/// </summary>
internal unsafe struct TokenMemory<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    public TargetRows<TTarget> Targets;

    /// <summary>How often each token counts. Those that count 0 times are treated as ignored.</summary>
    public float* TokenWeights;

    /// <summary>What an earlier pass found, where this one only differentiates: of whole rows, if these are shards.</summary>
    public double* KnownLogSumExp;
    public double* KnownEntropy;

    /// <summary>∂L/∂ of what the earlier pass found.</summary>
    public double* LossGradient;
    public double* LogSumExpGradient;
    public double* EntropyGradient;

    /// <summary>Where what is found per token goes.</summary>
    public double* Loss;
    public double* LogSumExp;
    public double* TargetLogit;
    public double* Entropy;
    public int* ArgMax;

    /// <summary>How often a token counts; 0 if it adds nothing, so that its logits need not be known.</summary>
    public readonly double WeightOf(long token)
        => !Targets.Counts(token) || (KnownLogSumExp != null && KnownGradients(token).AreZero) ? 0
            : TokenWeights == null ? 1
            : TokenWeights[Targets.PositionOf(token)];

    public readonly TokenGradients KnownGradients(long token)
    {
        return new(Of(LossGradient), Of(LogSumExpGradient), Of(EntropyGradient));

        double Of(double* gradients) => gradients == null ? 0 : gradients[token];
    }

    /// <summary>Records what was found of a token, as far as it is asked for.</summary>
    public readonly void Record(long token, double loss, double logSumExp, double targetLogit, double entropy, int argMax)
    {
        Set(Loss, loss);
        Set(LogSumExp, logSumExp);
        Set(TargetLogit, targetLogit);
        Set(Entropy, entropy);
        if (ArgMax != null)
        {
            ArgMax[token] = argMax;
        }

        void Set(double* output, double value)
        {
            if (output != null)
            {
                output[token] = value;
            }
        }
    }

    /// <summary>Records that a token adds nothing.</summary>
    public readonly void RecordIgnored(long token)
        => Record(token, loss: 0, logSumExp: 0, targetLogit: 0, entropy: 0, argMax: -1);
}
