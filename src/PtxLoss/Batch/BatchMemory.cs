using System.Numerics;

namespace PtxLosses.Batch;

/// <summary>
/// What a pass over a batch reads and writes: validated, and pinned as long as it lasts. A null pointer means "not given" or "not
/// asked for"; each points to a value per token, but for the weights, of which there is one per target.
/// </summary>
internal unsafe struct BatchMemory<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    public LogitRows<TLogit> Logits;
    public TargetRows<TTarget> Targets;

    /// <summary>How often each token counts. Those that count 0 times are treated as ignored.</summary>
    public float* TokenWeights;

    /// <summary>Where the gradient goes, if <see cref="WantsGradient"/>.</summary>
    public LogitRows<TLogit> Gradient;
    public bool WantsGradient;

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
}
