using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>Gradients on their way out of logits x: (Factor · exp(x' − m') − Uniform) · dx'/dx.</summary>
internal unsafe struct ExponentialStream<TLogit>
    where TLogit : unmanaged
{
    public TLogit* Source;
    public TLogit* Destination;
    public AffineExponent Exponent;
    public float Factor;
    public float Uniform;
}

/// <summary>Writes a gradient run by run: all at once, or as much at a time as another row is read.</summary>
internal unsafe ref struct GradientStream<TVector, TLogit, TFormat>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, ILogitFormat<TLogit>
{
    /// <summary>Where the writing has got to, in the current run.</summary>
    public ExponentialStream<TLogit> Next;

    private readonly GradientRequest<TLogit> _write;
    private readonly TLogit* _start;
    private int _run;
    private double _factor;

    /// <summary>Whether the run is beyond what floats can do: its logits are, or what they are multiplied with.</summary>
    private bool _isInDouble;

    /// <summary>The memory of <paramref name="write"/> is pinned at these addresses.</summary>
    public GradientStream(in GradientRequest<TLogit> write, TLogit* row, TLogit* gradient)
    {
        _write = write;
        _start = row;
        Next.Source = row;
        Next.Destination = gradient;
        Next.Uniform = (float)write.Uniform;
        BeginRun();
    }

    private readonly Run Run => _write.Runs.IsEmpty ? new(_write.Row.Length, ReferenceOfRow()) : _write.Runs[_run];

    private readonly bool IsLastRun => Run.End == _write.Row.Length;

    private readonly int LeftInRun => Run.End - (int)(Next.Source - _start);

    /// <summary>
    /// Whether <see cref="Next"/> can go on for so many logits, at aligned addresses. Only what streams is worth writing beside a
    /// read: it uses the half of the memory's way that a read leaves idle.
    /// </summary>
    public bool CanStream(int count)
    {
        if (Next.Source == null || _write.Look != GradientPlan.Streams)
        {
            return false;
        }

        while (LeftInRun < count && !IsLastRun)
        {
            FinishRun();
        }

        int unaligned = GradientLoops<TVector, TLogit, TFormat>.CountToAlignment(Next.Destination);
        if (_isInDouble || LeftInRun < count + unaligned)
        {
            return false;
        }

        Write(unaligned);
        return true;
    }

    /// <summary>Writes what is left.</summary>
    public void Finish()
    {
        while (!IsLastRun)
        {
            FinishRun();
        }

        Write(LeftInRun);
    }

    private void FinishRun()
    {
        Write(LeftInRun);
        _run++;
        BeginRun();
    }

    private void BeginRun()
    {
        _isInDouble = Run.IsInDouble;
        if (!_isInDouble)
        {
            Next.Exponent = new(Run.Reference, _write.SoftCap, TVector.Fuses);
            _factor = _write.SoftmaxScale * Math.Exp(Next.Exponent.CappedReference - _write.Reference);
            Next.Factor = (float)_factor;

            // Infinity times the exponential of a masked logit, 0, would be NaN.
            _isInDouble = IsTooLarge(_factor) || IsTooLarge(_write.Uniform);
        }

        static bool IsTooLarge(double value) => double.IsFinite(value) && !float.IsFinite((float)value);
    }

    /// <summary>
    /// A reference near the largest logit, where there are no runs; NaN, for double, where there is none or the logits that have no
    /// gradient would have to be told apart.
    /// </summary>
    private readonly float ReferenceOfRow()
    {
        const double steepest = 0.999; // of a cap: beyond, the inverse of the hyperbolic tangent grows without bound
        const double near = 40;
        double reference = _write.Reference, cap = _write.SoftCap;
        bool isNear = true;
        if (cap != 0)
        {
            double tanh = Math.Clamp(reference / cap, -steepest, steepest);
            isNear = Math.Abs(reference - (cap * tanh)) <= near;
            reference = cap * Math.Atanh(tanh);
        }

        return isNear && _write.Uniform == 0 && SimdExponent<TVector, TLogit, TFormat, Off>.Holds(reference, cap) ? (float)reference : float.NaN;
    }

    private void Write(int count)
    {
        if (_isInDouble && _write.Look == GradientPlan.Scales && !Run.IsInDouble)
        {
            ScaleInDouble(new Span<float>(Next.Destination, count));
        }
        else if (_isInDouble)
        {
            int start = (int)(Next.Source - _start);
            DoubleRows.Write(_write.Slice(start, count));
        }
        else if (_write.SoftCap != 0 || _write.Accumulates)
        {
            WriteGradients(count);
        }
        else if (_write.Look == GradientPlan.Scales)
        {
            GradientLoops<TVector, TLogit, TFormat>.Scale((float*)Next.Destination, count, Next.Factor, Next.Uniform);
        }
        else if (_write.Look == GradientPlan.Streams)
        {
            GradientLoops<TVector, TLogit, TFormat>.WriteExponentials<On>(in Next, count);
        }
        else
        {
            GradientLoops<TVector, TLogit, TFormat>.WriteExponentials<Off>(in Next, count);
        }

        Next.Source += count;
        Next.Destination += count;
    }

    private readonly void ScaleInDouble(Span<float> exponentials)
    {
        foreach (ref float value in exponentials)
        {
            value = (float)((_factor * value) - _write.Uniform);
        }
    }

    private readonly void WriteGradients(int count)
    {
        switch (_write.SoftCap != 0, _write.Accumulates)
        {
            case (true, true):
                GradientLoops<TVector, TLogit, TFormat>.WriteGradients<On, On>(in Next, count);
                break;
            case (true, false):
                GradientLoops<TVector, TLogit, TFormat>.WriteGradients<On, Off>(in Next, count);
                break;
            default:
                GradientLoops<TVector, TLogit, TFormat>.WriteGradients<Off, On>(in Next, count);
                break;
        }
    }
}
