using System.Runtime.CompilerServices;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// The gradients of a run, (2^t·(Factor − EntropyFactor·t) − Uniform)·cap'(x): its constants in float, relative to the reference
/// of the run.
/// </summary>
internal readonly struct RunGradient(in AffineExponent exponent, float factor, float entropyFactor, float uniform)
{
    public readonly AffineExponent Exponent = exponent;
    public readonly float Factor = factor;
    public readonly float EntropyFactor = entropyFactor;
    public readonly float Uniform = uniform;
}

/// <summary>
/// Elementwise writes of gradients. What an element becomes does not depend on where it stands. Stores are aligned, wherever the
/// memory starts, for one that crosses a cache line costs two.
/// </summary>
internal static unsafe class GradientLoops<TVector, TLogit, TFormat>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, IElementFormat<TLogit>
{
    private const int BytesPerLine = 64;

    public static int LogitsPerLine => BytesPerLine / sizeof(TLogit);

    /// <summary>
    /// Writes <paramref name="count"/> gradients of logits at <paramref name="source"/>, added to what is there if
    /// <typeparamref name="TAccumulates"/>, past the caches if <typeparamref name="TNonTemporal"/>.
    /// </summary>
    public static void Write<TCaps, TEntropy, TAccumulates, TNonTemporal>(
        TLogit* source, TLogit* destination, int count, in RunGradient run)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TAccumulates : struct, IFlag
        where TNonTemporal : struct, IFlag
    {
        int unaligned = Math.Min(count, CountToAlignment(destination)), done = 0;
        for (; done < unaligned; done += Math.Min(TVector.Count, unaligned - done))
        {
            WritePart<TCaps, TEntropy, TAccumulates>(
                source + done, destination + done, Math.Min(TVector.Count, unaligned - done), in run);
        }

        int steps = (count - done) / (4 * TVector.Count);
        WriteSteps<TCaps, TEntropy, TAccumulates, TNonTemporal>(source + done, destination + done, steps, in run);
        for (done += steps * 4 * TVector.Count; done < count; done += TVector.Count)
        {
            WritePart<TCaps, TEntropy, TAccumulates>(source + done, destination + done, count - done, in run);
        }
    }

    /// <summary>
    /// A loop without calls: across one, no register is kept. A store past the caches needs an aligned destination, and those to
    /// one cache line must follow each other: half a line costs as much as a line.
    /// </summary>
    [MethodImpl(Jit.HotLoop)]
    private static void WriteSteps<TCaps, TEntropy, TAccumulates, TNonTemporal>(
        TLogit* source, TLogit* destination, int steps, in RunGradient run)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TAccumulates : struct, IFlag
        where TNonTemporal : struct, IFlag
    {
        var math = new Arithmetic<TCaps, TEntropy, TAccumulates>(in run);
        for (; steps > 0; steps--)
        {
            TVector first = math.Of(source, destination);
            TVector second = math.Of(source + TVector.Count, destination + TVector.Count);
            TVector third = math.Of(source + (2 * TVector.Count), destination + (2 * TVector.Count));
            TVector fourth = math.Of(source + (3 * TVector.Count), destination + (3 * TVector.Count));
            Store<TNonTemporal>(first, destination);
            Store<TNonTemporal>(second, destination + TVector.Count);
            Store<TNonTemporal>(third, destination + (2 * TVector.Count));
            Store<TNonTemporal>(fourth, destination + (3 * TVector.Count));
            source += 4 * TVector.Count;
            destination += 4 * TVector.Count;
        }
    }

    /// <summary>A register or less.</summary>
    private static void WritePart<TCaps, TEntropy, TAccumulates>(
        TLogit* source, TLogit* destination, int count, in RunGradient run)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TAccumulates : struct, IFlag
    {
        TVector before = typeof(TAccumulates) == typeof(On)
            ? PartialVector<TVector, TLogit, TFormat>.Load(destination, count)
            : default;
        TVector loaded = PartialVector<TVector, TLogit, TFormat>.Load(source, count);
        TVector gradient = new Arithmetic<TCaps, TEntropy, TAccumulates>(in run).Of(loaded, before);
        PartialVector<TVector, TLogit, TFormat>.Store(gradient, destination, count);
    }

