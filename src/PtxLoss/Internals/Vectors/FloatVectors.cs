using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Internals;

/// <summary>16 floats, on AVX-512, whose own instructions split a number and scale by a power of 2 in one step each.</summary>
internal unsafe struct FloatVector512 : IFloatVector<FloatVector512>
{
    public Vector512<float> Lanes;

    public static int Count => Vector512<float>.Count;

    public static bool Fuses => true;

    public static FloatVector512 Create(float value) => new() { Lanes = Vector512.Create(value) };

    public static FloatVector512 Load(float* address) => new() { Lanes = Vector512.Load(address) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 LoadUpperHalves(ushort* address)
        => new() { Lanes = (Vector512.WidenLower(Vector256.Load(address).ToVector512Unsafe()) << 16).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 LoadHalfBits(short* address)
        => new() { Lanes = ((Vector512.WidenLower(Vector256.Load(address).ToVector512Unsafe()) << 13) & Vector512.Create(HalfBits.SignExponentFraction)).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadUpperHalfPairs(float* address, out FloatVector512 even, out FloatVector512 odd)
    {
        Vector512<int> pairs = Vector512.Load((int*)address);
        even = new() { Lanes = (pairs << 16).AsSingle() };
        odd = new() { Lanes = (pairs & Vector512.Create(HalfBits.UpperHalf)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalfBitPairs(float* address, out FloatVector512 even, out FloatVector512 odd)
    {
        Vector512<int> pairs = Vector512.Load((int*)address);
        even = new() { Lanes = (((pairs << 16) >> 3) & Vector512.Create(HalfBits.SignExponentFraction)).AsSingle() };
        odd = new() { Lanes = ((pairs >> 3) & Vector512.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyMinusNaN(float* first, float* second)
        => Vector512.GreaterThanAny(
            Vector512.Max(Vector512.Load((ushort*)first), Vector512.Load((ushort*)second)), Vector512.Create(HalfBits.MinusInfinity));

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
        Vector512<uint> subnormal = (magnitude.AsSingle() + Vector512.Create(0.5f)).AsUInt32() - Vector512.Create(HalfBits.OneHalf);
        Vector512<uint> special = Vector512.ConditionalSelect(
            Vector512.IsNaN(Lanes).AsUInt32(), Vector512.Create(HalfBits.NaN), Vector512.Create(HalfBits.Infinity));
        Vector512<uint> bits = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(HalfBits.FirstNormal)), subnormal, normal);
        bits = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(HalfBits.FirstTooLarge)), bits, special);
        bits |= (Lanes.AsUInt32() >> 16) & Vector512.Create(HalfBits.Sign);
        Avx512F.ConvertToVector256UInt16(bits).Store(address);
    }

    public void StoreNonTemporal(float* address) => Lanes.StoreAlignedNonTemporal(address);

    public static FloatVector512 operator +(FloatVector512 left, FloatVector512 right) => new() { Lanes = left.Lanes + right.Lanes };

    public static FloatVector512 operator -(FloatVector512 left, FloatVector512 right) => new() { Lanes = left.Lanes - right.Lanes };

    public static FloatVector512 operator *(FloatVector512 left, FloatVector512 right) => new() { Lanes = left.Lanes * right.Lanes };

    public static FloatVector512 MultiplyAdd(FloatVector512 left, FloatVector512 right, FloatVector512 addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, right.Lanes, addend.Lanes) };

    public static FloatVector512 operator /(FloatVector512 left, FloatVector512 right) => new() { Lanes = left.Lanes / right.Lanes };

    public static FloatVector512 Multiply(FloatVector512 left, float right)
        => new() { Lanes = left.Lanes * Vector512.Create(right) };

    public static FloatVector512 MultiplyAdd(FloatVector512 left, FloatVector512 right, float addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, right.Lanes, Vector512.Create(addend)) };

    public static FloatVector512 MultiplyAdd(FloatVector512 left, float right, float addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, Vector512.Create(right), Vector512.Create(addend)) };

    public static FloatVector512 MultiplyAdd(FloatVector512 left, float right, FloatVector512 addend)
        => new() { Lanes = Vector512.MultiplyAddEstimate(left.Lanes, Vector512.Create(right), addend.Lanes) };

    public static FloatVector512 Min(FloatVector512 left, FloatVector512 right)
        => new() { Lanes = Vector512.MinNative(left.Lanes, right.Lanes) };

    public static FloatVector512 MinusInfinityWhereLess(FloatVector512 value, FloatVector512 bound, FloatVector512 otherwise)
        => new()
        {
            Lanes = Vector512.ConditionalSelect(
                Vector512.LessThan(value.Lanes, bound.Lanes), Vector512.Create(float.NegativeInfinity), otherwise.Lanes),
        };

    public static FloatVector512 Max(FloatVector512 left, FloatVector512 right)
        => new() { Lanes = Vector512.MaxNative(left.Lanes, right.Lanes) };

    public static bool AnyGreater(FloatVector512 left, FloatVector512 right)
        => Vector512.GreaterThanAny(left.Lanes, right.Lanes);

    public static FloatVector512 AtMost128(FloatVector512 t) => t;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector512 Split(FloatVector512 t, out FloatVector512 fraction)
    {
        const byte towardMinusInfinity = 1;
        fraction = new() { Lanes = Avx512DQ.Reduce(t.Lanes, towardMinusInfinity) };
        return t; // vscalefps takes the floor itself
    }

    public static FloatVector512 Round(FloatVector512 t) => new() { Lanes = Avx512F.RoundScale(t.Lanes, 0) };

    public static FloatVector512 ScaleByPowerOf2(FloatVector512 value, FloatVector512 whole)
        => new() { Lanes = Avx512F.Scale(value.Lanes, whole.Lanes) };

    public static double Sum(FloatVector512 vector) => SumOfDoubles(AddHalves(vector));

    public static FloatVector512 AddHalves(FloatVector512 vector)
        => new() { Lanes = (Vector512.WidenLower(vector.Lanes) + Vector512.WidenUpper(vector.Lanes)).AsSingle() };

    public static FloatVector512 AddDoubles(FloatVector512 left, FloatVector512 right)
        => new() { Lanes = (left.Lanes.AsDouble() + right.Lanes.AsDouble()).AsSingle() };

    public static double SumOfDoubles(FloatVector512 doubles) => Vector512.Sum(doubles.Lanes.AsDouble());

    public float Max() => new FloatVector256 { Lanes = Vector256.MaxNative(Lanes.GetLower(), Lanes.GetUpper()) }.Max();
}

/// <summary>8 floats, on AVX2 with FMA.</summary>
internal unsafe struct FloatVector256 : IFloatVector<FloatVector256>
{
    public Vector256<float> Lanes;

