using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Tests;

/// <summary>The error bound that the header of <see cref="Exp2{TVector}"/> states, over a sweep of the floats.</summary>
public unsafe class Exp2Tests
{
    /// <summary>Every such float is tried, 4 million in all.</summary>
    private const int Stride = 547;

    [Fact]
    public void A_double_has_one_exponential_wherever_it_stands()
    {
        for (int i = 0; i < 1000; i++)
        {
            double x = -0.7 * i;
            Vector256<double> exponentials = DoubleExp.Exp(
                System.Runtime.Intrinsics.Vector256.Create(x, double.NegativeInfinity, x, x));

            (exponentials[2], exponentials[3]).Should().Be((exponentials[0], exponentials[0]));
            exponentials[0].Should().BeApproximately(Math.Exp(x), 1e-15 * Math.Exp(x));
        }
    }

    [Fact]
    public void Vector512()
    {
        if (Vector512<float>.IsSupported && Avx512DQ.IsSupported)
        {
            Sweep<SimdFloat512>();
        }
    }

    [Fact]
    public void Vector256()
    {
        if (System.Runtime.Intrinsics.Vector256.IsHardwareAccelerated)
        {
            Sweep<SimdFloat256>();
        }
    }

    [Fact]
    public void Vector128() => Sweep<SimdFloat128>();

    private static void Sweep<TVector>()
        where TVector : struct, ISimdFloat<TVector>
    {
        Exp<TVector>(0).Should().Be(1);
        Exp<TVector>(float.NegativeInfinity).Should().Be(0);
        Exp<TVector>(float.PositiveInfinity).Should().Be(float.PositiveInfinity);
        Exp<TVector>(float.NaN).Should().Be(float.NaN);
        Exp<TVector>(float.MinValue).Should().Be(0);
        Exp<TVector>(-150).Should().BeLessThan(2.4e-38f);
        Exp<TVector>(89).Should().Be(float.PositiveInfinity);

        double worst = 0;
        foreach ((float from, float to) in new[] { (-0f, -87.3f), (0f, 88.7f) })
        {
            int last = BitConverter.SingleToInt32Bits(to);
            for (int bits = BitConverter.SingleToInt32Bits(from); bits <= last; bits += Stride)
            {
                float x = BitConverter.Int32BitsToSingle(bits);
                double exact = Math.Exp(x);
                double error = Math.Abs(Exp<TVector>(x) - exact) / exact;
                worst = Math.Max(worst, error * Math.Pow(2, 24) / (3 + (1.3 * Math.Abs(x))));
            }
        }

        worst.Should().BeLessThan(1, "the stated bound is (3 + 1.3·|x|)·2⁻²⁴");
        worst.Should().BeGreaterThan(0.5, "the stated bound is not far off");
    }

    private static float Exp<TVector>(float x)
        where TVector : struct, ISimdFloat<TVector>
    {
        float* lanes = stackalloc float[16];
        TVector t = TVector.AtMost128(TVector.Multiply(TVector.Create(x), AffineExponent.Log2E));
        new Exp2<TVector>(Exp2Coefficients.Load()).Of(t).Store(lanes);
        return lanes[0];
    }
}
