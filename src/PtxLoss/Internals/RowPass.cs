using System.Numerics;

namespace PtxLosses.Internals;

/// <summary>
/// One visit to every row of a batch, whatever the call: it reduces the row to its log-sum-exp (or takes the one it is given),
/// fills the outputs that are asked for, and turns the row into its gradient while it is still in cache. Its memory is
/// validated and pinned; a null pointer means "not asked for".
/// </summary>
internal unsafe struct RowPass<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    public required RowKernel<TLogit> Kernel;
    public required LogitRows<TLogit> Logits;
    public required TTarget* Targets;
    public required long Tokens;
    public required int? IgnoreIndex;

    /// <summary>The log-sum-exp of each row, where it is known already.</summary>
    public double* KnownLogSumExp;

    public double* Loss;
    public double* LogSumExp;
    public double* TargetLogit;
    public double* Entropy;
    public int* ArgMax;

    public bool WantsGradient;
    public LogitRows<TLogit> Gradient;

    /// <summary>∂(what is differentiated) / ∂(the loss of a token): of each token, or the same for all.</summary>
    public double* TokenScale;
    public double Scale;

    /// <summary>Visits the row of a token and returns its loss, 0 if it is ignored. Visits of different rows are independent.</summary>
    public readonly double Visit(long token)
    {
        long target = long.CreateSaturating(Targets[token]);
        if (target == IgnoreIndex)
        {
            if (WantsGradient)
            {
                Gradient[token].Clear();
            }

            Record(token, loss: 0, logSumExp: 0, targetLogit: 0, entropy: 0, argMax: -1);
            return 0;
        }

        ReadOnlySpan<TLogit> row = Logits[token];
        double targetLogit = Kernel.ToDouble(row[(int)target]);
        double logSumExp;
        double loss;
        if (KnownLogSumExp != null)
        {
            logSumExp = KnownLogSumExp[token];
            loss = logSumExp - targetLogit;
        }
        else
        {
            RowSums sums = Kernel.Reduce(row, Details);
            logSumExp = sums.LogSumExp;
            loss = logSumExp - targetLogit;
            Record(token, loss, logSumExp, targetLogit, sums.Entropy, sums.ArgMax);
        }

        if (WantsGradient)
        {
            double scale = TokenScale != null ? TokenScale[token] : Scale;
            Span<TLogit> gradient = Gradient[token];
            Kernel.WriteSoftmax(row, logSumExp, scale, gradient);

            // p − 1 in double and rounded once: a rounded p has lost what is left of it where the model is sure.
            gradient[(int)target] = Kernel.FromDouble(scale * (Math.Exp(-loss) - 1));
        }

        return loss;
    }

    private readonly RowDetails Details =>
        (Entropy != null ? RowDetails.Entropy : RowDetails.None) | (ArgMax != null ? RowDetails.ArgMax : RowDetails.None);

    private readonly void Record(long token, double loss, double logSumExp, double targetLogit, double entropy, int argMax)
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
}