    public static int Count => Vector256<float>.Count;

    public static bool Fuses => Fma.IsSupported;

    public static FloatVector256 Create(float value) => new() { Lanes = Vector256.Create(value) };

    public static FloatVector256 Load(float* address) => new() { Lanes = Vector256.Load(address) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 LoadUpperHalves(ushort* address)
        => new() { Lanes = (Vector256.WidenLower(Vector128.Load(address).ToVector256Unsafe()) << 16).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 LoadHalfBits(short* address)
        => new() { Lanes = ((Vector256.WidenLower(Vector128.Load(address).ToVector256Unsafe()) << 13) & Vector256.Create(HalfBits.SignExponentFraction)).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadUpperHalfPairs(float* address, out FloatVector256 even, out FloatVector256 odd)
    {
        Vector256<int> pairs = Vector256.Load((int*)address);
        even = new() { Lanes = (pairs << 16).AsSingle() };
        odd = new() { Lanes = (pairs & Vector256.Create(HalfBits.UpperHalf)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalfBitPairs(float* address, out FloatVector256 even, out FloatVector256 odd)
    {
        Vector256<int> pairs = Vector256.Load((int*)address);
        even = new() { Lanes = (((pairs << 16) >> 3) & Vector256.Create(HalfBits.SignExponentFraction)).AsSingle() };
        odd = new() { Lanes = ((pairs >> 3) & Vector256.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyMinusNaN(float* first, float* second)
        => Vector256.GreaterThanAny(
            Vector256.Max(Vector256.Load((ushort*)first), Vector256.Load((ushort*)second)), Vector256.Create(HalfBits.MinusInfinity));

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
        Vector256<uint> subnormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(HalfBits.OneHalf);
        Vector256<uint> special = Vector256.ConditionalSelect(
            Vector256.IsNaN(Lanes).AsUInt32(), Vector256.Create(HalfBits.NaN), Vector256.Create(HalfBits.Infinity));
        Vector256<uint> bits = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(HalfBits.FirstNormal)), subnormal, normal);
        bits = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(HalfBits.FirstTooLarge)), bits, special);
        bits |= (Lanes.AsUInt32() >> 16) & Vector256.Create(HalfBits.Sign);
        Vector128.Narrow(bits.GetLower(), bits.GetUpper()).Store(address);
    }

    public void StoreNonTemporal(float* address) => Lanes.StoreAlignedNonTemporal(address);

    public static FloatVector256 operator +(FloatVector256 left, FloatVector256 right) => new() { Lanes = left.Lanes + right.Lanes };

    public static FloatVector256 operator -(FloatVector256 left, FloatVector256 right) => new() { Lanes = left.Lanes - right.Lanes };

    public static FloatVector256 operator *(FloatVector256 left, FloatVector256 right) => new() { Lanes = left.Lanes * right.Lanes };

    public static FloatVector256 MultiplyAdd(FloatVector256 left, FloatVector256 right, FloatVector256 addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, right.Lanes, addend.Lanes) };

    public static FloatVector256 operator /(FloatVector256 left, FloatVector256 right) => new() { Lanes = left.Lanes / right.Lanes };

    public static FloatVector256 Multiply(FloatVector256 left, float right)
        => new() { Lanes = left.Lanes * Vector256.Create(right) };

    public static FloatVector256 MultiplyAdd(FloatVector256 left, FloatVector256 right, float addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, right.Lanes, Vector256.Create(addend)) };

    public static FloatVector256 MultiplyAdd(FloatVector256 left, float right, float addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, Vector256.Create(right), Vector256.Create(addend)) };

    public static FloatVector256 MultiplyAdd(FloatVector256 left, float right, FloatVector256 addend)
        => new() { Lanes = Vector256.MultiplyAddEstimate(left.Lanes, Vector256.Create(right), addend.Lanes) };

    public static FloatVector256 Min(FloatVector256 left, FloatVector256 right)
        => new() { Lanes = Vector256.MinNative(left.Lanes, right.Lanes) };

    public static FloatVector256 MinusInfinityWhereLess(FloatVector256 value, FloatVector256 bound, FloatVector256 otherwise)
        => new()
        {
            Lanes = Vector256.ConditionalSelect(
                Vector256.LessThan(value.Lanes, bound.Lanes), Vector256.Create(float.NegativeInfinity), otherwise.Lanes),
        };

    public static FloatVector256 Max(FloatVector256 left, FloatVector256 right)
        => new() { Lanes = Vector256.MaxNative(left.Lanes, right.Lanes) };

    public static bool AnyGreater(FloatVector256 left, FloatVector256 right)
        => Vector256.GreaterThanAny(left.Lanes, right.Lanes);

    public static FloatVector256 AtMost128(FloatVector256 t)
        => new() { Lanes = Vector256.MinNative(Vector256.Create(128f), t.Lanes) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector256 Split(FloatVector256 t, out FloatVector256 fraction)
    {
        // −127 is where adding to the exponent's bits gives exactly 0, as 128 gives +inf. NaN passes: it is the right operand.
        Vector256<float> clamped = Vector256.MaxNative(Vector256.Create(-127f), t.Lanes);
        Vector256<float> whole = Vector256.Floor(clamped);
        fraction = new() { Lanes = clamped - whole };
        return new() { Lanes = whole };
    }

    public static FloatVector256 Round(FloatVector256 t) => new() { Lanes = Vector256.Round(t.Lanes) };

    public static FloatVector256 ScaleByPowerOf2(FloatVector256 value, FloatVector256 whole)
        => new() { Lanes = (value.Lanes.AsInt32() + (Vector256.ConvertToInt32Native(whole.Lanes) << 23)).AsSingle() };

    public static double Sum(FloatVector256 vector) => SumOfDoubles(AddHalves(vector));

    public static FloatVector256 AddHalves(FloatVector256 vector)
        => new() { Lanes = (Vector256.WidenLower(vector.Lanes) + Vector256.WidenUpper(vector.Lanes)).AsSingle() };

    public static FloatVector256 AddDoubles(FloatVector256 left, FloatVector256 right)
        => new() { Lanes = (left.Lanes.AsDouble() + right.Lanes.AsDouble()).AsSingle() };

    public static double SumOfDoubles(FloatVector256 doubles) => Vector256.Sum(doubles.Lanes.AsDouble());

    public float Max() => new FloatVector128 { Lanes = Vector128.MaxNative(Lanes.GetLower(), Lanes.GetUpper()) }.Max();
}

/// <summary>4 floats: Arm's AdvSimd, and x86 without AVX2.</summary>
internal unsafe struct FloatVector128 : IFloatVector<FloatVector128>
{
    public Vector128<float> Lanes;

    public static int Count => Vector128<float>.Count;

    public static bool Fuses => Fma.IsSupported || AdvSimd.IsSupported;

    public static FloatVector128 Create(float value) => new() { Lanes = Vector128.Create(value) };

    public static FloatVector128 Load(float* address) => new() { Lanes = Vector128.Load(address) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector128 LoadUpperHalves(ushort* address)
        => new() { Lanes = (Vector128.WidenLower(Vector64.Load(address).ToVector128Unsafe()) << 16).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector128 LoadHalfBits(short* address)
        => new() { Lanes = ((Vector128.WidenLower(Vector64.Load(address).ToVector128Unsafe()) << 13) & Vector128.Create(HalfBits.SignExponentFraction)).AsSingle() };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadUpperHalfPairs(float* address, out FloatVector128 even, out FloatVector128 odd)
    {
        Vector128<int> pairs = Vector128.Load((int*)address);
        even = new() { Lanes = (pairs << 16).AsSingle() };
        odd = new() { Lanes = (pairs & Vector128.Create(HalfBits.UpperHalf)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalfBitPairs(float* address, out FloatVector128 even, out FloatVector128 odd)
    {
        Vector128<int> pairs = Vector128.Load((int*)address);
        even = new() { Lanes = (((pairs << 16) >> 3) & Vector128.Create(HalfBits.SignExponentFraction)).AsSingle() };
        odd = new() { Lanes = ((pairs >> 3) & Vector128.Create(HalfBits.SignExponentFraction)).AsSingle() };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyMinusNaN(float* first, float* second)
        => Vector128.GreaterThanAny(
            Vector128.Max(Vector128.Load((ushort*)first), Vector128.Load((ushort*)second)), Vector128.Create(HalfBits.MinusInfinity));

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
        Vector128<uint> subnormal = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsUInt32() - Vector128.Create(HalfBits.OneHalf);
        Vector128<uint> special = Vector128.ConditionalSelect(
            Vector128.IsNaN(Lanes).AsUInt32(), Vector128.Create(HalfBits.NaN), Vector128.Create(HalfBits.Infinity));
        Vector128<uint> bits = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(HalfBits.FirstNormal)), subnormal, normal);
        bits = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(HalfBits.FirstTooLarge)), bits, special);
        bits |= (Lanes.AsUInt32() >> 16) & Vector128.Create(HalfBits.Sign);
        Vector128.Narrow(bits, bits).GetLower().Store(address);
    }

    public void StoreNonTemporal(float* address) => Lanes.StoreAlignedNonTemporal(address);

    public static FloatVector128 operator +(FloatVector128 left, FloatVector128 right) => new() { Lanes = left.Lanes + right.Lanes };

    public static FloatVector128 operator -(FloatVector128 left, FloatVector128 right) => new() { Lanes = left.Lanes - right.Lanes };

    public static FloatVector128 operator *(FloatVector128 left, FloatVector128 right) => new() { Lanes = left.Lanes * right.Lanes };

    public static FloatVector128 MultiplyAdd(FloatVector128 left, FloatVector128 right, FloatVector128 addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, right.Lanes, addend.Lanes) };

    public static FloatVector128 operator /(FloatVector128 left, FloatVector128 right) => new() { Lanes = left.Lanes / right.Lanes };

    public static FloatVector128 Multiply(FloatVector128 left, float right)
        => new() { Lanes = left.Lanes * Vector128.Create(right) };

    public static FloatVector128 MultiplyAdd(FloatVector128 left, FloatVector128 right, float addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, right.Lanes, Vector128.Create(addend)) };

    public static FloatVector128 MultiplyAdd(FloatVector128 left, float right, float addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, Vector128.Create(right), Vector128.Create(addend)) };

