using System.Numerics;
using System.Runtime.CompilerServices;

namespace PtxLosses.Internals;

/// <summary>
/// One visit to every row of a batch, whatever the call: it reduces the row to its log-sum-exp (or takes the one it is given),
/// fills the outputs that are asked for, and turns the row into its gradient while it is still in cache. Its memory is
/// validated and pinned; a null pointer means "not asked for".
/// </summary>
/// <remarks>
/// A row is reduced in segments, whose sums are put together in order, and differentiated in segments. So a long row can be shared
/// among threads, and comes out the same if it is not.
/// </remarks>
internal unsafe struct RowPass<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Logits per segment.</summary>
    public const int SegmentLength = 32 * RowKernel<TLogit>.BlockLength;

    /// <summary>Beyond this, a row's references would take too much of a thread's stack, and the kernel does without.</summary>
    private const int MaxReferences = 1024;

    private readonly RowKernel<TLogit> _kernel;
    private readonly LogitRows<TLogit> _logits;
    private readonly TTarget* _targets;
    private readonly int? _ignoreIndex;

    /// <summary>The log-sum-exp of each row, where it is known already.</summary>
    public double* KnownLogSumExp;

    public double* Loss;
    public double* LogSumExp;
    public double* TargetLogit;
    public double* Entropy;
    public int* ArgMax;

    /// <summary>∂(what is differentiated) / ∂(the loss of a token): of each token, or the same for all.</summary>
    public double* TokenScale;
    public double Scale;

    private LogitRows<TLogit> _gradient;
    private bool _streams;

    public RowPass(RowKernel<TLogit> kernel, TLogit* logits, TTarget* targets, long tokens, int vocabularySize, int? ignoreIndex)
    {
        _kernel = kernel;
        _logits = new(logits, vocabularySize);
        _targets = targets;
        _ignoreIndex = ignoreIndex;
        Tokens = tokens;
    }

    public long Tokens { get; }

    public readonly int VocabularySize => _logits.VocabularySize;

    public bool WantsGradient { get; private set; }

    /// <summary>What is known of a row between its two looks.</summary>
    public struct Row
    {
        public bool IsIgnored;
        public int Target;
        public double TargetLogit;
        public double LogSumExp;
        public readonly double Loss => IsIgnored ? 0 : LogSumExp - TargetLogit;
    }

    public readonly int SegmentsPerRow => Segments.Count(VocabularySize, SegmentLength);

    /// <summary>The floats that <see cref="Reduce"/> and <see cref="Differentiate"/> share per row, or 0.</summary>
    public readonly int ReferencesPerRow
    {
        get
        {
            int blocks = Segments.Count(VocabularySize, RowKernel<TLogit>.BlockLength);
            return WantsGradient && VocabularySize > ShortRows.MaxLength && blocks <= MaxReferences ? blocks : 0;
        }
    }

    /// <summary>Asks for the gradient.</summary>
    public void WriteGradientTo(TLogit* gradient)
    {
        WantsGradient = true;
        _gradient = new(gradient, VocabularySize);
        _streams = _gradient.StreamsBeside(_logits, Tokens);
    }

    /// <summary>Visits the row of a token and returns its loss, 0 if it is ignored. Visits of different rows are independent.</summary>
    public readonly double Visit(long token)
    {
        int references = ReferencesPerRow;
        return references == 0 ? Visit(token, []) : VisitKeeping(token, references);
    }

    [SkipLocalsInit]
    private readonly double VisitKeeping(long token, int references) => Visit(token, stackalloc float[references]);

    private readonly double Visit(long token, Span<float> references)
    {
        Begin(token, out Row row);
        int segments = SegmentsPerRow;
        if (!row.IsIgnored && KnownLogSumExp == null)
        {
            Reduce(token, 0, references, out RowSums sums);
            for (int segment = 1; segment < segments; segment++)
            {
                Reduce(token, segment, references, out RowSums next);
                sums.Append(next, segment * SegmentLength);
            }

            End(token, ref row, in sums);
        }

        for (int segment = 0; WantsGradient && segment < segments; segment++)
        {
            Differentiate(token, segment, in row, references);
        }

        return row.Loss;
    }

    /// <summary>Looks the target up, before a gradient in place overwrites its logit.</summary>
    public readonly void Begin(long token, out Row row)
    {
        long target = long.CreateSaturating(_targets[token]);
        row.IsIgnored = target == _ignoreIndex;
        row.Target = row.IsIgnored ? -1 : (int)target;
        row.TargetLogit = row.IsIgnored ? 0 : Logit.ToDouble(_logits[token][(int)target]);
        row.LogSumExp = row.IsIgnored || KnownLogSumExp == null ? 0 : KnownLogSumExp[token];
        if (row.IsIgnored)
        {
            Record(token, in row, entropy: 0, argMax: -1);
        }
    }

    public readonly void Reduce(long token, int segment, Span<float> references, out RowSums sums)
    {
        Span<TLogit> logits = Segments.Slice(_logits[token], segment, SegmentLength);
        RowDetails details = (Entropy != null ? RowDetails.Entropy : RowDetails.None)
            | (ArgMax != null ? RowDetails.ArgMax : RowDetails.None);
        if (WantsGradient)
        {
            Span<TLogit> gradient = Segments.Slice(_gradient[token], segment, SegmentLength);
            _kernel.ReduceForGradient(logits, details, gradient, ReferencesOf(segment, references), _streams, out sums);
        }
        else
        {
            _kernel.Reduce(logits, details, out sums);
        }
    }

    public readonly void End(long token, ref Row row, in RowSums sums)
    {
        row.LogSumExp = sums.LogSumExp;
        Record(token, in row, Entropy != null ? sums.Entropy : 0, sums.ArgMax);
    }

    public readonly void Differentiate(long token, int segment, in Row row, Span<float> references)
    {
        Span<TLogit> gradient = Segments.Slice(_gradient[token], segment, SegmentLength);
        if (row.IsIgnored)
        {
            gradient.Clear();
            return;
        }

        Span<TLogit> logits = Segments.Slice(_logits[token], segment, SegmentLength);
        double scale = TokenScale != null ? TokenScale[token] : Scale;
        if (KnownLogSumExp != null)
        {
            _kernel.WriteSoftmax(logits, row.LogSumExp, scale, gradient, _streams);
        }
        else
        {
            _kernel.WriteGradient(logits, row.LogSumExp, scale, gradient, ReferencesOf(segment, references), _streams);
        }

        int target = row.Target - (segment * SegmentLength);
        if ((uint)target < (uint)gradient.Length)
        {
            // p − 1 in double and rounded once: a rounded p has lost what is left of it where the model is sure.
            gradient[target] = Logit.FromDouble<TLogit>(scale * (Math.Exp(-row.Loss) - 1));
        }
    }

    private static Span<float> ReferencesOf(int segment, Span<float> references)
        => references.IsEmpty ? default : Segments.Slice(references, segment, SegmentLength / RowKernel<TLogit>.BlockLength);

    private readonly void Record(long token, in Row row, double entropy, int argMax)
    {
        Set(Loss, row.Loss);
        Set(LogSumExp, row.LogSumExp);
        Set(TargetLogit, row.TargetLogit);
        Set(Entropy, entropy);
        if (ArgMax != null)
        {
            ArgMax[token] = argMax;
        }

        void Set(double* output, double value)
        {
            if (output != null)
            {
                output[token] = value;
            }
        }
    }
}
