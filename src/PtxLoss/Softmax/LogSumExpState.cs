namespace PtxLosses.Softmax;

/// <summary>What a kernel must find in a row beyond the sum of exponentials.</summary>
[Flags]
internal enum RowStatistics
{
    None = 0,
    Entropy = 1,
    ArgMax = 2,
    Total = 4,
}

/// <summary>What is asked of a first look at a row.</summary>
/// <param name="Details">What is wanted beyond the sum of exponentials.</param>
/// <param name="SoftCap">c of x' = c·tanh(x/c), which takes the place of every finite logit x, or 0.</param>
internal readonly record struct ReduceOptions(RowStatistics Details, double SoftCap = 0)
{
    public bool Wants(RowStatistics detail) => (Details & detail) == detail;
}

/// <summary>
/// What one look at logits x, a row or a part of it, leaves behind. <see cref="Reference"/> (m below) is any number near their
/// maximum, which keeps the exponentials in range.
/// </summary>
/// <remarks>
/// Filled in place and passed by reference: a copy of a struct this large, read in vectors right after its fields were written
/// one by one, would wait longer than a short row takes.
/// </remarks>
internal struct LogSumExpState
{
    /// <summary>exp of this is 0 in float and in double, and unlike −inf · 0 its product with 0 is 0.</summary>
    public const int LowestShift = -1000;

    /// <summary>A power of 2, with which the sum of as many logits as a row may have is in the range of double.</summary>
    public const double TotalScale = 1.0 / (1L << 32);

    /// <summary>m.</summary>
    public double Reference;

    /// <summary>S = Σ exp(x_i − m).</summary>
    public double Sum;

    /// <summary>Σ (x_i − m)·exp(x_i − m), for <see cref="RowStatistics.Entropy"/>.</summary>
    public double WeightedSum;

    /// <summary>The maximum, NaN if there is one, for <see cref="RowStatistics.ArgMax"/>.</summary>
    public double Max;

    /// <summary>Where the maximum is first, for <see cref="RowStatistics.ArgMax"/>.</summary>
    public int ArgMax;

    /// <summary>Σ x_i · <see cref="TotalScale"/> over the logits that are not −inf, for <see cref="RowStatistics.Total"/>.</summary>
    public double Total;

    /// <summary>How many logits are not −inf, for <see cref="RowStatistics.Total"/>.</summary>
    public int Unmasked;

    /// <summary>No logits yet.</summary>
    public static void Start(out LogSumExpState sums, double reference)
    {
        sums.Reference = reference;
        sums.Sum = 0;
        sums.WeightedSum = 0;
        sums.Max = double.NegativeInfinity;
        sums.ArgMax = 0;
        sums.Total = 0;
        sums.Unmasked = 0;
    }

    /// <summary>The mean of the logits that are not −inf.</summary>
    public readonly double Mean => Total / Unmasked / TotalScale;

    public readonly double LogSumExp => Reference + Math.Log(Sum);

    /// <summary>H = −Σ p_i log p_i with p_i = exp(x_i − m) / S, so H = log S − WeightedSum / S.</summary>
    public readonly double Entropy => Math.Max(0, Math.Log(Sum) - (WeightedSum / Sum));

    /// <summary>Turns the sums into those for a reference that is not lower.</summary>
    public void RaiseReference(double reference)
    {
        double shift = Math.Max(LowestShift, Reference - reference);
        double scale = Math.Exp(shift);
        WeightedSum = scale * (WeightedSum + (shift * Sum));
        Sum *= scale;
        Reference = reference;
    }

    /// <summary>Adds the sums of logits that stand <paramref name="offset"/> behind the start of these.</summary>
    public void Append(LogSumExpState other, int offset)
    {
        double reference = Math.Max(Reference, other.Reference);
        RaiseReference(reference);
        other.RaiseReference(reference);
        Sum += other.Sum;
        WeightedSum += other.WeightedSum;
        Total += other.Total;
        Unmasked += other.Unmasked;
        if (IsNewMax(other.Max))
        {
            Max = other.Max;
            ArgMax = offset + other.ArgMax;
        }
    }

    /// <summary>Whether a maximum of logits behind these, NaN if there is one, takes the place of <see cref="Max"/>.</summary>
    public readonly bool IsNewMax(double max) => max > Max || (double.IsNaN(max) && !double.IsNaN(Max));
}
