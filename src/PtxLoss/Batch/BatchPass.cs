using System.Numerics;
using System.Runtime.CompilerServices;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>
/// One visit to every row of a batch, whatever the call: it reduces the row to its log-sum-exp (or takes the one it is given),
/// fills the outputs that are asked for, and turns the row into its gradient while it is still in cache. Its memory is
/// validated and pinned; a null pointer means "not asked for".
/// </summary>
/// <remarks>
/// A row is reduced in segments, whose sums are put together in order, and differentiated in segments. So a long row can be shared
/// among threads, and comes out the same if it is not.
/// </remarks>
internal unsafe struct BatchPass<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Logits per segment.</summary>
    public const int SegmentLength = 32 * SoftmaxKernel<TLogit>.BlockLength;

    /// <summary>Beyond this, a row's runs would take too much of a thread's stack, and the kernel does without.</summary>
    private const int MaxRuns = 1024;

    private readonly SoftmaxKernel<TLogit> _kernel;
    private readonly LogitRows<TLogit> _logits;
    private readonly TargetRows<TTarget> _targets;
    private readonly RowOptions _options;

    /// <summary>The log-sum-exp of each row, where it is known already.</summary>
    public double* KnownLogSumExp;

    public double* Loss;
    public double* LogSumExp;
    public double* TargetLogit;
    public double* Entropy;
    public int* ArgMax;

    /// <summary>How often each token counts, one of both or neither. Those that count 0 times are treated as ignored.</summary>
    public float* TokenWeights;
    public double* TokenScale;

    /// <summary>∂(what is differentiated) / ∂(the loss of a token that counts once).</summary>
    public double Scale;

    private LogitRows<TLogit> _gradient;
    private bool _streams;

    public BatchPass(SoftmaxKernel<TLogit> kernel, in LogitRows<TLogit> logits, in TargetRows<TTarget> targets, RowOptions options)
    {
        _kernel = kernel;
        _logits = logits;
        _targets = targets;
        _options = options;
        Scale = 1;
    }

    public readonly long Tokens => _targets.Count;

    public readonly int VocabularySize => _logits.VocabularySize;

    public bool WantsGradient { get; private set; }

    /// <summary>What is known of a row between its two looks.</summary>
    public struct Row
    {
        public bool IsIgnored;

        /// <summary>Where the target's logit is in the row; −1 if it is ignored, or in another shard of the vocabulary.</summary>
        public int Target;
        public double Weight;

        /// <summary>x'_y, or 0 without one.</summary>
        public double TargetLogit;
        public double LogSumExp;

        /// <summary>softmax is exp(x' − Reference) / Sum: of the log-sum-exp alone, little is left where the logits are huge.</summary>
        public double Reference;
        public double Sum;
        public double Loss;

        /// <summary>ε/n, the part of the target distribution that each of n logits that are not −inf has.</summary>
        public double SmoothedPart;
    }

    /// <summary>Whether rows must be read before they are differentiated: for their sums, or for how many logits are not −inf.</summary>
    public readonly bool NeedsReduction => KnownLogSumExp == null || _options.LabelSmoothing != 0;

    public readonly int SegmentsPerRow => Segments.Count(VocabularySize, SegmentLength);

    /// <summary>The runs that <see cref="Reduce"/> leaves to <see cref="Differentiate"/> per row, or 0.</summary>
    public readonly int RunsPerRow
    {
        get
        {
            int runs = SegmentsPerRow * RunsPerSegment;
            bool leavesRuns = WantsGradient && KnownLogSumExp == null && _kernel.LeavesRuns;
            return leavesRuns && VocabularySize > DoubleRows.MaxShortLength && runs <= MaxRuns ? runs : 0;
        }
    }

    private readonly int RunsPerSegment => SoftmaxKernel<TLogit>.MaxRuns(Math.Min(SegmentLength, VocabularySize));

    /// <summary>Whether exponentials may wait where the gradient goes: no earlier gradient is there, and no slope needs the logits.</summary>
    private readonly bool CanScale => !_options.Accumulates && _options.SoftCap == 0;

    private readonly GradientPlan Look
        => _streams ? GradientPlan.Streams
            : CanScale && RunsPerRow > 0 && _kernel.LeavesExponentials ? GradientPlan.Scales
            : GradientPlan.Recomputes;

    /// <summary>Asks for the gradient.</summary>
    public void WriteGradientTo(in LogitRows<TLogit> gradient)
    {
        WantsGradient = true;
        _gradient = gradient;
        _streams = CanScale && gradient.StreamsBeside(in _logits);
    }

    /// <summary>
    /// Visits so many rows from <paramref name="first"/> on. Visits of different rows are independent, and a row comes out the same
    /// whatever rows it is visited with.
    /// </summary>
    /// <param name="first">The first token.</param>
    /// <param name="count">How many.</param>
    /// <param name="losses">Receives the losses of each, 0 if it is ignored; or empty.</param>
    /// <param name="sharesMemory">
    /// Whether other threads visit rows meanwhile, so that the memory is what all wait for. Then a gradient that is written past
    /// the caches is written beside the first look at the next row; one thread alone is faster with one thing at a time.
    /// </param>
    /// <returns>Their sum.</returns>
    public readonly TokenLosses Visit(long first, long count, Span<TokenLosses> losses, bool sharesMemory)
    {
        int runs = RunsPerRow;
        return runs == 0
            ? Visit(first, count, losses, [], [])
            : VisitLeavingRuns(first, count, losses, runs, sharesMemory && _streams && _kernel.StreamsBeside ? runs : 0);
    }

    [SkipLocalsInit]
    private readonly TokenLosses VisitLeavingRuns(long first, long count, Span<TokenLosses> losses, int runs, int runsOfPrevious)
        => Visit(first, count, losses, stackalloc Run[runs], stackalloc Run[runsOfPrevious]);

    [MethodImpl(Jit.HotLoop)]
    private readonly TokenLosses Visit(long first, long count, Span<TokenLosses> losses, Span<Run> runs, Span<Run> runsOfPrevious)
    {
        TokenLosses sum = default;
        Row previous = default;
        long previousToken = -1;
        for (long i = 0; i < count; i++)
        {
            long token = first + i;
            Begin(token, out Row row);
            if (!row.IsIgnored && NeedsReduction)
            {
                if (previousToken < 0)
                {
                    ReduceRow(token, runs, out LogSumExpState sums);
                    End(token, ref row, in sums);
                }
                else
                {
                    ReduceRowBeside(token, runs, previousToken, in previous, runsOfPrevious, out LogSumExpState sums);
                    End(token, ref row, in sums);
                }
            }

            if (!runsOfPrevious.IsEmpty && !row.IsIgnored)
            {
                previous = row;
                previousToken = token;
                Span<Run> swap = runs;
                runs = runsOfPrevious;
                runsOfPrevious = swap;
            }
            else if (WantsGradient)
            {
                DifferentiateRow(token, in row, runs);
            }

            TokenLosses lossesOfToken = LossesOf(in row);
            sum += lossesOfToken;
            if (!losses.IsEmpty)
            {
                losses[(int)i] = lossesOfToken;
            }
        }

        if (previousToken >= 0)
        {
            DifferentiateRow(previousToken, in previous, runsOfPrevious);
        }

        Fence();
        return sum;
    }

    /// <summary>Whoever is told that the gradient is there must find it there.</summary>
    public readonly void Fence()
    {
        if (_streams)
        {
            Thread.MemoryBarrier();
        }
    }

    private readonly void ReduceRow(long token, Span<Run> runs, out LogSumExpState sums)
    {
        int segments = SegmentsPerRow;
        Reduce(token, segment: 0, runs, beside: default, out sums);
        for (int segment = 1; segment < segments; segment++)
        {
            Reduce(token, segment, runs, beside: default, out LogSumExpState next);
            sums.Append(next, segment * SegmentLength);
        }
    }

    /// <summary>As <see cref="ReduceRow"/>, writing the gradient of another row meanwhile.</summary>
    private readonly void ReduceRowBeside(
        long token, Span<Run> runs, long otherToken, in Row other, Span<Run> runsOfOther, out LogSumExpState sums)
    {
        int segments = SegmentsPerRow;
        Reduce(token, segment: 0, runs, WriteOf(otherToken, 0, in other, runsOfOther), out sums);
        for (int segment = 1; segment < segments; segment++)
        {
            Reduce(token, segment, runs, WriteOf(otherToken, segment, in other, runsOfOther), out LogSumExpState next);
            sums.Append(next, segment * SegmentLength);
        }

        WriteTarget(otherToken, in other, earlier: 0);
    }

    /// <summary>Looks the target up, before a gradient in place overwrites its logit.</summary>
    public readonly void Begin(long token, out Row row)
    {
        row.IsIgnored = !_targets.Counts(token, out long target);
        row.Weight = row.IsIgnored ? 0 : WeightOf(token);
        row.IsIgnored |= row.Weight == 0;
        row.Target = row.IsIgnored ? -1 : _options.PlaceOf(target, VocabularySize);
        row.TargetLogit = row.Target < 0 ? 0 : _options.Capped(LogitConvert.ToDouble(_logits[token][row.Target]));
        row.LogSumExp = row.Reference = row.IsIgnored || KnownLogSumExp == null ? 0 : KnownLogSumExp[token];
        row.Sum = 1;
        row.Loss = 0;
        row.SmoothedPart = 0;
        if (row.IsIgnored)
        {
            Record(token, in row, entropy: 0, argMax: -1);
        }
    }

    public readonly void Reduce(
        long token, int segment, Span<Run> runs, in GradientRequest<TLogit> beside, out LogSumExpState sums)
    {
        Span<TLogit> logits = Segments.Slice(_logits[token], segment, SegmentLength);
        if (KnownLogSumExp != null)
        {
            LogSumExpState.Start(out sums, reference: 0);
            sums.Unmasked = logits.Length - LogitConvert.CountMasked<TLogit>(logits);
            return;
        }

        RowStatistics details = (Entropy != null ? RowStatistics.Entropy : RowStatistics.None)
            | (ArgMax != null ? RowStatistics.ArgMax : RowStatistics.None)
            | (_options.LabelSmoothing != 0 ? RowStatistics.Total : RowStatistics.None);
        var question = new ReduceOptions(details, _options.SoftCap);
        Span<TLogit> kept = Look == GradientPlan.Scales ? Segments.Slice(_gradient[token], segment, SegmentLength) : default;
        _kernel.Reduce(logits, question, kept, RunsOf(segment, runs), in beside, out sums);
    }

    public readonly void End(long token, ref Row row, in LogSumExpState sums)
    {
        row.SmoothedPart = _options.LabelSmoothing == 0 ? 0 : _options.LabelSmoothing / sums.Unmasked;
        if (KnownLogSumExp != null)
        {
            return;
        }

        row.LogSumExp = sums.LogSumExp;
        row.Reference = sums.Reference;
        row.Sum = sums.Sum;
        row.Loss = _options.Loss(row.LogSumExp, row.TargetLogit, in sums);
        Record(token, in row, Entropy != null ? Math.Min(sums.Entropy, Math.Log(VocabularySize)) : 0, (int)_options.VocabularyStart + sums.ArgMax);
    }

    public readonly void Differentiate(long token, int segment, in Row row, Span<Run> runs)
    {
        if (row.IsIgnored)
        {
            if (!_options.Accumulates)
            {
                Segments.Slice(_gradient[token], segment, SegmentLength).Clear();
            }

            return;
        }

        bool hasTarget = row.Target >= 0 && row.Target / SegmentLength == segment;
        double earlier = hasTarget && _options.Accumulates ? LogitConvert.ToDouble(_gradient[token][row.Target]) : 0;
        _kernel.Write(WriteOf(token, segment, in row, runs));
        if (hasTarget)
        {
            WriteTarget(token, in row, earlier);
        }
    }

    private readonly void DifferentiateRow(long token, in Row row, Span<Run> runs)
    {
        int segments = SegmentsPerRow;
        for (int segment = 0; segment < segments; segment++)
        {
            Differentiate(token, segment, in row, runs);
        }
    }

    private readonly GradientRequest<TLogit> WriteOf(long token, int segment, in Row row, Span<Run> runs)
        => new()
        {
            Row = Segments.Slice(_logits[token], segment, SegmentLength),
            Gradient = Segments.Slice(_gradient[token], segment, SegmentLength),
            Reference = row.Reference,
            SoftmaxScale = Scale * row.Weight * _options.LogSumExpSlope(row.LogSumExp) / row.Sum,
            Uniform = Scale * row.Weight * row.SmoothedPart,
            SoftCap = _options.SoftCap,
            Accumulates = _options.Accumulates,
            Runs = RunsOf(segment, runs),
            Look = Look,
        };

    /// <summary>p − 1 in double and rounded once: a rounded p has lost what is left of it where the model is sure.</summary>
    private readonly void WriteTarget(long token, in Row row, double earlier)
    {
        double softmax = _options.LogSumExpSlope(row.LogSumExp) * Math.Exp(row.TargetLogit - row.Reference) / row.Sum;
        double wanted = 1 - _options.LabelSmoothing + (double.IsNegativeInfinity(row.TargetLogit) ? 0 : row.SmoothedPart);
        double added = Scale * row.Weight * (softmax - wanted) * _options.Slope(row.TargetLogit);
        _gradient[token][row.Target] = LogitConvert.FromDouble<TLogit>(_options.Accumulates ? earlier + added : added);
    }

    /// <summary>How often a token counts that is not ignored.</summary>
    private readonly double WeightOf(long token)
        => TokenWeights != null ? TokenWeights[_targets.PositionOf(token)] : TokenScale != null ? TokenScale[token] : 1;

    public readonly TokenLosses LossesOf(in Row row)
        => row.IsIgnored ? default : _options.Weighted(row.Weight, row.Loss, row.LogSumExp);

    private readonly Span<Run> RunsOf(int segment, Span<Run> runs)
        => runs.IsEmpty ? default : Segments.Slice(runs, segment, RunsPerSegment);

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
