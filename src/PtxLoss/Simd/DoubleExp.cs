using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxLosses.Simd;

/// <summary>e^x of four doubles, x at most <see cref="Highest"/>.</summary>
/// <remarks>
/// e^x = 2^n·e^r with n the integer nearest to x·log2(e), and e^r a polynomial of degree 11 on [−½ln 2, ½ln 2], off by 2⁻⁵⁷ of
/// itself. The runtime's <see cref="Vector256.Exp(Vector256{double})"/> serves all x, but is a call, which costs a short row as
/// much as the arithmetic. 0 below −708, exactly 1 at 0, NaN at NaN.
/// </remarks>
internal static class DoubleExp
{
    // Sollya: fpminimax(exp(x), [|2,...,11|], [|D...|], [-0.34658;0.34658], relative, floating, 1+x)
    private const double C2 = 0.5000000000000011102230246251565404236316680908203125;
    private const double C3 = 0.166666666666664242679729568408220075070858001708984375;
    private const double C4 = 4.1666666666527067686143226410422357730567455291748046875e-2;
    private const double C5 = 8.3333333334870522690618344086033175699412822723388671875e-3;
    private const double C6 = 1.3888888944304325114009746044985149637795984745025634765625e-3;
    private const double C7 = 1.984126952244903599291425688733170318300835788249969482421875e-4;
    private const double C8 = 2.480149249563607180427485254803343650564784184098243713378906e-5;
    private const double C9 = 2.75575723291954258629336653452224226157341036014258861541748e-6;
    private const double C10 = 2.763043895704491005420582599994006045562855433672666549682617e-7;
    private const double C11 = 2.500446947687947721915582529380456255907461127208080142736435e-8;

    public const double Highest = 709;
    private const double Lowest = -708;
    private const double Log2E = 1.4426950408889634;

    // ln 2 in two parts: the first has so few digits that its product with n is exact.
    private const double Ln2High = 0.693147180560117703862488269805908203125;
    private const double Ln2Low = -1.723944452561483479263395587379406349035418366533178868849063e-13;

    /// <summary>Added to a small number, it leaves the nearest integer in the lowest bits.</summary>
    private const double Rounder = 6755399441055744;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Exp(Vector256<double> x)
    {
        if (!Vector128.IsHardwareAccelerated)
        {
            // Ten times as fast as vectors in software.
            return Vector256.Create(Scalar(x[0]), Scalar(x[1]), Scalar(x[2]), Scalar(x[3]));
        }

        Vector256<double> power = PowerMinus1(x, out Vector256<double> scale) + Vector256<double>.One;
        return Vector256.AndNot(power * scale, Vector256.LessThan(x, Vector256.Create(Lowest)));
    }

    private static double Scalar(double x) => x < Lowest ? 0 : Math.Exp(x);

    /// <summary>e^x − 1, to a few ulps of itself, of x at most 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> ExpMinus1(Vector256<double> x)
    {
        Vector256<double> power = PowerMinus1(x, out Vector256<double> scale);
        return Vector256.MultiplyAddEstimate(power, scale, scale - Vector256<double>.One);
    }

    /// <summary>e^r − 1 and 2^n; for x below <see cref="Lowest"/> those of that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> PowerMinus1(Vector256<double> x, out Vector256<double> scale)
    {
        Vector256<double> clamped = Vector256.MaxNative(Vector256.Create(Lowest), x); // NaN passes: it is the right operand
        Vector256<double> rounded = Vector256.MultiplyAddEstimate(clamped, Vector256.Create(Log2E), Vector256.Create(Rounder));
        Vector256<double> n = rounded - Vector256.Create(Rounder);
        Vector256<double> r = Vector256.MultiplyAddEstimate(n, Vector256.Create(-Ln2High), clamped);
        r = Vector256.MultiplyAddEstimate(n, Vector256.Create(-Ln2Low), r);

        Vector256<double> r2 = r * r;
        Vector256<double> r4 = r2 * r2;
        Vector256<double> low = Pair(C3, C2, r);
        low = Vector256.MultiplyAddEstimate(Pair(C5, C4, r), r2, low);
        Vector256<double> high = Pair(C7, C6, r);
        high = Vector256.MultiplyAddEstimate(Pair(C9, C8, r), r2, high);
        high = Vector256.MultiplyAddEstimate(Pair(C11, C10, r), r4, high);
        Vector256<double> power = Vector256.MultiplyAddEstimate(high, r4, low);

        const int exponentBias = 1023, exponentShift = 52;
        scale = ((rounded.AsInt64() + Vector256.Create((long)exponentBias)) << exponentShift).AsDouble();
        return Vector256.MultiplyAddEstimate(power, r2, r);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Pair(double odd, double even, Vector256<double> r)
        => Vector256.MultiplyAddEstimate(Vector256.Create(odd), r, Vector256.Create(even));
}
