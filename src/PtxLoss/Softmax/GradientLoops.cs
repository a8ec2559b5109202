using System.Runtime.CompilerServices;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// Elementwise writes of gradients. What an element becomes does not depend on where it stands. Stores are aligned, wherever the
/// memory starts, for one that crosses a cache line costs two; only those of capped and of added gradients are not.
/// </summary>
internal static unsafe class GradientLoops<TVector, TLogit, TFormat>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, ILogitFormat<TLogit>
{
    private const int BytesPerLine = 64;

    public static int LogitsPerLine => BytesPerLine / sizeof(TLogit);

    /// <summary>destination = factor · exp(source − m) − uniform, past the caches if <typeparamref name="TStreams"/>.</summary>
    public static void WriteExponentials<TStreams>(in ExponentialStream<TLogit> stream, int count)
        where TStreams : struct, IFlag
    {
        int unaligned = Math.Min(count, CountToAlignment(stream.Destination)), done = 0;
        for (; done < unaligned; done += Math.Min(TVector.Count, unaligned - done))
        {
            WriteRest(in stream, done, Math.Min(TVector.Count, unaligned - done));
        }

        int steps = (count - done) / (4 * TVector.Count);
        WriteSteps<TStreams>(in stream, done, steps);
        for (done += steps * 4 * TVector.Count; done < count; done += TVector.Count)
        {
            WriteRest(in stream, done, count - done);
        }
    }

    /// <summary>A loop without calls: across one, no register is kept.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static void WriteSteps<TStreams>(in ExponentialStream<TLogit> stream, int start, int steps)
        where TStreams : struct, IFlag
    {
        var math = new SimdExponent<TVector, TLogit, TFormat, Off>(in stream.Exponent);
        TVector factor = TVector.Create(stream.Factor), minusUniform = TVector.Create(-stream.Uniform);
        TLogit* source = stream.Source + start, destination = stream.Destination + start;
        for (; steps > 0; steps--)
        {
            WriteFour<TStreams>(in math, source, factor, minusUniform, destination);
            source += 4 * TVector.Count;
            destination += 4 * TVector.Count;
        }
    }

