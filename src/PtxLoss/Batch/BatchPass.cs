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
/// It comes out the same either way.
/// </remarks>
internal unsafe struct BatchPass<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Logits per segment.</summary>
    public const int SegmentLength = 32 * SoftmaxKernel<TLogit>.BlockLength;

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
        _reduceOptions = new(
            (memory.Entropy != null ? RowStatistics.Entropy : RowStatistics.None)
                | (memory.ArgMax != null ? RowStatistics.ArgMax : RowStatistics.None)
                | (options.LabelSmoothing != 0 ? RowStatistics.Mean : RowStatistics.None),
            options.Transform);
        if (memory.WantsGradient)
        {
            _plan = kernel.Plan(new(
                VocabularySize,
                SegmentLength,
                IsReduced: memory.KnownLogSumExp == null,
                NeedsLogits: options.Transform.HasCap || memory.EntropyGradient != null,
                options.Accumulates,
                ExceedsCaches: memory.Gradient.ExceedsCachesBeside(in memory.Logits)));
        }
    }

    public readonly long Tokens => _memory.Targets.Count;

    public readonly int VocabularySize => _memory.Logits.VocabularySize;

    public readonly bool WantsGradient => _memory.WantsGradient;

    public readonly int MaxDegreeOfParallelism => _options.MaxDegreeOfParallelism;

    public readonly int SegmentsPerRow => Segments.Count(VocabularySize, SegmentLength);

    /// <summary>The runs that the reduction of a row leaves to its gradient, or 0.</summary>
    public readonly int RunsPerRow => SegmentsPerRow * _plan.RunsPerSegment;

    /// <summary>
    /// Whether rows must be read before they are differentiated: for their sums, or for how many logits are not −inf.
    /// </summary>
    public readonly bool NeedsReduction => _memory.KnownLogSumExp == null || _options.LabelSmoothing != 0;

    /// <summary>What is known of a row between its reduction and its gradient.</summary>
    public struct Row
    {
        public bool IsIgnored;

        /// <summary>Where the target's logit is in the row; −1 if it is ignored, or in another shard of the vocabulary.</summary>
        public int Target;
        public double Weight;

        /// <summary>z_y, or 0 without one.</summary>
        public double TargetLogit;

        /// <summary>cap'(x_y).</summary>
        public double TargetSlope;
        public double LogSumExp;

        /// <summary>
        /// softmax is exp(z − Reference) / Sum: of the log-sum-exp alone, little is left where the logits are huge.
        /// </summary>
        public double Reference;
        public double Sum;
        public double Loss;

        /// <summary>ε/n, the part of the target distribution that each of n logits that are not −inf has.</summary>
        public double SmoothedPart;
    }

    /// <summary>
    /// Visits so many rows from <paramref name="first"/> on. Visits of different rows are independent, and a row comes out the
    /// same whatever rows it is visited with.
    /// </summary>
    /// <param name="first">The first token.</param>
    /// <param name="count">How many.</param>
    /// <param name="losses">Receives the losses of each, 0 if it is ignored; or empty.</param>
    /// <returns>Their sum.</returns>
    public readonly TokenLosses Visit(long first, long count, Span<TokenLosses> losses)
        => RunsPerRow == 0 ? Visit(first, count, losses, []) : VisitWithRuns(first, count, losses);

    [SkipLocalsInit]
    private readonly TokenLosses VisitWithRuns(long first, long count, Span<TokenLosses> losses)
        => Visit(first, count, losses, stackalloc Run[RunsPerRow]);

    [MethodImpl(Jit.HotLoop)]
    private readonly TokenLosses Visit(long first, long count, Span<TokenLosses> losses, Span<Run> runs)
    {
        TokenLosses sum = default;
        int segments = SegmentsPerRow;
        for (long i = 0; i < count; i++)
        {
            long token = first + i;
            Begin(token, out Row row);
            if (!row.IsIgnored && NeedsReduction)
            {
                Reduce(token, segment: 0, runs, out LogSumExpState state);
                for (int segment = 1; segment < segments; segment++)
                {
                    Reduce(token, segment, runs, out LogSumExpState next);
                    state.Append(next, segment * SegmentLength);
                }

                End(token, ref row, in state);
            }

            for (int segment = 0; WantsGradient && segment < segments; segment++)
            {
                Differentiate(token, segment, in row, runs);
            }

            TokenLosses lossesOfToken = LossesOf(in row);
            sum += lossesOfToken;
            if (!losses.IsEmpty)
            {
                losses[(int)i] = lossesOfToken;
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

    /// <summary>Looks the target up, before a gradient in place overwrites its logit.</summary>
    public readonly void Begin(long token, out Row row)
    {
        row.IsIgnored = !_memory.Targets.Counts(token, out long target);
        row.Weight = row.IsIgnored ? 0 : _memory.TokenWeights == null ? 1 : _memory.TokenWeights[_memory.Targets.PositionOf(token)];
        row.IsIgnored |= row.Weight == 0 || (_memory.KnownLogSumExp != null && KnownGradients(token).AreZero);
        row.Target = row.IsIgnored ? -1 : _options.PlaceOf(target, VocabularySize);
        double logit = row.Target < 0 ? 0 : ElementConvert.ToDouble(_memory.Logits[token][row.Target]);
        row.TargetLogit = _options.Transform.Of(logit);
        row.TargetSlope = _memory.WantsGradient ? _options.Transform.CapSlope(logit) : 1;
        row.LogSumExp = row.Reference = row.IsIgnored || _memory.KnownLogSumExp == null ? 0 : _memory.KnownLogSumExp[token];
        row.Sum = 1;
        row.Loss = 0;
        row.SmoothedPart = 0;
        if (row.IsIgnored)
        {
            Record(token, in row, entropy: 0, argMax: -1);
        }
    }

    public readonly void Reduce(long token, int segment, Span<Run> runs, out LogSumExpState state)
    {
        Span<TLogit> logits = Segments.Slice(_memory.Logits[token], segment, SegmentLength);
        if (_memory.KnownLogSumExp != null)
        {
            LogSumExpState.Start(out state, reference: 0);
            state.Unmasked = logits.Length - ElementConvert.CountMasked<TLogit>(logits);
            return;
        }

        Span<TLogit> exponentials = _plan.Method == GradientMethod.ScaleStored
            ? Segments.Slice(_memory.Gradient[token], segment, SegmentLength)
            : default;
        _kernel.Reduce(logits, _reduceOptions, RunsOf(segment, runs), exponentials, out state);
    }

    public readonly void End(long token, ref Row row, in LogSumExpState state)
    {
        row.SmoothedPart = _options.LabelSmoothing == 0 ? 0 : _options.LabelSmoothing / state.Unmasked;
        if (_memory.KnownLogSumExp != null)
        {
            return;
        }

        row.LogSumExp = state.LogSumExp;
        row.Reference = state.Reference;
        row.Sum = state.Sum;
        row.Loss = TokenLoss.Of(_options.LabelSmoothing, row.LogSumExp, row.TargetLogit, in state);
        double entropy = _memory.Entropy != null ? Math.Min(state.Entropy, Math.Log(VocabularySize)) : 0;
        Record(token, in row, entropy, (int)_options.VocabularyStart + state.ArgMax);
    }

    public readonly void Differentiate(long token, int segment, in Row row, Span<Run> runs)
    {
        Span<TLogit> gradient = Segments.Slice(_memory.Gradient[token], segment, SegmentLength);
        if (row.IsIgnored)
        {
            if (!_options.Accumulates)
            {
                gradient.Clear();
            }

            return;
        }

        TokenGradients by = GradientsOf(token, in row);
        double entropy = by.Entropy == 0 ? 0 : _memory.KnownEntropy[token], logitScale = _options.Transform.Scale;
        bool hasTarget = row.Target >= 0 && row.Target / SegmentLength == segment;
        double earlier = hasTarget && _options.Accumulates ? ElementConvert.ToDouble(_memory.Gradient[token][row.Target]) : 0;

        // B goes with a log-sum-exp that is known: it is the reference then, and S is 1.
        _kernel.WriteGradient(new()
        {
            Row = Segments.Slice(_memory.Logits[token], segment, SegmentLength),
            Gradient = gradient,
            Reference = row.Reference,
            Factor = by.A(entropy) * logitScale / row.Sum,
            EntropyFactor = by.Entropy * logitScale,
            Uniform = by.U(row.SmoothedPart) * logitScale,
            Transform = _options.Transform,
            Accumulates = _options.Accumulates,
            Runs = RunsOf(segment, runs),
            Method = _plan.Method,
        });
        if (hasTarget)
        {
            double softmax = Math.Exp(row.TargetLogit - row.Reference) / row.Sum;
            double smoothedPart = double.IsNegativeInfinity(row.TargetLogit) ? 0 : row.SmoothedPart;
            double added = by.OfTarget(softmax, row.TargetLogit - row.LogSumExp, entropy, _options.LabelSmoothing, smoothedPart)
                * row.TargetSlope * logitScale;
            _memory.Gradient[token][row.Target] = ElementConvert.FromDouble<TLogit>(_options.Accumulates ? earlier + added : added);
        }
    }

    public readonly TokenLosses LossesOf(in Row row)
        => row.IsIgnored
            ? default
            : new(row.Weight * row.Loss, _options.ZLossCoefficient == 0 ? 0 : row.Weight * row.LogSumExp * row.LogSumExp);

    private readonly TokenGradients GradientsOf(long token, in Row row)
        => _memory.KnownLogSumExp == null
            ? TokenGradients.OfLoss(_scale * row.Weight, _options.ZLossCoefficient, row.LogSumExp)
            : KnownGradients(token);

    private readonly TokenGradients KnownGradients(long token)
    {
        return new(Of(_memory.LossGradient), Of(_memory.LogSumExpGradient), Of(_memory.EntropyGradient));

        double Of(double* gradients) => gradients == null ? 0 : gradients[token];
    }

    private readonly Span<Run> RunsOf(int segment, Span<Run> runs)
        => runs.IsEmpty ? default : Segments.Slice(runs, segment, _plan.RunsPerSegment);

    private readonly void Record(long token, in Row row, double entropy, int argMax)
    {
        Set(_memory.Loss, row.Loss);
        Set(_memory.LogSumExp, row.LogSumExp);
        Set(_memory.TargetLogit, row.TargetLogit);
        Set(_memory.Entropy, entropy);
        if (_memory.ArgMax != null)
        {
            _memory.ArgMax[token] = argMax;
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
