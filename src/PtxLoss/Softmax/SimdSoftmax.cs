using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// Log-sum-exp and softmax of logits in hardware vectors of floats, of any width, at the rate of the memory. Logits of 16 bits
/// are widened in registers.
/// </summary>
/// <remarks>
/// <para><b>Sum.</b> S = Σ exp(z − m) is taken in one pass over the row. The reference m need not be the maximum, only near it:
/// it is the maximum of the first block, and where a logit exceeds it by more than 1, it becomes the maximum of the block that
/// starts there. So a row falls into a few runs, mostly one, each with its reference.</para>
/// <para><b>The fallback.</b> Where a row holds what arithmetic on floats cannot deal with, the rest of it is worked on in
/// double: infinities that must not be added up, NaN that a format hides, references near the end of the range of float. So are
/// short rows: exponentials in float leave a loss off by some 1e-8, which shows in the sixth digit of a short list, where nothing
/// averages it out, and double costs nothing worth saving there.</para>
/// <para><b>Gradient.</b> The exponentials of float logits are stored where the gradient goes, and scaled in a second pass while
/// they are in cache. Where the gradient is to be written past the caches, or something else than exponentials is needed, the
/// second pass takes them again from the logits, with the references of the runs and so to the same bits: storing them would
/// fetch the lines that non-temporal stores spare.</para>
/// </remarks>
internal sealed unsafe partial class SimdSoftmax<TVector, TLogit, TFormat> : SoftmaxKernel<TLogit>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, IElementFormat<TLogit>
{
    /// <summary>The longest row, or rest of one, that counts as short.</summary>
    public const int MaxShortLength = 256;

    /// <summary>Beyond this, a row's runs would take too much of a thread's stack, and the kernel does without.</summary>
    private const int MaxRuns = 1024;

    public override GradientPlan Plan(in GradientTraits traits)
    {
        int segments = Segments.Count(traits.RowLength, traits.SegmentLength);
        int runs = RunsOf(Math.Min(traits.SegmentLength, traits.RowLength));
        bool hasRuns = traits.IsReduced && traits.RowLength > MaxShortLength && segments * runs <= MaxRuns;
        GradientMethod method = typeof(TLogit) != typeof(float) || traits.Accumulates ? GradientMethod.Recompute
            : traits.ExceedsCaches ? GradientMethod.NonTemporal
            : hasRuns && !traits.NeedsLogits ? GradientMethod.ScaleStored
            : GradientMethod.Recompute;
        return new(method, hasRuns ? runs : 0);
    }

    /// <summary>Room for the runs of so many logits: a run per block, and two where the fallback begins.</summary>
    public static int RunsOf(int length) => Segments.Count(length, BlockLength) + 2;

    public override void Reduce(
        ReadOnlySpan<TLogit> row, ReduceOptions options, Span<Run> runs, Span<TLogit> exponentials, out LogSumExpState state)
    {
        fixed (TLogit* start = row, stored = exponentials)
        {
            var pass = new Reduction(options) { Row = start, Length = row.Length, Stored = (float*)stored, Runs = runs };
            if (row.Length <= MaxShortLength)
            {
                pass.ReduceInDouble(start: 0, run: 0, out state);
                return;
            }

            bool wantsEntropy = options.Wants(RowStatistics.Entropy), wantsMean = options.Wants(RowStatistics.Mean);
            switch (options.Transform.HasCap, wantsEntropy, wantsMean, stored != null)
            {
                case (true, true, _, _) or (true, _, true, _):
                    pass.Reduce<On, On, On, Off>(out state);
                    break;
                case (true, _, _, true):
                    pass.Reduce<On, Off, Off, On>(out state);
                    break;
                case (true, _, _, _):
                    pass.Reduce<On, Off, Off, Off>(out state);
                    break;
                case (_, true, true, _):
                    pass.Reduce<Off, On, On, Off>(out state);
                    break;
                case (_, true, _, _):
                    pass.Reduce<Off, On, Off, Off>(out state);
                    break;
                case (_, _, true, true):
                    pass.Reduce<Off, Off, On, On>(out state);
                    break;
                case (_, _, true, _):
                    pass.Reduce<Off, Off, On, Off>(out state);
                    break;
                case (_, _, _, true):
                    pass.Reduce<Off, Off, Off, On>(out state);
                    break;
                default:
                    pass.Reduce<Off, Off, Off, Off>(out state);
                    break;
            }
        }
    }

    public override void WriteGradient(in GradientRequest<TLogit> request)
    {
        if (request.Runs.IsEmpty)
        {
            WriteRun(in request, start: 0, new(request.Row.Length, ReferenceOf(in request)));
            return;
        }

        int start = 0;
        for (int run = 0; start < request.Row.Length; run++)
        {
            WriteRun(in request, start, request.Runs[run]);
            start = request.Runs[run].End;
        }
    }