    /// <summary>values = factor · values − uniform.</summary>
    public static void Scale(float* values, int count, float factor, float uniform)
    {
        int unaligned = Math.Min(count, GradientLoops<TVector, float, FloatFormat>.CountToAlignment(values));
        for (int i = 0; i < unaligned; i += TVector.Count)
        {
            ScalePart(values + i, Math.Min(TVector.Count, unaligned - i), factor, uniform);
        }

        int registers = (count - unaligned) / TVector.Count;
        ScaleRegisters(values + unaligned, registers, factor, uniform);
        int done = unaligned + (registers * TVector.Count);
        if (done < count)
        {
            ScalePart(values + done, count - done, factor, uniform);
        }
    }

    /// <summary>A loop without calls: across one, no register is kept.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static void ScaleRegisters(float* values, int registers, float factor, float uniform)
    {
        TVector factors = TVector.Create(factor), minusUniform = TVector.Create(-uniform);
        for (; registers > 0; registers--, values += TVector.Count)
        {
            TVector.MultiplyAdd(TVector.Load(values), factors, minusUniform).Store(values);
        }
    }

    private static void ScalePart(float* values, int count, float factor, float uniform)
    {
        TVector loaded = PartialVector<TVector, float, FloatFormat>.Load(values, count);
        TVector scaled = TVector.MultiplyAdd(loaded, TVector.Create(factor), TVector.Create(-uniform));
        PartialVector<TVector, float, FloatFormat>.Store(scaled, values, count);
    }

    /// <summary>How many logits stand before the first that starts a cache line.</summary>
    private static int CountToAlignment(TLogit* address)
        => (int)((-(nint)address / sizeof(TLogit)) & (LogitsPerLine - 1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TNonTemporal>(TVector vector, TLogit* destination)
        where TNonTemporal : struct, IFlag
    {
        if (typeof(TNonTemporal) == typeof(On))
        {
            TFormat.StoreNonTemporal(vector, destination);
        }
        else
        {
            TFormat.Store(vector, destination);
        }
    }

    /// <summary>The gradient of a register.</summary>
    private readonly struct Arithmetic<TCaps, TEntropy, TAccumulates>
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TAccumulates : struct, IFlag
    {
        private readonly SimdExponent<TVector, TLogit, TFormat, TCaps> _exponent;
        private readonly Exp2<TVector> _exp2;
        private readonly TVector _factor;
        private readonly TVector _minusEntropyFactor;
        private readonly TVector _minusUniform;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Arithmetic(in RunGradient run)
        {
            _exponent = new(in run.Exponent);
            _exp2 = new(Exp2Coefficients.Load());
            _factor = TVector.Create(run.Factor);
            _minusEntropyFactor = TVector.Create(-run.EntropyFactor);
            _minusUniform = TVector.Create(-run.Uniform);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Of(TLogit* source, TLogit* destination)
            => Of(
                TFormat.Load<TVector>(source), typeof(TAccumulates) == typeof(On) ? TFormat.Load<TVector>(destination) : default);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Of(TVector loaded, TVector before)
        {
            TVector u = _exponent.Bounded(_exponent.U(loaded));
            TVector t = TVector.AtMost128(_exponent.T(loaded, u, out TVector derivative)), factor = _factor;
            if (typeof(TEntropy) == typeof(On))
            {
                t = TVector.Max(TVector.Create(LogSumExpState.LowestShift), t); // not 0 · ∞ where a logit is masked
                factor = TVector.MultiplyAdd(t, _minusEntropyFactor, _factor);
            }

            TVector gradient = TVector.MultiplyAdd(_exp2.Of(t), factor, _minusUniform);
            if (typeof(TCaps) == typeof(On))
            {
                gradient *= derivative;
            }

            return typeof(TAccumulates) == typeof(On) ? TFormat.Value(before) + gradient : gradient;
        }
    }
}
