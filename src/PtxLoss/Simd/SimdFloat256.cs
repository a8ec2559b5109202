using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Simd;

/// <summary>8 floats, on AVX2 with FMA.</summary>
internal unsafe struct SimdFloat256 : ISimdFloat<SimdFloat256>
{
    public Vector256<float> Lanes;

    public static int Count => Vector256<float>.Count;

    public static bool Fuses => true; // the runtime has no AVX2 without FMA

    public static SimdFloat256 Create(float value) => new() { Lanes = Vector256.Create(value) };

    public static SimdFloat256 Load(float* address) => new() { Lanes = Vector256.Load(address) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 LoadUpperHalves(ushort* address)
        => new() { Lanes = (Vector256.WidenLower(Vector128.Load(address).ToVector256Unsafe()) << 16).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 LoadHalfBits(short* address)
    {
        Vector256<int> bits = Vector256.WidenLower(Vector128.Load(address).ToVector256Unsafe()) << 13;
        return new() { Lanes = (bits & Vector256.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadUpperHalfPairs(float* address, out SimdFloat256 even, out SimdFloat256 odd)
    {
        Vector256<int> pairs = Vector256.Load((int*)address);
        even = new() { Lanes = (pairs << 16).AsSingle() };
        odd = new() { Lanes = (pairs & Vector256.Create(HalfBits.UpperHalf)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalfBitPairs(float* address, out SimdFloat256 even, out SimdFloat256 odd)
    {
        Vector256<int> pairs = Vector256.Load((int*)address);
        even = new() { Lanes = (((pairs << 16) >> 3) & Vector256.Create(HalfBits.SignExponentFraction)).AsSingle() };
        odd = new() { Lanes = ((pairs >> 3) & Vector256.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 RestoreSpecialHalves(SimdFloat256 halves)
    {
        Vector256<float> isSpecial = Vector256.GreaterThanOrEqual(
            Vector256.Abs(halves.Lanes), Vector256.Create(HalfBits.Special));
        return new() { Lanes = halves.Lanes | (isSpecial & Vector256.Create(float.PositiveInfinity)) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyMinusNaN(float* first, float* second)
        => Vector256.GreaterThanAny(
            Vector256.Max(Vector256.Load((ushort*)first), Vector256.Load((ushort*)second)),
            Vector256.Create(HalfBits.MinusInfinity));

    public void Store(float* address) => Lanes.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreUpperHalves(ushort* address)
    {
        Vector256<uint> bits = Lanes.AsUInt32();
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
        bits = Vector256.ConditionalSelect(Vector256.IsNaN(Lanes).AsUInt32(), (bits >> 16) | Vector256.Create(0x40u), rounded);
        Vector128.Narrow(bits.GetLower(), bits.GetUpper()).Store(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* address)
    {
        Vector256<uint> magnitude = Lanes.AsUInt32() & Vector256.Create(HalfBits.Magnitude);
        Vector256<uint> odd = (magnitude >> 13) & Vector256<uint>.One;
        Vector256<uint> normal = (magnitude + Vector256.Create(HalfBits.Rebias) + odd) >> 13;
        Vector256<uint> subnormal =
            (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(HalfBits.OneHalf);
        Vector256<uint> special = Vector256.ConditionalSelect(
            Vector256.IsNaN(Lanes).AsUInt32(), Vector256.Create(HalfBits.NaN), Vector256.Create(HalfBits.Infinity));
        Vector256<uint> bits = Vector256.ConditionalSelect(
            Vector256.LessThan(magnitude, Vector256.Create(HalfBits.FirstNormal)), subnormal, normal);
        bits = Vector256.ConditionalSelect(
            Vector256.LessThan(magnitude, Vector256.Create(HalfBits.FirstTooLarge)), bits, special);
        bits |= (Lanes.AsUInt32() >> 16) & Vector256.Create(HalfBits.Sign);
        Vector128.Narrow(bits.GetLower(), bits.GetUpper()).Store(address);
    }

    public void StoreNonTemporal(float* address) => Lanes.StoreAlignedNonTemporal(address);

    public static SimdFloat256 operator +(SimdFloat256 left, SimdFloat256 right) => new() { Lanes = left.Lanes + right.Lanes };

    public static SimdFloat256 operator -(SimdFloat256 left, SimdFloat256 right) => new() { Lanes = left.Lanes - right.Lanes };

    public static SimdFloat256 operator *(SimdFloat256 left, SimdFloat256 right) => new() { Lanes = left.Lanes * right.Lanes };

    public static SimdFloat256 MultiplyAdd(SimdFloat256 left, SimdFloat256 right, SimdFloat256 addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, right.Lanes, addend.Lanes) };

    public static SimdFloat256 operator /(SimdFloat256 left, SimdFloat256 right) => new() { Lanes = left.Lanes / right.Lanes };

    public static SimdFloat256 Multiply(SimdFloat256 left, float right)
        => new() { Lanes = left.Lanes * Vector256.Create(right) };

    public static SimdFloat256 MultiplyAdd(SimdFloat256 left, SimdFloat256 right, float addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, right.Lanes, Vector256.Create(addend)) };

    public static SimdFloat256 MultiplyAdd(SimdFloat256 left, float right, float addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, Vector256.Create(right), Vector256.Create(addend)) };

    public static SimdFloat256 Min(SimdFloat256 left, SimdFloat256 right)
        => new() { Lanes = Vector256.MinNative(left.Lanes, right.Lanes) };

    public static SimdFloat256 MinusInfinityWhereLess(SimdFloat256 value, SimdFloat256 bound, SimdFloat256 otherwise)
        => new()
        {
            Lanes = Vector256.ConditionalSelect(
                Vector256.LessThan(value.Lanes, bound.Lanes), Vector256.Create(float.NegativeInfinity), otherwise.Lanes),
        };

    public static SimdFloat256 Max(SimdFloat256 left, SimdFloat256 right)
        => new() { Lanes = Vector256.MaxNative(left.Lanes, right.Lanes) };

    public static bool AnyGreater(SimdFloat256 left, SimdFloat256 right)
        => Vector256.GreaterThanAny(left.Lanes, right.Lanes);

    public static SimdFloat256 AtMost128(SimdFloat256 t)
        => new() { Lanes = Vector256.MinNative(Vector256.Create(128f), t.Lanes) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 Split(SimdFloat256 t, out SimdFloat256 fraction)
    {
        // −127 is where adding to the exponent's bits gives exactly 0, as 128 gives +inf. NaN passes: it is the right operand.
        Vector256<float> clamped = Vector256.MaxNative(Vector256.Create(-127f), t.Lanes);
        Vector256<float> whole = Vector256.Floor(clamped);
        fraction = new() { Lanes = clamped - whole };
        return new() { Lanes = whole };
    }

    public static SimdFloat256 Round(SimdFloat256 t) => new() { Lanes = Vector256.Round(t.Lanes) };

    public static SimdFloat256 ScaleByPowerOf2(SimdFloat256 value, SimdFloat256 whole)
        => new() { Lanes = (value.Lanes.AsInt32() + (Vector256.ConvertToInt32Native(whole.Lanes) << 23)).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 AddFixed(SimdFloat256 integers, SimdFloat256 vector)
    {
        Vector256<int> shifted = vector.Lanes.AsInt32() + Vector256.Create(FixedPoint.Shift);
        return new() { Lanes = (integers.Lanes.AsInt32() + Avx.ConvertToVector256Int32(shifted.AsSingle())).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 AddFixedHalves(SimdFloat256 integers)
    {
        Vector256<int> lanes = integers.Lanes.AsInt32();
        Vector256<double> lower = Avx.ConvertToVector256Double(lanes.GetLower());
        Vector256<double> upper = Avx.ConvertToVector256Double(lanes.GetUpper());
        return new() { Lanes = (lower + upper).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat256 AddHalves(SimdFloat256 vector)
        => new() { Lanes = (Vector256.WidenLower(vector.Lanes) + Vector256.WidenUpper(vector.Lanes)).AsSingle() };

    public static SimdFloat256 AddDoubles(SimdFloat256 left, SimdFloat256 right)
        => new() { Lanes = (left.Lanes.AsDouble() + right.Lanes.AsDouble()).AsSingle() };

    public static double SumOfDoubles(SimdFloat256 doubles) => Vector256.Sum(doubles.Lanes.AsDouble());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Max() => new SimdFloat128 { Lanes = Vector128.MaxNative(Lanes.GetLower(), Lanes.GetUpper()) }.Max();
}
