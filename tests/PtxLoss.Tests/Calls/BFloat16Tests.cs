using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>
/// The judge is the definition of the format in double precision: a table of all magnitudes, and the middle of two neighbours,
/// which a double holds exactly.
/// </summary>
public class BFloat16Tests
{
    private const ushort SignBit = 0x8000;
    private const ushort QuietBit = 0x0040;
    private const ushort Infinity = 0x7F80;

    /// <summary>What bits 0 to 0x7F7F stand for, and 2^128 in the place of infinity, from which rounding tells it.</summary>
    private static readonly double[] _magnitudes = [.. Enumerable.Range(0, Infinity + 1).Select(Magnitude)];

    /// <summary>Bits of every kind of value, each with both signs.</summary>
    private static readonly ushort[] _kinds =
    [
        .. new ushort[] { 0, 1, 2, 0x7F, 0x80, 0x81, 0x3F80, 0x3F81, 0x4049, 0x7F7F, Infinity, 0x7F81, 0x7FC0, 0x7FFF }
            .SelectMany(bits => new[] { bits, (ushort)(bits | SignBit) }),
    ];

    [Fact]
    public void Two_bytes_that_are_the_bits()
    {
        Unsafe.SizeOf<BFloat16>().Should().Be(2);
        ReadOnlySpan<BFloat16> values = MemoryMarshal.Cast<ushort, BFloat16>([0x3F80, 0xC049]);
        ((float)values[0]).Should().Be(1);
        ((float)values[1]).Should().Be(-3.140625f);
    }

    [Fact]
    public void Constants()
    {
        Bits(BFloat16.Zero).Should().Be(0);
        ((double)BFloat16.One).Should().Be(1);
        ((double)BFloat16.Epsilon).Should().Be(Math.ScaleB(1, -133));
        ((double)BFloat16.MaxValue).Should().Be(Math.ScaleB(255, 120));
        ((double)BFloat16.MinValue).Should().Be(Math.ScaleB(-255, 120));
        ((double)BFloat16.PositiveInfinity).Should().Be(double.PositiveInfinity);
        ((double)BFloat16.NegativeInfinity).Should().Be(double.NegativeInfinity);
        Bits(BFloat16.NaN).Should().Be(0xFFC0, "that is what .NET 11 has, and the upper half of float.NaN");
    }

    [Fact]
    public void All_bit_patterns_through_float_and_double()
    {
        for (int i = 0; i <= ushort.MaxValue; i++)
        {
            ushort bits = (ushort)i;
            BFloat16 value = BFloat16.FromUInt16Bits(bits);
            Check(Bits(value), bits, i);
            Check(BitConverter.SingleToUInt32Bits((float)value), (uint)bits << 16, i);

            int magnitude = bits & ~SignBit;
            ushort quiet = magnitude > Infinity ? (ushort)(bits | QuietBit) : bits;
            Check(Bits((BFloat16)(float)value), quiet, i);
            Check(Bits((BFloat16)(double)value), quiet, i);

            double expected = magnitude > Infinity ? double.NaN
                : (magnitude == Infinity ? double.PositiveInfinity : _magnitudes[magnitude]) * (bits >= SignBit ? -1 : 1);
            Check((double)value, expected, i);
            Check((float)value, (float)expected, i);
            Check(BFloat16.IsNaN(value), double.IsNaN(expected), i);
            Check(BFloat16.IsInfinity(value), double.IsInfinity(expected), i);
            Check(BFloat16.IsFinite(value), double.IsFinite(expected), i);
            Check(BFloat16.IsNegative(value), bits >= SignBit, i);
        }
    }

    [Fact]
    public void Floats_round_to_nearest_ties_to_even()
    {
        // Of the 65,536 floats from one BFloat16 to the next: both ends, the middle, and some between, 3 million in all.
        int[] steps = [.. Enumerable.Range(0, 40).Select(i => i * 1677), 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF];
        for (int lower = 0; lower < Infinity; lower++)
        {
            foreach (int step in steps)
            {
                float value = BitConverter.Int32BitsToSingle((lower << 16) + step);
                int expected = Nearest(value, lower);
                Check(Bits((BFloat16)value), expected, value);
                Check(Bits((BFloat16)(-value)), expected | SignBit, -value);
            }
        }
    }

