namespace PtxLosses.Softmax;

/// <summary>
/// What a reduction finds in a row z, or in a part of one: the state of an online softmax (Milakov and Gimelshein, 2018), and the
/// statistics that are asked for besides.
/// </summary>
/// <remarks>
/// Plain fields, filled through a reference: a struct of this size that is returned, and so copied in vectors right after its
/// fields were written one by one, would wait longer than a short row takes.
/// </remarks>
internal struct LogSumExpState
{
    /// <summary>exp of this is 0 in float and in double, and unlike −inf · 0 its product with 0 is 0.</summary>
    public const int LowestShift = -1000;

    /// <summary>A power of 2, with which the sum of as many logits as a row may have is in the range of double.</summary>
    public const double LogitSumScale = 1.0 / (1L << 32);

    /// <summary>m.</summary>
    public double Reference;

    /// <summary>S = Σ exp(z_i − m).</summary>
    public double Sum;

    /// <summary>Σ (z_i − m)·exp(z_i − m), for <see cref="RowStatistics.Entropy"/>.</summary>
    public double WeightedSum;

    /// <summary>The largest logit, NaN if there is one, for <see cref="RowStatistics.ArgMax"/>.</summary>
    public double Max;

    /// <summary>Where the largest logit is first, for <see cref="RowStatistics.ArgMax"/>.</summary>
    public int ArgMax;

    /// <summary>How many logits are not −inf, for <see cref="RowStatistics.Mean"/>.</summary>
    public int Unmasked;

    /// <summary>
    /// Σ z_i · <see cref="LogitSumScale"/> over the logits that are not −inf, for <see cref="RowStatistics.Mean"/>.
    /// </summary>
    public double LogitSum;

    /// <summary>No logits yet.</summary>
    public static void Start(out LogSumExpState state, double reference)
    {
        state.Reference = reference;
        state.Sum = 0;
        state.WeightedSum = 0;
        state.Max = double.NegativeInfinity;
        state.ArgMax = 0;
        state.Unmasked = 0;
        state.LogitSum = 0;
    }

    public readonly double LogSumExp => Reference + Math.Log(Sum);

    /// <summary>H = −Σ p_i log p_i with p_i = exp(z_i − m) / S, so H = log S − WeightedSum / S.</summary>
    public readonly double Entropy => Math.Max(0, Math.Log(Sum) - (WeightedSum / Sum));

    /// <summary>The mean of the logits that are not −inf.</summary>
    public readonly double Mean => LogitSum / Unmasked / LogitSumScale;

    /// <summary>Turns the sums into those for a reference that is not lower.</summary>
    public void RaiseReference(double reference)
    {
        double shift = Math.Max(LowestShift, Reference - reference);
        double scale = Math.Exp(shift);
        WeightedSum = scale * (WeightedSum + (shift * Sum));
        Sum *= scale;
        Reference = reference;
    }

    /// <summary>Adds what was found in logits that stand <paramref name="offset"/> behind the start of these.</summary>
    public void Append(LogSumExpState next, int offset)
    {
        double reference = Math.Max(Reference, next.Reference);
        RaiseReference(reference);
        next.RaiseReference(reference);
        Sum += next.Sum;
        WeightedSum += next.WeightedSum;
        LogitSum += next.LogitSum;
        Unmasked += next.Unmasked;
        if (next.Max > Max || (double.IsNaN(next.Max) && !double.IsNaN(Max)))
        {
            Max = next.Max;
            ArgMax = offset + next.ArgMax;
        }
    }
}
