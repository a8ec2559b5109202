using System.Numerics;
using System.Runtime.CompilerServices;
using PtxLosses.Common;
using PtxLosses.Simd;
using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>
/// What is done with every row of a batch, whatever the call: it is reduced to its log-sum-exp (or its log-sum-exp is given), the
/// outputs that are asked for are filled, and the row becomes its gradient while it is still in cache.
/// </summary>
/// <remarks>
/// A row goes through <see cref="Begin"/>, <see cref="Reduce"/> for each of its segments, <see cref="End"/> with their states put
/// together in order, and <see cref="Differentiate"/> for each segment: by one thread in <c>Visit</c>, or shared among threads.
/// It comes out the same either way. Rows are counted as they lie in memory; each belongs to a token, perhaps of another number.
/// </remarks>
internal unsafe struct BatchPass<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Logits per segment.</summary>
    public const int SegmentLength = 32 * SoftmaxKernel<TLogit>.BlockLength;

    /// <summary>With more targets per row than this, room for them would take too much of a thread's stack.</summary>
    public const int MaxTargetsOnStack = 1024;

    private readonly SoftmaxKernel<TLogit> _kernel;
    private readonly BatchMemory<TLogit, TTarget> _memory;
    private readonly RowOptions _options;
    private readonly ReduceOptions _reduceOptions;
    private readonly GradientPlan _plan;
    private readonly double _scale;

    /// <param name="kernel">The arithmetic.</param>
    /// <param name="memory">What is read and written.</param>
    /// <param name="options">What is asked of each row.</param>
    /// <param name="scale">∂(what is differentiated) / ∂(the loss of a token that counts once).</param>
    public BatchPass(SoftmaxKernel<TLogit> kernel, in BatchMemory<TLogit, TTarget> memory, in RowOptions options, double scale)
    {
        _kernel = kernel;
        _memory = memory;
        _options = options;
        _scale = scale;
        bool wantsEntropy = memory.Tokens.Entropy != null || options.WantsEntropy;
        bool wantsArgMax = memory.Tokens.ArgMax != null || options.WantsAccuracy;
        _reduceOptions = new(
            (wantsEntropy ? RowStatistics.Entropy : RowStatistics.None)
                | (wantsArgMax ? RowStatistics.ArgMax : RowStatistics.None)
                | (options.LabelSmoothing != 0 ? RowStatistics.Mean : RowStatistics.None),
            options.Transform);
        if (memory.WantsGradient)
        {
            _plan = kernel.Plan(new(
                VocabularySize,
                SegmentLength,
                IsReduced: memory.Tokens.KnownLogSumExp == null,
                NeedsLogits: wantsEntropy || wantsArgMax || memory.Tokens.EntropyGradient != null
                    || (options.Transform.HasCap && options.LabelSmoothing != 0),
                options.Accumulates,
                ExceedsCaches: memory.Gradient.ExceedsCachesBeside(in memory.Logits)));
        }
    }

    /// <summary>How many rows there are.</summary>
    public readonly long Rows => _memory.Logits.Count;

    public readonly int VocabularySize => _memory.Logits.VocabularySize;

    public readonly bool WantsGradient => _memory.WantsGradient;

    public readonly int MaxDegreeOfParallelism => _options.MaxDegreeOfParallelism;

    public readonly int SegmentsPerRow => Segments.Count(VocabularySize, SegmentLength);

    /// <summary>The runs that the reduction of a row leaves to its gradient, or 0.</summary>
    public readonly int RunsPerRow => SegmentsPerRow * _plan.RunsPerSegment;

    /// <summary>The most targets that a row has.</summary>
    public readonly int TargetsPerRow => _memory.Tokens.Targets.IdsPerToken;

    /// <summary>The numbers that tell what a row adds to the loss.</summary>
    public readonly int NumbersPerRow
        => TokenLosses.Length(_options.Weighting != TokenWeighting.Uniform || _options.WantsAccuracy || _options.WantsEntropy);

    /// <summary>
    /// Whether rows must be read before they are differentiated: for their sums, or for how many logits are not −inf.
    /// </summary>
    public readonly bool NeedsReduction => _memory.Tokens.KnownLogSumExp == null || _options.LabelSmoothing != 0;

    /// <summary>
    /// What is known of a row between its reduction and its gradient, but for what <see cref="RowRoom"/> holds.
    /// </summary>
    public struct Row
    {
        public bool IsIgnored;

        /// <summary>How many targets it has; none if it is ignored, or if all are in other shards of the vocabulary.</summary>
        public int TargetCount;

        /// <summary>Q, what its targets' probabilities add up to, wherever they are.</summary>
        public double TargetSum;
        public double Weight;

        /// <summary>s, the weighting by the softmax of its target.</summary>
        public double Weighting;
        public double LogSumExp;

        /// <summary>
        /// softmax is exp(z − Reference) / Sum: of the log-sum-exp alone, little is left where the logits are huge.
        /// </summary>
        public double Reference;
        public double Sum;
        public double Loss;
        public double Entropy;
        public bool IsCorrect;

        /// <summary>ε/n, the part of the target distribution that each of n logits that are not −inf has.</summary>
        public double SmoothedPart;
    }

    /// <summary>Room for what there are several of in a row: its runs, and its targets.</summary>
    public readonly ref struct RowRoom(Span<Run> runs, Span<RowTarget> targets)
    {
        public Span<Run> Runs { get; } = runs;

        public Span<RowTarget> Targets { get; } = targets;
    }

    /// <summary>
    /// Visits so many rows from <paramref name="first"/> on. Visits of different rows are independent, and a row comes out the
    /// same whatever rows it is visited with.
    /// </summary>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many.</param>
    /// <param name="losses">Receives <see cref="NumbersPerRow"/> of each, 0 if it is ignored; or empty.</param>
    /// <param name="targets">Room for the targets of a row; empty if there are no more than the stack has room for.</param>
    /// <returns>Their sum.</returns>
    [SkipLocalsInit]
    public readonly TokenLosses Visit(long first, long count, Span<double> losses, Span<RowTarget> targets)
        => VisitRows(
            first,
            count,
            losses,
            new(stackalloc Run[RunsPerRow], targets.IsEmpty ? stackalloc RowTarget[TargetsPerRow] : targets));

    [MethodImpl(Jit.HotLoop)]
    private readonly TokenLosses VisitRows(long first, long count, Span<double> losses, RowRoom room)
    {
        TokenLosses sum = default;
        int segments = SegmentsPerRow;
        for (long i = 0; i < count; i++)
        {
            long index = first + i;
            Begin(index, room, out Row row);
            if (!row.IsIgnored && NeedsReduction)
            {
                Reduce(index, segment: 0, room, out LogSumExpState state);
                for (int segment = 1; segment < segments; segment++)
                {
                    Reduce(index, segment, room, out LogSumExpState next);
                    state.Append(next, segment * SegmentLength);
                }

                End(index, ref row, room, in state);
            }

            for (int segment = 0; WantsGradient && segment < segments; segment++)
            {
                Differentiate(index, segment, in row, room);
            }

            TokenLosses lossesOfToken = LossesOf(in row);
            sum += lossesOfToken;
            if (!losses.IsEmpty)
            {
                lossesOfToken.Store(losses.Slice((int)i * NumbersPerRow, NumbersPerRow));
            }
        }

        Fence();
        return sum;
    }

    /// <summary>Whoever is told that the gradient is there must find it there.</summary>
    public readonly void Fence()
    {
        if (_plan.Method == GradientMethod.NonTemporal)
        {
            Thread.MemoryBarrier();
        }
    }

    /// <summary>Looks the targets up, before a gradient in place overwrites their logits.</summary>
    public readonly void Begin(long index, RowRoom room, out Row row)
    {
        long token = _memory.TokenOf(index);
        row = default;
        row.Weight = _memory.Tokens.WeightOf(token);
        row.IsIgnored = row.Weight == 0;
        row.Weighting = 1;
        row.Sum = 1;
        if (row.IsIgnored)
        {
            _memory.Tokens.RecordIgnored(token);
            return;
        }

        if (_memory.Tokens.KnownLogSumExp != null)
        {
            row.LogSumExp = row.Reference = _memory.Tokens.KnownLogSumExp[token];
        }

        Span<TLogit> logits = _memory.Logits[index];
        ref readonly TargetRows<TTarget> targets = ref _memory.Tokens.Targets;
        for (int i = 0; i < targets.IdsPerToken; i++)
        {
            double probability = targets.Counts(token, i, out long id) ? targets.ProbabilityOf(token, i) : 0;
            row.TargetSum += probability;
            int place = probability == 0 ? -1 : _options.PlaceOf(id, VocabularySize);
            if (place >= 0)
            {
                room.Targets[row.TargetCount++] = new()
                {
                    Place = place,
                    Share = probability * (1 - _options.LabelSmoothing),
                    Logit = ElementConvert.ToDouble(logits[place]),
                };
            }
        }

        row.TargetCount = RowTarget.Unite(room.Targets[..row.TargetCount]);
    }

    public readonly void Reduce(long index, int segment, RowRoom room, out LogSumExpState state)
    {
        Span<TLogit> logits = Segments.Slice(_memory.Logits[index], segment, SegmentLength);
        if (_memory.Tokens.KnownLogSumExp != null)
        {
            LogSumExpState.Start(out state, reference: 0);
            state.Unmasked = logits.Length - ElementConvert.CountMasked<TLogit>(logits);
            return;
        }

        Span<TLogit> exponentials = _plan.Method == GradientMethod.ScaleStored
            ? Segments.Slice(_memory.Gradient[index], segment, SegmentLength)
            : default;
        _kernel.Reduce(logits, _reduceOptions, RunsOf(segment, room), exponentials, out state);
    }

    public readonly void End(long index, ref Row row, RowRoom room, in LogSumExpState state)
    {
        row.SmoothedPart = _options.LabelSmoothing == 0 ? 0 : _options.LabelSmoothing / state.Unmasked;
        if (_memory.Tokens.KnownLogSumExp != null)
        {
            return;
        }

        ReadOnlySpan<RowTarget> targets = room.Targets[..row.TargetCount];
        row.LogSumExp = state.LogSumExp;
        row.Reference = state.Reference;
        row.Sum = state.Sum;
        row.Loss = TokenLoss.Of(_options.LabelSmoothing, row.LogSumExp, targets, in state, _options.Transform);
        row.Entropy = _reduceOptions.Wants(RowStatistics.Entropy) ? Math.Min(state.Entropy, Math.Log(VocabularySize)) : 0;
        if (!targets.IsEmpty)
        {
            row.IsCorrect = _options.WantsAccuracy && state.ArgMax == targets[0].Place;
            row.Weighting = _options.Weighting == TokenWeighting.Uniform ? 1
                : TokenLoss.Weighting(_options.Weighting, SoftmaxOf(in targets[0], in row));
        }

        double targetLogit = targets.IsEmpty ? 0 : _options.Transform.Of(targets[0].Logit);
        _memory.Tokens.Record(
            _memory.TokenOf(index),
            row.Loss,
            row.LogSumExp,
            targetLogit,
            row.Entropy,
            (int)_options.VocabularyStart + state.ArgMax);
    }

    public readonly void Differentiate(long index, int segment, in Row row, RowRoom room)
    {
        Span<TLogit> whole = _memory.Gradient[index], gradient = Segments.Slice(whole, segment, SegmentLength);
        if (row.IsIgnored)
        {
            if (!_options.Accumulates)
            {
                gradient.Clear();
            }

            return;
        }

        long token = _memory.TokenOf(index);
        TokenGradients by = GradientsOf(token, in row);
        double entropy = by.Entropy == 0 ? 0 : _memory.Tokens.KnownEntropy[token], logitScale = _options.Transform.Scale;
        Span<RowTarget> targets = TargetsIn(segment, room.Targets[..row.TargetCount]);
        foreach (ref RowTarget target in targets)
        {
            target.Earlier = _options.Accumulates ? ElementConvert.ToDouble(whole[target.Place]) : 0;
        }

        // B goes with a log-sum-exp that is known: it is the reference then, and S is 1.
        _kernel.WriteGradient(new()
        {
            Row = Segments.Slice(_memory.Logits[index], segment, SegmentLength),
            Gradient = gradient,
            Reference = row.Reference,
            Factor = by.A(row.TargetSum, entropy) * logitScale / row.Sum,
            EntropyFactor = by.Entropy * logitScale,
            Uniform = by.U(row.SmoothedPart) * logitScale,
            Transform = _options.Transform,
            Accumulates = _options.Accumulates,
            Runs = RunsOf(segment, room),
            Method = _plan.Method,
        });
        foreach (ref readonly RowTarget target in targets)
        {
            double z = _options.Transform.Of(target.Logit), slope = _options.Transform.CapSlope(target.Logit) * logitScale;
            double smoothedPart = double.IsNegativeInfinity(z) ? 0 : row.SmoothedPart;
            double added = slope * by.OfTarget(
                SoftmaxOf(in target, in row), z - row.LogSumExp, entropy, row.TargetSum, target.Share, smoothedPart);
            whole[target.Place] = ElementConvert.FromDouble<TLogit>(target.Earlier + added);
        }
    }

    public readonly TokenLosses LossesOf(in Row row)
    {
        double weight = row.Weight * row.Weighting;
        return row.IsIgnored ? default : new(
            weight == 0 ? 0 : weight * row.Loss,
            weight == 0 || _options.ZLossCoefficient == 0 ? 0 : weight * row.LogSumExp * row.LogSumExp,
            row.Weight * row.Loss,
            row.IsCorrect ? row.Weight : 0,
            row.Weight * row.Entropy);
    }

    private readonly TokenGradients GradientsOf(long token, in Row row)
        => _memory.Tokens.KnownLogSumExp == null
            ? TokenGradients.OfLoss(_scale * row.Weight * row.Weighting, _options.ZLossCoefficient, row.LogSumExp)
            : _memory.Tokens.KnownGradients(token);

    private readonly double SoftmaxOf(in RowTarget target, in Row row)
        => Math.Exp(_options.Transform.Of(target.Logit) - row.Reference) / row.Sum;

    private readonly Span<Run> RunsOf(int segment, RowRoom room)
        => room.Runs.IsEmpty ? default : Segments.Slice(room.Runs, segment, _plan.RunsPerSegment);

    /// <summary>Those of a row's targets that stand in a segment.</summary>
    private static Span<RowTarget> TargetsIn(int segment, Span<RowTarget> targets)
    {
        int first = 0;
        while (first < targets.Length && targets[first].Place / SegmentLength < segment)
        {
            first++;
        }

        int end = first;
        while (end < targets.Length && targets[end].Place / SegmentLength == segment)
        {
            end++;
        }

        return targets[first..end];
    }
}
