namespace PtxLosses.Softmax;

/// <summary>
/// The constants that turn a logit x into t = log2(e)·(z − m'), the power of 2 that is its exponential relative to a reference.
/// </summary>
/// <remarks>
/// <para>u = Rate·x − Offset is one multiplication with one rounding where the hardware fuses it with the addition; the reference
/// m is then what makes u exactly 0, Offset/Rate in double. Nothing depends on m being the number that was asked for. (The other
/// way round, with Rate·m rounded to float, every exponential of a row would be off by 6e-4 at |m| = 10⁴.) Where nothing is
/// fused, the difference x − m comes first.</para>
/// <para>Without a cap, z = s·x, Rate is log2(e)·s and t = u. With one, z = s·c·tanh(x/c) and Rate is 2·log2(e)/c, so that E =
/// 2^u = e^(2(x − m)/c), and with T = tanh(m/c) and R = (1 + T)/(1 − T) = e^(2m/c), t = log2(e)·s·c·(1 + T)·(E − 1) / (R·E + 1):
/// a form in which nothing cancels, wherever x and m are, if E − 1 is taken without its 1. Capping x and subtracting the capped m
/// would be off by the rounding of either, 1e-6 at c = 30.</para>
/// </remarks>
internal readonly struct AffineExponent
{
    public const float Log2E = 1.44269504f;

    /// <summary>
    /// How far a logit may exceed the reference: by 1, in powers of 2. The smaller z − m' is where the weight is, the smaller are
    /// its rounding and the error of its exponential, which a loss inherits.
    /// </summary>
    public const float LargestExcess = Log2E;

    /// <param name="reference">m, or a number near it; −inf where all logits are masked: any will do for them.</param>
    /// <param name="transform">s and c.</param>
    /// <param name="fuses">Whether a multiplication and an addition are rounded once.</param>
    public AffineExponent(float reference, in LogitTransform transform, bool fuses)
    {
        double cap = transform.SoftCap, scale = transform.Scale;
        double rate = cap == 0 ? scale / Math.Log(2) : 2 / Math.Log(2) / cap;
        Scale = scale;
        Rate = cap == 0 ? (float)rate : MathF.BitDecrement((float)rate);
        bool isMasked = float.IsNegativeInfinity(reference);
        Offset = isMasked ? 0 : fuses ? Rate * reference : reference;
        double m = fuses ? Offset / (double)Rate : Offset;
        Margin = LargestExcess;
        TransformedReference = m * scale;
        if (cap != 0)
        {
            Margin = LargestExcess * (Rate / (Log2E * (float)scale));
            RateRest = (float)((rate / Rate) - 1);
            double amplitude = scale * (cap * 2 / (1 + Math.Exp(-2 * m / cap)));
            TransformedReference = scale * (cap * Math.Tanh(m / cap));
            TanhRatio = (float)Math.Exp(2 * m / cap);
            Amplitude = (float)(Log2E * amplitude);
            Unit = amplitude / Amplitude;
        }

        if (isMasked)
        {
            TransformedReference = double.MinValue; // what is masked must not raise the reference of its row
        }
    }

    /// <summary>s.</summary>
    public double Scale { get; }

    public float Rate { get; }

    /// <summary>
    /// What <see cref="Rate"/> lacks, relative to itself, with a cap: all logits would be off by the same part of themselves.
    /// More than 0, so that −inf remains what it is.
    /// </summary>
    public float RateRest { get; }

    public float Offset { get; }

    /// <summary>What u must not exceed.</summary>
    public float Margin { get; }

    /// <summary>m' = s·cap(m), in double.</summary>
    public double TransformedReference { get; }

    /// <summary>log2(e)·s·c·(1 + T), with a cap.</summary>
    public float Amplitude { get; }

    /// <summary>R, with a cap.</summary>
    public float TanhRatio { get; }

    /// <summary>z − m' where t is 1, with a cap: 1/log2(e), but for what rounding did to <see cref="Amplitude"/>.</summary>
    public double Unit { get; }

    /// <summary>u of a logit, to within its rounding.</summary>
    public float ApproximateU(double logit, bool fuses) => (float)(fuses ? (Rate * logit) - Offset : (logit - Offset) * Rate);
}