    public static FloatVector128 MultiplyAdd(FloatVector128 left, float right, FloatVector128 addend)
        => new() { Lanes = Vector128.MultiplyAddEstimate(left.Lanes, Vector128.Create(right), addend.Lanes) };

    public static FloatVector128 Min(FloatVector128 left, FloatVector128 right)
        => new() { Lanes = Vector128.MinNative(left.Lanes, right.Lanes) };

    public static FloatVector128 MinusInfinityWhereLess(FloatVector128 value, FloatVector128 bound, FloatVector128 otherwise)
        => new()
        {
            Lanes = Vector128.ConditionalSelect(
                Vector128.LessThan(value.Lanes, bound.Lanes), Vector128.Create(float.NegativeInfinity), otherwise.Lanes),
        };

    public static FloatVector128 Max(FloatVector128 left, FloatVector128 right)
        => new() { Lanes = Vector128.MaxNative(left.Lanes, right.Lanes) };

    public static bool AnyGreater(FloatVector128 left, FloatVector128 right)
        => Vector128.GreaterThanAny(left.Lanes, right.Lanes);

    public static FloatVector128 AtMost128(FloatVector128 t)
        => new() { Lanes = Vector128.MinNative(Vector128.Create(128f), t.Lanes) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector128 Split(FloatVector128 t, out FloatVector128 fraction)
    {
        Vector128<float> clamped = Vector128.MaxNative(Vector128.Create(-127f), t.Lanes);
        Vector128<float> whole = Vector128.Floor(clamped);
        fraction = new() { Lanes = clamped - whole };
        return new() { Lanes = whole };
    }

    public static FloatVector128 Round(FloatVector128 t) => new() { Lanes = Vector128.Round(t.Lanes) };

    public static FloatVector128 ScaleByPowerOf2(FloatVector128 value, FloatVector128 whole)
        => new() { Lanes = (value.Lanes.AsInt32() + (Vector128.ConvertToInt32Native(whole.Lanes) << 23)).AsSingle() };

    public static double Sum(FloatVector128 vector) => SumOfDoubles(AddHalves(vector));

    public static FloatVector128 AddHalves(FloatVector128 vector)
        => new() { Lanes = (Vector128.WidenLower(vector.Lanes) + Vector128.WidenUpper(vector.Lanes)).AsSingle() };

    public static FloatVector128 AddDoubles(FloatVector128 left, FloatVector128 right)
        => new() { Lanes = (left.Lanes.AsDouble() + right.Lanes.AsDouble()).AsSingle() };

    public static double SumOfDoubles(FloatVector128 doubles) => Vector128.Sum(doubles.Lanes.AsDouble());

    public float Max() => MathF.Max(MathF.Max(Lanes[0], Lanes[1]), MathF.Max(Lanes[2], Lanes[3]));
}