    /// <summary>
    /// Four registers of <see cref="WriteExponentials"/>. A store past the caches needs an aligned destination, and those to one cache
    /// line must follow each other: half a line costs as much as a line.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteFour<TStreams>(
        in SimdExponent<TVector, TLogit, TFormat, Off> math, TLogit* source, TVector factor, TVector minusUniform, TLogit* destination)
        where TStreams : struct, IFlag
    {
        TVector first = Gradient(in math, TFormat.Load<TVector>(source), factor, minusUniform);
        TVector second = Gradient(in math, TFormat.Load<TVector>(source + TVector.Count), factor, minusUniform);
        TVector third = Gradient(in math, TFormat.Load<TVector>(source + (2 * TVector.Count)), factor, minusUniform);
        TVector fourth = Gradient(in math, TFormat.Load<TVector>(source + (3 * TVector.Count)), factor, minusUniform);
        Store<TStreams>(first, destination);
        Store<TStreams>(second, destination + TVector.Count);
        Store<TStreams>(third, destination + (2 * TVector.Count));
        Store<TStreams>(fourth, destination + (3 * TVector.Count));
    }

    /// <summary>
    /// destination = (factor · exp(source' − m') − uniform) · dsource'/dsource, added to what is there if
    /// <typeparamref name="TAccumulates"/>.
    /// </summary>
    public static void WriteGradients<TCaps, TAccumulates>(in ExponentialStream<TLogit> stream, int count)
        where TCaps : struct, IFlag
        where TAccumulates : struct, IFlag
    {
        int registers = count / TVector.Count, done = registers * TVector.Count, rest = count - done;
        WriteGradientRegisters<TCaps, TAccumulates>(in stream, registers);
        if (rest > 0)
        {
            TLogit* destination = stream.Destination + done;
            TVector gradient = new GradientMath<TCaps, TAccumulates>(in stream).Of(
                PartialVector<TVector, TLogit, TFormat>.Load(stream.Source + done, rest),
                PartialVector<TVector, TLogit, TFormat>.Load(destination, rest));
            PartialVector<TVector, TLogit, TFormat>.Store(gradient, destination, rest);
        }
    }

    /// <summary>A loop without calls: across one, no register is kept.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static void WriteGradientRegisters<TCaps, TAccumulates>(in ExponentialStream<TLogit> stream, int registers)
        where TCaps : struct, IFlag
        where TAccumulates : struct, IFlag
    {
        var math = new GradientMath<TCaps, TAccumulates>(in stream);
        TLogit* source = stream.Source, destination = stream.Destination;
        for (; registers > 0; registers--, source += TVector.Count, destination += TVector.Count)
        {
            TVector before = typeof(TAccumulates) == typeof(On) ? TFormat.Load<TVector>(destination) : default;
            TFormat.Store(math.Of(TFormat.Load<TVector>(source), before), destination);
        }
    }

    /// <summary>values = factor · values − uniform.</summary>
    public static void Scale(float* values, int count, float factor, float uniform)
    {
        int unaligned = Math.Min(count, GradientLoops<TVector, float, FloatFormat>.CountToAlignment(values));
        for (int i = 0; i < unaligned; i += TVector.Count)
        {
            ScaleRest(values + i, Math.Min(TVector.Count, unaligned - i), factor, uniform);
        }

        int registers = (count - unaligned) / TVector.Count;
        ScaleRegisters(values + unaligned, registers, factor, uniform);
        int done = unaligned + (registers * TVector.Count);
        if (done < count)
        {
            ScaleRest(values + done, count - done, factor, uniform);
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

    /// <summary>How many logits stand before the first that starts a cache line.</summary>
    public static int CountToAlignment(TLogit* address)
        => (int)((-(nint)address / sizeof(TLogit)) & (LogitsPerLine - 1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Gradient(
        in SimdExponent<TVector, TLogit, TFormat, Off> math, TVector loaded, TVector factor, TVector minusUniform)
        => TVector.MultiplyAdd(Exp2<TVector>.Pow2(TVector.AtMost128(math.U(loaded))), factor, minusUniform);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TStreams>(TVector vector, TLogit* destination)
        where TStreams : struct, IFlag
    {
        if (typeof(TStreams) == typeof(On))
        {
            TFormat.StoreNonTemporal(vector, destination);
        }
        else
        {
            TFormat.Store(vector, destination);
        }
    }

    private static void ScaleRest(float* values, int count, float factor, float uniform)
    {
        TVector loaded = PartialVector<TVector, float, FloatFormat>.Load(values, count);
        TVector scaled = TVector.MultiplyAdd(loaded, TVector.Create(factor), TVector.Create(-uniform));
        PartialVector<TVector, float, FloatFormat>.Store(scaled, values, count);
    }

    private static void WriteRest(in ExponentialStream<TLogit> stream, int start, int count)
    {
        var math = new SimdExponent<TVector, TLogit, TFormat, Off>(in stream.Exponent);
        TVector factor = TVector.Create(stream.Factor), minusUniform = TVector.Create(-stream.Uniform);
        TVector loaded = PartialVector<TVector, TLogit, TFormat>.Load(stream.Source + start, count);
        PartialVector<TVector, TLogit, TFormat>.Store(Gradient(in math, loaded, factor, minusUniform), stream.Destination + start, count);
    }

    /// <summary>A gradient with options, of what was loaded of the logits and of the gradient before.</summary>
    private readonly struct GradientMath<TCaps, TAccumulates>
        where TCaps : struct, IFlag
        where TAccumulates : struct, IFlag
    {
        private readonly SimdExponent<TVector, TLogit, TFormat, TCaps> _exponent;
        private readonly TVector _factor;
        private readonly TVector _minusUniform;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public GradientMath(in ExponentialStream<TLogit> stream)
        {
            _exponent = new(in stream.Exponent);
            _factor = TVector.Create(stream.Factor);
            _minusUniform = TVector.Create(-stream.Uniform);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Of(TVector loaded, TVector before)
        {
            TVector t = _exponent.T(loaded, out TVector derivative);
            TVector gradient = TVector.MultiplyAdd(Exp2<TVector>.Pow2(TVector.AtMost128(t)), _factor, _minusUniform);
            if (typeof(TCaps) == typeof(On))
            {
                gradient *= derivative;
            }

            return typeof(TAccumulates) == typeof(On) ? TFormat.Value(before) + gradient : gradient;
        }
    }
}