    [Fact]
    public void Doubles_are_rounded_once()
    {
        var random = new Random(1);
        int traps = 0;
        for (int lower = 0; lower < Infinity; lower++)
        {
            double from = _magnitudes[lower];
            double to = _magnitudes[lower + 1];
            double middle = (from + to) / 2;
            foreach (double value in new[]
            {
                from, Math.BitIncrement(from), Math.BitDecrement(to),
                Math.BitDecrement(middle), middle, Math.BitIncrement(middle),
                from + ((to - from) * random.NextDouble()), from + ((to - from) * random.NextDouble()),
            })
            {
                int expected = Nearest(value, lower);
                Check(Bits((BFloat16)value), expected, value);
                Check(Bits((BFloat16)(-value)), expected | SignBit, -value);
                traps += Bits((BFloat16)(float)value) != expected ? 1 : 0;
            }
        }

        traps.Should().Be(Infinity, "next to each middle one double rounds to the middle as a float, and then the wrong way");
    }

    [Fact]
    public void What_lies_beyond_the_range_is_infinite_or_zero()
    {
        // The middle of MaxValue and 2^128: from there on a value rounds to infinity.
        float bound = (float)Math.ScaleB(511, 119);

        Bits((BFloat16)bound).Should().Be(Infinity);
        Bits((BFloat16)MathF.BitDecrement(bound)).Should().Be(0x7F7F);
        Bits((BFloat16)(double)bound).Should().Be(Infinity);
        Bits((BFloat16)Math.BitDecrement((double)bound)).Should().Be(0x7F7F);
        Bits((BFloat16)float.MaxValue).Should().Be(Infinity);
        for (int exponent = 128; exponent <= 1023; exponent++)
        {
            Bits((BFloat16)Math.ScaleB(1, exponent)).Should().Be(Infinity);
            Bits((BFloat16)Math.ScaleB(-1.5, exponent)).Should().Be(Infinity | SignBit);
        }

        Bits((BFloat16)double.MaxValue).Should().Be(Infinity);
        for (int exponent = -1074; exponent <= -135; exponent++)
        {
            Bits((BFloat16)Math.ScaleB(1, exponent)).Should().Be(0);
            Bits((BFloat16)Math.ScaleB(-1, exponent)).Should().Be(SignBit);
        }
    }

    [Fact]
    public void A_NaN_keeps_its_sign_and_the_top_of_its_payload()
    {
        for (int payload = 0; payload < 0x80; payload++)
        {
            foreach (int sign in new[] { 0, SignBit })
            {
                int expected = sign | Infinity | QuietBit | payload;
                uint single = (uint)(sign | Infinity | payload) << 16;
                ulong doubled = ((ulong)sign << 48) | (0x7FFUL << 52) | ((ulong)payload << 45);
                foreach (ulong rest in new ulong[] { 1, 0x8000, 0xFFFF })
                {
                    Check(Bits((BFloat16)BitConverter.UInt32BitsToSingle(single | (uint)rest)), expected, single | rest);
                    Check(Bits((BFloat16)BitConverter.UInt64BitsToDouble(doubled | rest)), expected, doubled | rest);
                    ulong higher = rest << 29;
                    Check(Bits((BFloat16)BitConverter.UInt64BitsToDouble(doubled | higher)), expected, doubled | higher);
                }
            }
        }
    }

    [Fact]
    public void Half_both_ways()
    {
        for (int i = 0; i <= ushort.MaxValue; i++)
        {
            Half half = BitConverter.UInt16BitsToHalf((ushort)i);
            if (Half.IsFinite(half))
            {
                double magnitude = Math.Abs((double)half);
                int found = Array.BinarySearch(_magnitudes, magnitude);
                int expected = found >= 0 ? found : Nearest(magnitude, ~found - 1);
                Check(Bits((BFloat16)half), expected | (Half.IsNegative(half) ? SignBit : 0), i);
            }
            else
            {
                Check((double)(BFloat16)half, (double)half, i);
            }

            BFloat16 value = BFloat16.FromUInt16Bits((ushort)i);
            Check((Half)value, (Half)(double)value, i);
        }
    }