    private static void WriteRun(in GradientRequest<TLogit> request, int start, Run run)
    {
        int count = run.End - start;
        if (run.IsInDouble)
        {
            DoubleSoftmax<TLogit>.Write(request.Slice(start, count));
            return;
        }

        // p·(A − B·(z − lse)) relative to m: exp(z − m)·(f − b·(z − m)); relative to the run's reference, and z − m' in powers of
        // 2.
        var exponent = new AffineExponent(run.Reference, request.Transform, TVector.Fuses);
        double shift = exponent.TransformedReference - request.Reference, power = Math.Exp(shift);
        double factor = power * request.Factor, entropyFactor = power * request.EntropyFactor;
        if (request.EntropyFactor != 0)
        {
            factor = power == 0 ? 0 : power * (request.Factor - (request.EntropyFactor * shift));
            entropyFactor /= AffineExponent.Log2E;
        }

        fixed (TLogit* row = request.Row, gradient = request.Gradient)
        {
            if (!IsTooLarge(factor) && !IsTooLarge(entropyFactor) && !IsTooLarge(request.Uniform))
            {
                Write(
                    in request,
                    row + start,
                    gradient + start,
                    count,
                    new(in exponent, (float)factor, (float)entropyFactor, (float)request.Uniform));
            }
            else if (request.Method == GradientMethod.ScaleStored)
            {
                ScaleInDouble(new Span<float>(gradient + start, count), factor, request.Uniform);
            }
            else
            {
                DoubleSoftmax<TLogit>.Write(request.Slice(start, count));
            }
        }

        // Infinity times the exponential of a masked logit, 0, would be NaN.
        static bool IsTooLarge(double value) => double.IsFinite(value) && !float.IsFinite((float)value);
    }

    private static void Write(in GradientRequest<TLogit> request, TLogit* row, TLogit* gradient, int count, in RunGradient run)
    {
        switch (request.Method, request.Transform.HasCap, request.EntropyFactor != 0)
        {
            case (GradientMethod.ScaleStored, _, _):
                GradientLoops<TVector, TLogit, TFormat>.Scale((float*)gradient, count, run.Factor, run.Uniform);
                break;
            case (_, true, true):
                Write<On, On>(in request, row, gradient, count, in run);
                break;
            case (_, true, _):
                Write<On, Off>(in request, row, gradient, count, in run);
                break;
            case (_, _, true):
                Write<Off, On>(in request, row, gradient, count, in run);
                break;
            default:
                Write<Off, Off>(in request, row, gradient, count, in run);
                break;
        }
    }

    private static void Write<TCaps, TEntropy>(
        in GradientRequest<TLogit> request, TLogit* row, TLogit* gradient, int count, in RunGradient run)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
    {
        if (request.Accumulates)
        {
            GradientLoops<TVector, TLogit, TFormat>.Write<TCaps, TEntropy, On, Off>(row, gradient, count, in run);
        }
        else if (request.Method == GradientMethod.NonTemporal)
        {
            GradientLoops<TVector, TLogit, TFormat>.Write<TCaps, TEntropy, Off, On>(row, gradient, count, in run);
        }
        else
        {
            GradientLoops<TVector, TLogit, TFormat>.Write<TCaps, TEntropy, Off, Off>(row, gradient, count, in run);
        }
    }

    private static void ScaleInDouble(Span<float> exponentials, double factor, double uniform)
    {
        foreach (ref float value in exponentials)
        {
            value = (float)((factor * value) - uniform);
        }
    }

    /// <summary>
    /// A reference near the largest logit, where there are no runs; NaN, for double, where there is none or the logits that have
    /// no gradient would have to be told apart.
    /// </summary>
    private static float ReferenceOf(in GradientRequest<TLogit> request)
    {
        const double steepest = 0.999; // of a cap: beyond, the inverse of the hyperbolic tangent grows without bound
        const double near = 40;
        LogitTransform transform = request.Transform;
        double reference = request.Reference / transform.Scale;
        bool isNear = true;
        if (transform.HasCap)
        {
            double tanh = Math.Clamp(reference / transform.SoftCap, -steepest, steepest);
            isNear = Math.Abs(reference - (transform.SoftCap * tanh)) * transform.Scale <= near;
            reference = transform.SoftCap * Math.Atanh(tanh);
        }

        bool isInFloat = request.Row.Length > MaxShortLength && isNear && request.Uniform == 0
            && ReferenceRange.For<TLogit, TFormat>(in transform).Holds(reference);
        return isInFloat ? (float)reference : float.NaN;
    }
}
