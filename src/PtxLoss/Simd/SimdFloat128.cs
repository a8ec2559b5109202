using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Simd;

/// <summary>4 floats: Arm's AdvSimd, and x86 without AVX2.</summary>
internal unsafe struct SimdFloat128 : ISimdFloat<SimdFloat128>
{
    public Vector128<float> Lanes;

    public static int Count => Vector128<float>.Count;

    public static bool Fuses => Fma.IsSupported || AdvSimd.IsSupported;

    public static SimdFloat128 Create(float value) => new() { Lanes = Vector128.Create(value) };

    public static SimdFloat128 Load(float* address) => new() { Lanes = Vector128.Load(address) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat128 LoadUpperHalves(ushort* address)
        => new() { Lanes = (Vector128.WidenLower(Vector64.Load(address).ToVector128Unsafe()) << 16).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat128 LoadHalfBits(short* address)
    {
        Vector128<int> bits = Vector128.WidenLower(Vector64.Load(address).ToVector128Unsafe()) << 13;
        return new() { Lanes = (bits & Vector128.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadUpperHalfPairs(float* address, out SimdFloat128 even, out SimdFloat128 odd)
    {
        Vector128<int> pairs = Vector128.Load((int*)address);
        even = new() { Lanes = (pairs << 16).AsSingle() };
        odd = new() { Lanes = (pairs & Vector128.Create(HalfBits.UpperHalf)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalfBitPairs(float* address, out SimdFloat128 even, out SimdFloat128 odd)
    {
        Vector128<int> pairs = Vector128.Load((int*)address);
        even = new() { Lanes = (((pairs << 16) >> 3) & Vector128.Create(HalfBits.SignExponentFraction)).AsSingle() };
        odd = new() { Lanes = ((pairs >> 3) & Vector128.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat128 RestoreSpecialHalves(SimdFloat128 halves)
    {
        Vector128<float> isSpecial = Vector128.GreaterThanOrEqual(
            Vector128.Abs(halves.Lanes), Vector128.Create(HalfBits.Special));
        return new() { Lanes = halves.Lanes | (isSpecial & Vector128.Create(float.PositiveInfinity)) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyMinusNaN(float* first, float* second)
        => Vector128.GreaterThanAny(
            Vector128.Max(Vector128.Load((ushort*)first), Vector128.Load((ushort*)second)),
            Vector128.Create(HalfBits.MinusInfinity));

    public void Store(float* address) => Lanes.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreUpperHalves(ushort* address)
    {
        Vector128<uint> bits = Lanes.AsUInt32();
        Vector128<uint> rounded = (bits + Vector128.Create(0x7FFFu) + ((bits >> 16) & Vector128<uint>.One)) >> 16;
        bits = Vector128.ConditionalSelect(Vector128.IsNaN(Lanes).AsUInt32(), (bits >> 16) | Vector128.Create(0x40u), rounded);
        Vector128.Narrow(bits, bits).GetLower().Store(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* address)
    {
        Vector128<uint> magnitude = Lanes.AsUInt32() & Vector128.Create(HalfBits.Magnitude);
        Vector128<uint> odd = (magnitude >> 13) & Vector128<uint>.One;
        Vector128<uint> normal = (magnitude + Vector128.Create(HalfBits.Rebias) + odd) >> 13;
        Vector128<uint> subnormal =
            (magnitude.AsSingle() + Vector128.Create(0.5f)).AsUInt32() - Vector128.Create(HalfBits.OneHalf);
        Vector128<uint> special = Vector128.ConditionalSelect(
            Vector128.IsNaN(Lanes).AsUInt32(), Vector128.Create(HalfBits.NaN), Vector128.Create(HalfBits.Infinity));
        Vector128<uint> bits = Vector128.ConditionalSelect(
            Vector128.LessThan(magnitude, Vector128.Create(HalfBits.FirstNormal)), subnormal, normal);
        bits = Vector128.ConditionalSelect(
            Vector128.LessThan(magnitude, Vector128.Create(HalfBits.FirstTooLarge)), bits, special);
        bits |= (Lanes.AsUInt32() >> 16) & Vector128.Create(HalfBits.Sign);
        Vector128.Narrow(bits, bits).GetLower().Store(address);
    }

    public void StoreNonTemporal(float* address) => Lanes.StoreAlignedNonTemporal(address);

    public static SimdFloat128 operator +(SimdFloat128 left, SimdFloat128 right) => new() { Lanes = left.Lanes + right.Lanes };

    public static SimdFloat128 operator -(SimdFloat128 left, SimdFloat128 right) => new() { Lanes = left.Lanes - right.Lanes };

    public static SimdFloat128 operator *(SimdFloat128 left, SimdFloat128 right) => new() { Lanes = left.Lanes * right.Lanes };

    public static SimdFloat128 MultiplyAdd(SimdFloat128 left, SimdFloat128 right, SimdFloat128 addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, right.Lanes, addend.Lanes) };

    public static SimdFloat128 operator /(SimdFloat128 left, SimdFloat128 right) => new() { Lanes = left.Lanes / right.Lanes };

    public static SimdFloat128 Multiply(SimdFloat128 left, float right)
        => new() { Lanes = left.Lanes * Vector128.Create(right) };

    public static SimdFloat128 MultiplyAdd(SimdFloat128 left, SimdFloat128 right, float addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, right.Lanes, Vector128.Create(addend)) };

    public static SimdFloat128 MultiplyAdd(SimdFloat128 left, float right, float addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, Vector128.Create(right), Vector128.Create(addend)) };

    public static SimdFloat128 Min(SimdFloat128 left, SimdFloat128 right)
        => new() { Lanes = Vector128.MinNative(left.Lanes, right.Lanes) };

    public static SimdFloat128 MinusInfinityWhereLess(SimdFloat128 value, SimdFloat128 bound, SimdFloat128 otherwise)
        => new()
        {
            Lanes = Vector128.ConditionalSelect(
                Vector128.LessThan(value.Lanes, bound.Lanes), Vector128.Create(float.NegativeInfinity), otherwise.Lanes),
        };

    public static SimdFloat128 Max(SimdFloat128 left, SimdFloat128 right)
        => new() { Lanes = Vector128.MaxNative(left.Lanes, right.Lanes) };

    public static bool AnyGreater(SimdFloat128 left, SimdFloat128 right)
        => Vector128.GreaterThanAny(left.Lanes, right.Lanes);

    public static SimdFloat128 AtMost128(SimdFloat128 t)
        => new() { Lanes = Vector128.MinNative(Vector128.Create(128f), t.Lanes) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat128 Split(SimdFloat128 t, out SimdFloat128 fraction)
    {
        Vector128<float> clamped = Vector128.MaxNative(Vector128.Create(-127f), t.Lanes);

        // By its name: NativeAOT compiles for machines without this instruction too, and then makes a call of Floor.
        Vector128<float> whole = Sse41.IsSupported ? Sse41.RoundToNegativeInfinity(clamped) : Vector128.Floor(clamped);
        fraction = new() { Lanes = clamped - whole };
        return new() { Lanes = whole };
    }

    public static SimdFloat128 Round(SimdFloat128 t) => new() { Lanes = Vector128.Round(t.Lanes) };

    public static SimdFloat128 ScaleByPowerOf2(SimdFloat128 value, SimdFloat128 whole)
        => new() { Lanes = (value.Lanes.AsInt32() + (Vector128.ConvertToInt32Native(whole.Lanes) << 23)).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat128 AddFixed(SimdFloat128 integers, SimdFloat128 vector)
    {
        Vector128<int> shifted = vector.Lanes.AsInt32() + Vector128.Create(FixedPoint.Shift);
        return new() { Lanes = (integers.Lanes.AsInt32() + ToNearest(shifted.AsSingle())).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat128 AddFixedHalves(SimdFloat128 integers)
        => new()
        {
            Lanes = (Vector128.ConvertToDouble(Vector128.WidenLower(integers.Lanes.AsInt32()))
                + Vector128.ConvertToDouble(Vector128.WidenUpper(integers.Lanes.AsInt32()))).AsSingle(),
        };

    public static SimdFloat128 AddHalves(SimdFloat128 vector)
        => new() { Lanes = (Vector128.WidenLower(vector.Lanes) + Vector128.WidenUpper(vector.Lanes)).AsSingle() };

    public static SimdFloat128 AddDoubles(SimdFloat128 left, SimdFloat128 right)
        => new() { Lanes = (left.Lanes.AsDouble() + right.Lanes.AsDouble()).AsSingle() };

    public static double SumOfDoubles(SimdFloat128 doubles) => Vector128.Sum(doubles.Lanes.AsDouble());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Max()
    {
        Vector128<float> two = Vector128.MaxNative(Lanes, Vector128.Shuffle(Lanes, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    private static Vector128<int> ToNearest(Vector128<float> lanes)
        => Sse2.IsSupported ? Sse2.ConvertToVector128Int32(lanes)
            : AdvSimd.IsSupported ? AdvSimd.ConvertToInt32RoundToEven(lanes)
            : Vector128.ConvertToInt32(Vector128.Round(lanes));
}
