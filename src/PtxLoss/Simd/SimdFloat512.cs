using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Simd;

/// <summary>16 floats, on AVX-512, whose own instructions split a number and scale by a power of 2 in one step each.</summary>
internal unsafe struct SimdFloat512 : ISimdFloat<SimdFloat512>
{
    public Vector512<float> Lanes;

    public static int Count => Vector512<float>.Count;

    public static bool Fuses => true;

    public static SimdFloat512 Create(float value) => new() { Lanes = Vector512.Create(value) };

    public static SimdFloat512 Load(float* address) => new() { Lanes = Vector512.Load(address) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 LoadUpperHalves(ushort* address)
        => new() { Lanes = (Vector512.WidenLower(Vector256.Load(address).ToVector512Unsafe()) << 16).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 LoadHalfBits(short* address)
    {
        Vector512<int> bits = Vector512.WidenLower(Vector256.Load(address).ToVector512Unsafe()) << 13;
        return new() { Lanes = (bits & Vector512.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadUpperHalfPairs(float* address, out SimdFloat512 even, out SimdFloat512 odd)
    {
        Vector512<int> pairs = Vector512.Load((int*)address);
        even = new() { Lanes = (pairs << 16).AsSingle() };
        odd = new() { Lanes = (pairs & Vector512.Create(HalfBits.UpperHalf)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalfBitPairs(float* address, out SimdFloat512 even, out SimdFloat512 odd)
    {
        Vector512<int> pairs = Vector512.Load((int*)address);
        even = new() { Lanes = (((pairs << 16) >> 3) & Vector512.Create(HalfBits.SignExponentFraction)).AsSingle() };
        odd = new() { Lanes = ((pairs >> 3) & Vector512.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 RestoreSpecialHalves(SimdFloat512 halves)
    {
        Vector512<float> isSpecial = Vector512.GreaterThanOrEqual(
            Vector512.Abs(halves.Lanes), Vector512.Create(HalfBits.Special));
        return new() { Lanes = halves.Lanes | (isSpecial & Vector512.Create(float.PositiveInfinity)) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyMinusNaN(float* first, float* second)
        => Vector512.GreaterThanAny(
            Vector512.Max(Vector512.Load((ushort*)first), Vector512.Load((ushort*)second)),
            Vector512.Create(HalfBits.MinusInfinity));

    public void Store(float* address) => Lanes.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreUpperHalves(ushort* address)
    {
        Vector512<uint> bits = Lanes.AsUInt32();
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
        bits = Vector512.ConditionalSelect(Vector512.IsNaN(Lanes).AsUInt32(), (bits >> 16) | Vector512.Create(0x40u), rounded);
        Avx512F.ConvertToVector256UInt16(bits).Store(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreHalf(ushort* address)
    {
        Vector512<uint> magnitude = Lanes.AsUInt32() & Vector512.Create(HalfBits.Magnitude);
        Vector512<uint> odd = (magnitude >> 13) & Vector512<uint>.One;
        Vector512<uint> normal = (magnitude + Vector512.Create(HalfBits.Rebias) + odd) >> 13;
        Vector512<uint> subnormal =
            (magnitude.AsSingle() + Vector512.Create(0.5f)).AsUInt32() - Vector512.Create(HalfBits.OneHalf);
        Vector512<uint> special = Vector512.ConditionalSelect(
            Vector512.IsNaN(Lanes).AsUInt32(), Vector512.Create(HalfBits.NaN), Vector512.Create(HalfBits.Infinity));
        Vector512<uint> bits = Vector512.ConditionalSelect(
            Vector512.LessThan(magnitude, Vector512.Create(HalfBits.FirstNormal)), subnormal, normal);
        bits = Vector512.ConditionalSelect(
            Vector512.LessThan(magnitude, Vector512.Create(HalfBits.FirstTooLarge)), bits, special);
        bits |= (Lanes.AsUInt32() >> 16) & Vector512.Create(HalfBits.Sign);
        Avx512F.ConvertToVector256UInt16(bits).Store(address);
    }

    public void StoreNonTemporal(float* address) => Lanes.StoreAlignedNonTemporal(address);

    public static SimdFloat512 operator +(SimdFloat512 left, SimdFloat512 right) => new() { Lanes = left.Lanes + right.Lanes };

    public static SimdFloat512 operator -(SimdFloat512 left, SimdFloat512 right) => new() { Lanes = left.Lanes - right.Lanes };

    public static SimdFloat512 operator *(SimdFloat512 left, SimdFloat512 right) => new() { Lanes = left.Lanes * right.Lanes };

    public static SimdFloat512 MultiplyAdd(SimdFloat512 left, SimdFloat512 right, SimdFloat512 addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, right.Lanes, addend.Lanes) };

    public static SimdFloat512 operator /(SimdFloat512 left, SimdFloat512 right) => new() { Lanes = left.Lanes / right.Lanes };

    public static SimdFloat512 Multiply(SimdFloat512 left, float right)
        => new() { Lanes = left.Lanes * Vector512.Create(right) };

    public static SimdFloat512 MultiplyAdd(SimdFloat512 left, SimdFloat512 right, float addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, right.Lanes, Vector512.Create(addend)) };

    public static SimdFloat512 MultiplyAdd(SimdFloat512 left, float right, float addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, Vector512.Create(right), Vector512.Create(addend)) };

    public static SimdFloat512 Min(SimdFloat512 left, SimdFloat512 right)
        => new() { Lanes = Vector512.MinNative(left.Lanes, right.Lanes) };

    public static SimdFloat512 MinusInfinityWhereLess(SimdFloat512 value, SimdFloat512 bound, SimdFloat512 otherwise)
        => new()
        {
            Lanes = Vector512.ConditionalSelect(
                Vector512.LessThan(value.Lanes, bound.Lanes), Vector512.Create(float.NegativeInfinity), otherwise.Lanes),
        };

    public static SimdFloat512 Max(SimdFloat512 left, SimdFloat512 right)
        => new() { Lanes = Vector512.MaxNative(left.Lanes, right.Lanes) };

    public static bool AnyGreater(SimdFloat512 left, SimdFloat512 right)
        => Vector512.GreaterThanAny(left.Lanes, right.Lanes);

    public static SimdFloat512 AtMost128(SimdFloat512 t) => t;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 Split(SimdFloat512 t, out SimdFloat512 fraction)
    {
        const byte towardMinusInfinity = 1;
        fraction = new() { Lanes = Avx512DQ.Reduce(t.Lanes, towardMinusInfinity) };
        return t; // vscalefps takes the floor itself
    }

    public static SimdFloat512 Round(SimdFloat512 t) => new() { Lanes = Avx512F.RoundScale(t.Lanes, 0) };

    public static SimdFloat512 ScaleByPowerOf2(SimdFloat512 value, SimdFloat512 whole)
        => new() { Lanes = Avx512F.Scale(value.Lanes, whole.Lanes) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 AddFixed(SimdFloat512 integers, SimdFloat512 vector)
    {
        Vector512<int> shifted = vector.Lanes.AsInt32() + Vector512.Create(FixedPoint.Shift);
        return new() { Lanes = (integers.Lanes.AsInt32() + Avx512F.ConvertToVector512Int32(shifted.AsSingle())).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 AddFixedHalves(SimdFloat512 integers)
    {
        Vector512<int> lanes = integers.Lanes.AsInt32();
        Vector512<double> lower = Avx512F.ConvertToVector512Double(lanes.GetLower());
        Vector512<double> upper = Avx512F.ConvertToVector512Double(lanes.GetUpper());
        return new() { Lanes = (lower + upper).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static SimdFloat512 AddHalves(SimdFloat512 vector)
        => new() { Lanes = (Vector512.WidenLower(vector.Lanes) + Vector512.WidenUpper(vector.Lanes)).AsSingle() };

    public static SimdFloat512 AddDoubles(SimdFloat512 left, SimdFloat512 right)
        => new() { Lanes = (left.Lanes.AsDouble() + right.Lanes.AsDouble()).AsSingle() };

    public static double SumOfDoubles(SimdFloat512 doubles) => Vector512.Sum(doubles.Lanes.AsDouble());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Max() => new SimdFloat256 { Lanes = Vector256.MaxNative(Lanes.GetLower(), Lanes.GetUpper()) }.Max();
}
