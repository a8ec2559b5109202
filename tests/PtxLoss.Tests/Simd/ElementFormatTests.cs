using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Tests;

/// <summary>
/// The conversions in registers against those of the runtime and of <see cref="BFloat16"/>, for every 16-bit pattern.
/// </summary>
public unsafe class ElementFormatTests
{
    [Fact]
    public void Vector512()
    {
        if (Vector512<float>.IsSupported && Avx512DQ.IsSupported)
        {
            Check<SimdFloat512>();
        }
    }

    [Fact]
    public void Vector256() => Check<SimdFloat256>();

    [Fact]
    public void Vector128() => Check<SimdFloat128>();

    private static void Check<TVector>()
        where TVector : struct, ISimdFloat<TVector>
    {
        ushort* bits = stackalloc ushort[16];
        float* lanes = stackalloc float[16];
        for (int first = 0; first < 65_536; first += TVector.Count)
        {
            for (int i = 0; i < TVector.Count; i++)
            {
                bits[i] = (ushort)(first + i);
            }

            HalfFormat.Load<TVector>((Half*)bits).Store(lanes);
            for (int i = 0; i < TVector.Count; i++)
            {
                float loaded = lanes[i] * HalfFormat.Scale;
                var half = BitConverter.UInt16BitsToHalf(bits[i]);
                if (Half.IsFinite(half))
                {
                    loaded.Should().Be((float)half);
                }
                else
                {
                    (Math.Abs(loaded) > 65_536).Should().Be(Half.IsNaN(half));
                    (loaded < 0).Should().Be(Half.IsNegative(half));
                }
            }

            BFloat16Format.Load<TVector>((BFloat16*)bits).Store(lanes);
            for (int i = 0; i < TVector.Count; i++)
            {
                BitConverter.SingleToInt32Bits(lanes[i]).Should().Be(bits[i] << 16);
            }
        }

        CheckStores<TVector>();
    }

    private static void CheckStores<TVector>()
        where TVector : struct, ISimdFloat<TVector>
    {
        float* lanes = stackalloc float[16];
        ushort* bits = stackalloc ushort[16];
        var random = new Random(1);
        for (int i = 0; i < 300_000; i++)
        {
            for (int lane = 0; lane < TVector.Count; lane++)
            {
                // Halves and what lies between two of them matter most.
                var near = BitConverter.UInt16BitsToHalf((ushort)random.Next(65_536));
                lanes[lane] = (i % 3) switch
                {
                    0 => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)),
                    1 => (float)near + ((float)(Half.BitIncrement(near) - near) / 2),
                    _ => BitConverter.Int32BitsToSingle((random.Next(65_536) << 16) | 0x8000),
                };
            }

            HalfFormat.Store(TVector.Load(lanes), (Half*)bits);
            for (int lane = 0; lane < TVector.Count; lane++)
            {
                CheckSame(lanes[lane], BitConverter.HalfToUInt16Bits((Half)lanes[lane]), bits[lane], 0x7C00);
            }

            BFloat16Format.Store(TVector.Load(lanes), (BFloat16*)bits);
            for (int lane = 0; lane < TVector.Count; lane++)
            {
                CheckSame(lanes[lane], BFloat16.ToUInt16Bits((BFloat16)lanes[lane]), bits[lane], 0x7F80);
            }
        }
    }

    private static void CheckSame(float value, ushort expected, ushort actual, int infinity)
    {
        bool same = float.IsNaN(value) ? (actual & 0x7FFF) > infinity : actual == expected;
        if (!same)
        {
            Assert.Fail($"{value} became {actual:X4}, not {expected:X4}");
        }
    }
}
