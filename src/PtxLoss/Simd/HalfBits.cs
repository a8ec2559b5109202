namespace PtxLosses.Simd;

/// <summary>Bits that turn a Half into a float, and back.</summary>
internal static class HalfBits
{
    /// <summary>Where a Half's bits stand in a float, 13 places to the left and sign-extended.</summary>
    public const int SignExponentFraction = unchecked((int)0x8FFFE000);

    /// <summary>Where, of two numbers of 16 bits, the second is a float that was cut off.</summary>
    public const int UpperHalf = unchecked((int)0xFFFF0000);

    public const uint Magnitude = 0x7FFFFFFF;
    public const uint Sign = 0x8000;

    /// <summary>From a float's exponent to a Half's, and almost half a unit, which with the last bit rounds to even.</summary>
    public const uint Rebias = 0xC8000FFF;

    /// <summary>2⁻¹⁴: what is smaller is a subnormal Half, whose unit is that of a float near ½.</summary>
    public const uint FirstNormal = 0x38800000;

    public const uint OneHalf = 0x3F000000;

    /// <summary>What the bits of infinity would be if they were a number's; those of NaN are larger.</summary>
    public const float Special = 65_536;

    /// <summary>65,536.</summary>
    public const uint FirstTooLarge = 0x47800000;

    public const uint NaN = 0x7E00;
    public const uint Infinity = 0x7C00;

    /// <summary>The only greater bits are those of NaN.</summary>
    public const ushort MinusInfinity = 0xFC00;
}