    [Fact]
    public void Operators_and_order_are_those_of_numbers()
    {
        foreach (ushort leftBits in _kinds)
        {
            foreach (ushort rightBits in _kinds)
            {
                BFloat16 left = BFloat16.FromUInt16Bits(leftBits);
                BFloat16 right = BFloat16.FromUInt16Bits(rightBits);
                double x = (double)left;
                double y = (double)right;
                string pair = $"{x} and {y}";

                (left == right).Should().Be(x == y, pair);
                (left != right).Should().Be(x != y, pair);
                (left < right).Should().Be(x < y, pair);
                (left > right).Should().Be(x > y, pair);
                (left <= right).Should().Be(x <= y, pair);
                (left >= right).Should().Be(x >= y, pair);
                left.Equals(right).Should().Be(x.Equals(y), pair);
                left.Equals((object)right).Should().Be(x.Equals(y), pair);
                left.CompareTo(right).Should().Be(x.CompareTo(y), pair);
                left.CompareTo((object)right).Should().Be(x.CompareTo(y), pair);
                if (x.Equals(y))
                {
                    left.GetHashCode().Should().Be(right.GetHashCode(), pair);
                }
            }
        }
    }

    [Fact]
    public void NaN_and_zeros_compare_as_in_dotnet()
    {
        BFloat16 nan = BFloat16.NaN;
        BFloat16 negativeZero = BFloat16.FromUInt16Bits(SignBit);

        (nan == BFloat16.FromUInt16Bits(0x7FC0)).Should().BeFalse();
        nan.Equals(BFloat16.FromUInt16Bits(0x7FC0)).Should().BeTrue();
        nan.CompareTo(BFloat16.NegativeInfinity).Should().BeNegative();
        (negativeZero == BFloat16.Zero).Should().BeTrue();
        negativeZero.Equals(BFloat16.Zero).Should().BeTrue();
    }

    [Fact]
    public void Other_objects_are_not_equal_and_do_not_compare()
    {
        BFloat16.One.Equals(null).Should().BeFalse();
        BFloat16.One.Equals(1f).Should().BeFalse();
        BFloat16.NaN.CompareTo(null).Should().BePositive();
        Action compare = () => BFloat16.One.CompareTo(1f);
        compare.Should().Throw<ArgumentException>().WithParameterName("obj").WithMessage("obj is of type System.Single, *");
    }

    [Fact]
    public void Text_is_that_of_the_float_and_leads_back()
    {
        for (int i = 0; i <= ushort.MaxValue; i++)
        {
            BFloat16 value = BFloat16.FromUInt16Bits((ushort)i);
            if (!BFloat16.IsNaN(value))
            {
                string text = value.ToString(null, CultureInfo.InvariantCulture);
                Check(Bits((BFloat16)float.Parse(text, CultureInfo.InvariantCulture)), i, text);
            }
        }

        var comma = new NumberFormatInfo { NumberDecimalSeparator = "," };
        BFloat16 half = (BFloat16)(-0.5f);
        ((object)half).ToString().Should().Be("-0.5");
        half.ToString("F2", comma).Should().Be("-0,50");
        string.Create(comma, $"{half:F3}").Should().Be("-0,500");
        ((object)BFloat16.NaN).ToString().Should().Be("NaN");

        Span<char> destination = stackalloc char[5];
        half.TryFormat(destination, out int written, "F2", comma).Should().BeTrue();
        destination[..written].ToString().Should().Be("-0,50");
        half.TryFormat(destination[..4], out written, "F2", comma).Should().BeFalse();
        written.Should().Be(0);
    }

    private static ushort Bits(BFloat16 value) => BFloat16.ToUInt16Bits(value);

    private static double Magnitude(int bits)
    {
        int exponent = bits >> 7;
        int fraction = bits & 0x7F;
        return exponent == 0 ? Math.ScaleB(fraction, -133) : Math.ScaleB(128 + fraction, exponent - 134);
    }

    /// <summary>The bits nearest to a magnitude that lies between those of <paramref name="lower"/> and the next.</summary>
    private static int Nearest(double magnitude, int lower)
    {
        double middle = (_magnitudes[lower] + _magnitudes[lower + 1]) / 2;
        return magnitude == middle ? lower + (lower & 1) : magnitude < middle ? lower : lower + 1;
    }

    /// <summary>For the millions: an assertion that costs nothing when it holds.</summary>
    private static void Check<T, TInput>(T actual, T expected, TInput input)
        where T : IEquatable<T>
    {
        if (!actual.Equals(expected))
        {
            actual.Should().Be(expected, "the input is {0}", input);
        }
    }
}
