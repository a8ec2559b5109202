namespace PtxLosses.Simd;

/// <summary>Sums of floats as integers: exact, but for what rounding to a unit takes from each.</summary>
/// <remarks>
/// In float, the roundings of a sum may all have one sign, and 1,024 numbers near 100 lose 6e-6 each. A unit takes at most 4.8e-7
/// from each, and mostly nothing on average, for three instructions a register where double needs five.
/// </remarks>
internal static class FixedPoint
{
    /// <summary>As many places as leave room in 32 bits for 16 numbers up to <see cref="Limit"/>.</summary>
    public const int Places = 20;

    public const float UnitsPerOne = 1 << Places;

    /// <summary>The largest magnitude of a number.</summary>
    public const float Limit = 127;

    /// <summary>
    /// Added to the bits of a float, it makes them those of 2^<see cref="Places"/> times as much, and of 0 less than half a unit.
    /// </summary>
    public const int Shift = Places << 23;
}
