using System.Numerics;

namespace PtxLosses.Tests;

/// <summary>A drawn call, with all that it reads and writes in memory of the test's choice.</summary>
internal abstract class LogitCall
{
    /// <param name="drawn">What was drawn.</param>
    /// <param name="memories">Where its memory lies.</param>
    /// <param name="referee">Who says what it must answer, if it is not the scalar reference.</param>
    public static LogitCall Of(CallDraw drawn, Memories memories, Referee? referee = null)
    {
        return drawn.Element switch
        {
            "float" => Of<float>(),
            "double" => Of<double>(),
            "half" => Of<Half>(),
            _ => Of<BFloat16>(),
        };

        LogitCall Of<TLogit>()
            where TLogit : unmanaged
            => drawn.Target switch
            {
                "int" => new LogitCall<TLogit, int>(drawn, memories, referee ?? Referee.Scalar),
                "long" => new LogitCall<TLogit, long>(drawn, memories, referee ?? Referee.Scalar),
                "ushort" => new LogitCall<TLogit, ushort>(drawn, memories, referee ?? Referee.Scalar),
                _ => new LogitCall<TLogit, sbyte>(drawn, memories, referee ?? Referee.Scalar),
            };
    }

    public abstract void Run();

    /// <summary>Compares with the reference what a run has left behind.</summary>
    public abstract void Judge();

    /// <summary>Makes the call a bad one: returns the parameter that it must name, or null if the call cannot have this fault.</summary>
    public abstract string? Spoil(Fault fault);
}

internal sealed partial class LogitCall<TLogit, TTarget> : LogitCall
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private const double RlLoss = 0.75;
    private const long Ignored = -100;
    private readonly CallDraw _drawn;
    private readonly Memories _memories;
    private readonly Referee _referee;
    private readonly double[] _exact;
    private readonly long[] _ids;
    private readonly float[] _weightOf, _probabilityOf;
    private readonly TLogit[] _initial;
    private readonly TLogit _filler = ElementConvert.FromDouble<TLogit>(42);

    // The arguments.
    private Memory<TLogit> _logits, _gradient;
    private Layout _logitsLayout, _targetsLayout, _gradientLayout;
    private Memory<TTarget> _targets;
    private Memory<double> _knownLogSumExp, _knownEntropy, _ofLoss, _ofLogSumExp, _ofEntropy;
    private Memory<float> _weights, _probabilities;
    private Memory<double> _loss, _logSumExp, _targetLogit, _entropy;
    private Memory<int> _argMax;
    private int _vocabularySize;
    private double _coefficient;
    private PtxLossOptions _options;

    // What comes back.
    private PtxLossResult _result;
    private double _sum;

    public LogitCall(CallDraw drawn, Memories memories, Referee referee)
    {
        (_drawn, _memories, _referee) = (drawn, memories, referee);
        (_vocabularySize, _coefficient) = (drawn.VocabularySize, drawn.Coefficient);
        var random = new Random(drawn.Seed);
        _ids = DrawIds(random);
        _weightOf = [.. Enumerable.Range(0, drawn.Tokens).Select(_ => random.Next(4) == 0 ? 0 : 3 * random.NextSingle())];
        bool isStrided = drawn.IsOverTensors && drawn.Tokens > 0;
        Layout dense = Layout.Dense([.. drawn.IsOverTensors ? drawn.Shape : [drawn.Tokens], drawn.VocabularySize]);
        _logitsLayout = isStrided ? Layout.Draw(random, drawn.Shape, drawn.VocabularySize, drawn.Repeats) : dense;
        _targetsLayout = isStrided ? Layout.Draw(random, drawn.Shape, 0, repeats: false) : Layout.Dense([.. drawn.Shape, .. drawn.IsSoft ? [drawn.IdsPerToken] : Array.Empty<int>()]);
        _gradientLayout = drawn.IsInPlace ? _logitsLayout : isStrided ? Layout.Draw(random, drawn.Shape, drawn.VocabularySize, repeats: false) : dense;

        TLogit[] logits = _logitsLayout.Scatter(DrawLogits(random), ElementConvert.FromDouble<TLogit>(double.NaN));
        _exact = [.. _logitsLayout.Gather<TLogit>(logits).Select(ElementConvert.ToDouble)];
        _probabilityOf = drawn.IsSoft ? SoftDraw.Probabilities(random, _ids, drawn.IdsPerToken, Ignored, IsMasked) : [];
        _initial = TestData.EarlierGradient<TLogit>(_exact.Length, drawn.Seed + 4);
        _logits = drawn.IsInPlace ? memories.ToWrite(logits) : memories.ToRead(logits);
        _gradient = drawn.IsInPlace ? _logits : drawn.WantsGradient ? memories.ToWrite(_gradientLayout.Scatter(_initial, _filler)) : default;
        _targets = memories.ToRead(_targetsLayout.Scatter([.. _ids.Select(ToTarget)], TTarget.CreateSaturating(long.MaxValue)));
        _weights = drawn.HasWeights ? memories.ToRead(_weightOf) : default;
        _probabilities = memories.ToRead(_probabilityOf);
        _options = Options();
        if (drawn.IsForward)
        {
            _loss = drawn.VocabularyStart is null ? Output(1, -7.0) : default;
            _logSumExp = Output(2, -7.0);
            _targetLogit = Output(4, -7.0);
            _entropy = Output(8, -7.0);
            _argMax = Output(16, -7);
        }

        if (drawn.IsBackward)
        {
            IReference known = Expected();
            _knownLogSumExp = memories.ToRead(OfTokensThatAreRead(known.LogSumExp));
            _knownEntropy = (drawn.Outputs & 4) != 0 ? memories.ToRead(OfTokensThatAreRead(known.Entropy)) : default;
            _ofLoss = GradientsOf(bit: 1);
            _ofLogSumExp = GradientsOf(bit: 2);
            _ofEntropy = GradientsOf(bit: 4);
        }

        HideWhatIsNotRead();

        Memory<double> GradientsOf(int bit)
            => (drawn.Outputs & bit) == 0
                ? default
                : memories.ToRead(OfTokensThatAreRead([.. Enumerable.Range(0, drawn.Tokens).Select(_ => random.Next(6) == 0 ? 0 : (2 * random.NextDouble()) - 0.5)]));

        double[] OfTokensThatAreRead(double[] values) => [.. values.Select((x, token) => IsRead(token) ? x : double.NaN)];
    }

    public override void Run()
    {
        ReadOnlySpan<TLogit> logits = _logits.Span;
        ReadOnlySpan<TTarget> targets = _targets.Span;
        ReadOnlySpan<float> weights = _weights.Span;
        if (_drawn.IsSoft)
        {
            RunSoft(new(targets, _probabilities.Span, _drawn.IdsPerToken));
            return;
        }

        switch (_drawn.Entry)
        {
            case Entry.Compute:
                _result = PtxLoss.Compute(RlLoss, logits, targets, _vocabularySize, _coefficient, _options, weights);
                break;
            case Entry.ComputeWithGradient:
                _result = PtxLoss.ComputeWithGradient(
                    RlLoss, logits, targets, _vocabularySize, _coefficient, _gradient.Span, _options, weights);
                break;
            case Entry.ComputeOverTensors:
                _result = PtxLoss.Compute<TLogit, TTarget>(
                    RlLoss, _logitsLayout.Over(_logits), _targetsLayout.Over(_targets), _coefficient, _options, weights);
                break;
            case Entry.ComputeOverTensorsWithGradient:
                _result = PtxLoss.ComputeWithGradient<TLogit, TTarget>(
                    RlLoss,
                    _logitsLayout.Over(_logits),
                    _targetsLayout.Over(_targets),
                    _coefficient,
                    _gradientLayout.Over(_gradient),
                    _options,
                    weights);
                break;
            case Entry.Denominator:
                _sum = PtxLoss.Denominator(targets, _options, weights);
                break;
            case Entry.DenominatorOfTensor:
                _sum = PtxLoss.Denominator<TTarget>(_targetsLayout.Over(_targets), _options, weights);
                break;
            case Entry.Forward:
                CrossEntropy.Forward(logits, targets, _vocabularySize, Outputs(), _options);
                break;
            case Entry.ForwardOverTensors:
                CrossEntropy.Forward<TLogit, TTarget>(_logitsLayout.Over(_logits), _targetsLayout.Over(_targets), Outputs(), _options);
                break;
            case Entry.Backward:
                CrossEntropy.Backward(logits, targets, _vocabularySize, Known(), OutputGradients(), _gradient.Span, _options);
                break;
            default:
                CrossEntropy.Backward<TLogit, TTarget>(
                    _logitsLayout.Over(_logits),
                    _targetsLayout.Over(_targets),
                    Known(),
                    OutputGradients(),
                    _gradientLayout.Over(_gradient),
                    _options);
                break;
        }
    }

    private void RunSoft(SoftTargets<TTarget> targets)
    {
        ReadOnlySpan<TLogit> logits = _logits.Span;
        ReadOnlySpan<float> weights = _weights.Span;
        switch (_drawn.Entry)
        {
            case Entry.Compute:
                _result = PtxLoss.Compute(RlLoss, logits, targets, _vocabularySize, _coefficient, _options, weights);
                break;
            case Entry.ComputeWithGradient:
                _result = PtxLoss.ComputeWithGradient(
                    RlLoss, logits, targets, _vocabularySize, _coefficient, _gradient.Span, _options, weights);
                break;
            default:
                _sum = PtxLoss.Denominator(targets, _options, weights);
                break;
        }
    }

    private CrossEntropyOutputs Known() => new() { LogSumExp = _knownLogSumExp.Span, Entropy = _knownEntropy.Span };

    private CrossEntropyOutputGradients OutputGradients()
        => new() { Loss = _ofLoss.Span, LogSumExp = _ofLogSumExp.Span, Entropy = _ofEntropy.Span };

    public override void Judge()
    {
        _memories.Reveal();
        IReference expected = Expected();
        if (_drawn.IsDenominator)
        {
            int[] counted = [.. Enumerable.Range(0, _drawn.Tokens).Where(token => IdOf(token) != Ignored).Select(token => PositionOf(token)!.Value)];
            _sum.Should().Be(_drawn.HasWeights ? counted.Sum(position => (double)_weightOf[position]) : counted.Length);
        }
        else if (!_drawn.IsPerToken)
        {
            Bounds bounds = Bounds.Of<TLogit>();
            double doubtful = Bounds.DoubtfulAccuracy(_exact, _drawn.VocabularySize, IdOf, WeightOf, _options);
            bounds.CheckLosses(_result, expected, _coefficient, _options, token => bounds.ShareOf(expected, token, _options, TargetSumOf(token)), doubtful);
        }

        if (_drawn.IsForward)
        {
            JudgeOutputs(expected);
        }

        if (_drawn.WantsGradient)
        {
            JudgeGradient(expected);
        }
    }

    private void JudgeOutputs(IReference expected)
    {
        Bounds bounds = Bounds.Of<TLogit>();
        double factor = _drawn.LogitSoftCap == 0 ? 1 : 3;
        long start = _drawn.VocabularyStart ?? 0;
        Judge(_loss, expected.Loss, token => factor * bounds.OfSum(Math.Abs(expected.Loss[token]) + Math.Abs(expected.LogSumExp[token]), _options));
        Judge(_logSumExp, expected.LogSumExp, token => factor * bounds.OfSum(Math.Abs(expected.LogSumExp[token]), _options));
        Judge(_targetLogit, expected.TargetLogit, token => 1e-13 * (1 + Math.Abs(expected.TargetLogit[token])));
        Judge(
            _entropy,
            [.. expected.Entropy.Select((x, token) => double.IsFinite(expected.LogSumExp[token]) ? x : double.NaN)],
            _ => bounds.Entropy);
        for (int token = 0; token < _argMax.Length; token++)
        {
            // Capped logits may be equal where the logits are not.
            long id = _argMax.Span[token] - start;
            bool isIgnored = expected.ArgMax[token] < 0;
            (isIgnored ? _argMax.Span[token] == -1 : id == expected.ArgMax[token] || (_drawn.LogitSoftCap > 0 && IsLargest(token, id)))
                .Should().BeTrue("the largest logit of token {0} is {1}, not {2}", token, expected.ArgMax[token], id);
        }

        void Judge(ReadOnlyMemory<double> actual, double[] values, Func<int, double> tolerance)
        {
            if (!actual.IsEmpty)
            {
                Closeness.ShouldBeClose(actual.ToArray(), values, tolerance);
            }
        }
    }

    private bool IsLargest(int token, long id)
    {
        ReadOnlySpan<double> row = _exact.AsSpan(token * _drawn.VocabularySize, _drawn.VocabularySize);
        foreach (double logit in row)
        {
            if (!(row[(int)id] >= logit))
            {
                return false;
            }
        }

        return true;
    }

    private void JudgeGradient(IReference expected)
    {
        Bounds bounds = Bounds.Of<TLogit>();
        double[] gradient = [.. expected.Gradient.Select((_, i) => Exact(i) + (_drawn.Accumulates ? ElementConvert.ToDouble(_initial[i]) : 0))];
        bounds.CheckGradient(
            [.. _gradientLayout.Gather<TLogit>(_gradient).Select(ElementConvert.ToDouble)],
            gradient,
            i =>
            {
                (int token, int id) = Math.DivRem(i, _drawn.VocabularySize);
                double size = Math.Abs(gradient[i]) + (_drawn.Accumulates ? 2 * Math.Abs(ElementConvert.ToDouble(_initial[i])) : 0);
                double scale = !_drawn.IsBackward
                    ? expected.GradientScale * WeightOf(token)
                    : IsRead(token) ? Math.Abs(At(_ofLoss, token)) + Math.Abs(At(_ofLogSumExp, token)) : 0;
                double ofEntropy = _drawn.IsBackward && IsRead(token) ? bounds.OfEntropyGradient(expected, i, At(_ofEntropy, token), token) : 0;
                return ofEntropy + bounds.OfGradient(
                    _exact[i],
                    IsTarget(token, id),
                    expected.LogSumExp[token],
                    scale,
                    size,
                    _drawn.VocabularySize,
                    _options,
                    _drawn.IsBackward,
                    _drawn.IsPerToken ? null : bounds.ShareOf(expected, token, _options, TargetSumOf(token)));
            });

        double Exact(int i)
        {
            int token = i / _drawn.VocabularySize;
            if (!_drawn.IsBackward)
            {
                return expected.Gradient[i];
            }

            return IsRead(token)
                ? Product(At(_ofLoss, token), expected.Gradient[i]) + Product(At(_ofLogSumExp, token), expected.LogSumExpGradient[i])
                    + Product(At(_ofEntropy, token), expected.EntropyGradient[i])
                : 0;
        }

        static double At(Memory<double> gradients, int token) => gradients.IsEmpty ? 0 : gradients.Span[token];

        static double Product(double by, double gradient) => by == 0 ? 0 : by * gradient; // not NaN where a row has no softmax
        TLogit filler = _drawn.IsInPlace ? ElementConvert.FromDouble<TLogit>(double.NaN) : _filler;
        (!_drawn.IsOverTensors || _gradientLayout.GapsAre<TLogit>(_gradient, filler)).Should().BeTrue("gaps are left alone");
    }

    private IReference Expected()
    {
        PtxLossOptions options = _options with { IgnoreIndex = (int)Ignored };
        if (_drawn.IsPerToken)
        {
            options = options with { Reduction = LossReduction.Sum };
        }

        return _referee.Answer(new(_exact, _ids, _drawn.VocabularySize, options)
        {
            RlLoss = RlLoss,
            Coefficient = _drawn.IsPerToken ? 1 : _coefficient,
            Weights = _weights.ToArray(),
            SequenceLength = _drawn.Sequence,
            Probabilities = _probabilityOf,
            IdsPerToken = _drawn.IdsPerToken,
        });
    }

    private long[] DrawIds(Random random)
    {
        long start = _drawn.VocabularyStart ?? 0;
        long ids = Math.Min(_drawn.VocabularySize, long.CreateSaturating(TTarget.CreateSaturating(long.MaxValue)) - start);
        bool canIgnore = _drawn.IgnoreIndex is { } index && long.CreateSaturating(TTarget.CreateSaturating(index)) == index;
        if (_drawn.IsSoft)
        {
            long[] drawn = SoftDraw.Ids(random, _drawn.Tokens, _drawn.IdsPerToken, ids, canIgnore ? Ignored : null);
            return [.. drawn.Select(id => id == _drawn.IgnoreIndex ? Ignored : id)];
        }

        return
        [
            .. Enumerable.Range(0, _drawn.Tokens).Select(_ =>
            {
                long id = random.NextInt64(ids);
                return (canIgnore && random.Next(5) == 0) || id + start == _drawn.IgnoreIndex ? Ignored : id;
            }),
        ];
    }

    private TTarget ToTarget(long id)
        => TTarget.CreateTruncating(id == Ignored ? _drawn.IgnoreIndex!.Value : id + (_drawn.VocabularyStart ?? 0));

    private TLogit[] DrawLogits(Random random)
    {
        int vocabularySize = _drawn.VocabularySize;
        float largest = (float)Math.Min(Bounds.Of<TLogit>().Largest, float.MaxValue);
        float[] logits = TestData.Logits(_drawn.Tokens * vocabularySize, _drawn.Seed, _drawn.Spread, _drawn.Offset);
        logits = [.. logits.Select((x, i) => i % vocabularySize < _drawn.MaskedPrefix || (_drawn.HasMasks && random.Next(8) == 0)
            ? float.NegativeInfinity
            : Math.Clamp(x, -largest, largest))];
        if (_drawn.Special != 0 && _drawn.Tokens > 0)
        {
            Span<float> row = logits.AsSpan(random.Next(_drawn.Tokens) * vocabularySize, vocabularySize);
            (float.IsNegativeInfinity(_drawn.Special) ? row : row.Slice(random.Next(vocabularySize), 1)).Fill(_drawn.Special);
            for (int i = 0; i < _drawn.MoreSpecials; i++)
            {
                row[random.Next(vocabularySize)] = random.Next(2) == 0 ? float.NaN : float.PositiveInfinity;
            }
        }

        for (int token = 0; token < _drawn.Tokens && !_drawn.Repeats; token++)
        {
            if (!IsRead(token))
            {
                logits.AsSpan(token * vocabularySize, vocabularySize).Fill(float.NaN);
            }
        }

        return [.. logits.Select(x => ElementConvert.FromDouble<TLogit>(x))];
    }

    /// <summary>Where the target of a token stands, and its weight; null at the end of a sequence whose targets are shifted.</summary>
    private int? PositionOf(int token)
        => !_drawn.Shifts ? token : (token + 1) % _drawn.Sequence == 0 ? null : token + 1;

    private int PlacesPerToken => Math.Max(1, _drawn.IdsPerToken);

    private ReadOnlySpan<long> PlacesOf(int token)
        => PositionOf(token) is { } position ? _ids.AsSpan(position * PlacesPerToken, PlacesPerToken) : [];

    /// <summary>The first of a token's ids, or what none is.</summary>
    private long IdOf(int token)
        => PlacesOf(token) is var places && places.IndexOfAnyExcept(Ignored) is >= 0 and var first ? places[first] : Ignored;

    private bool IsTarget(int token, int id) => PlacesOf(token).Contains(id);

    private double WeightOf(int token) => _drawn.HasWeights && PositionOf(token) is { } position ? _weightOf[position] : 1;

    private double TargetSumOf(int token)
        => !_drawn.IsSoft ? 1 : SoftDraw.SumOf(PlacesOf(token), _probabilityOf.AsSpan(token * PlacesPerToken, PlacesPerToken), Ignored);

    private bool IsMasked(int token, long id) => double.IsNegativeInfinity(_exact[(token * _drawn.VocabularySize) + id]);

    private bool IsRead(int token) => IdOf(token) != Ignored && (_drawn.IsPerToken || WeightOf(token) > 0);

    private void HideWhatIsNotRead()
    {
        foreach (int token in Enumerable.Range(0, _drawn.Repeats ? 0 : _drawn.Tokens).Where(token => _drawn.IsDenominator || !IsRead(token)))
        {
            if (!_drawn.IsInPlace)
            {
                Hide(_logitsLayout, _logits);
            }

            if (_drawn.Accumulates && _drawn.WantsGradient)
            {
                Hide(_gradientLayout, _gradient);
            }

            void Hide(Layout layout, Memory<TLogit> memory)
                => _memories.Hide<TLogit>(memory.Slice(layout.Places().ElementAt(token * _drawn.VocabularySize), _drawn.VocabularySize));
        }
    }

    private PtxLossOptions Options()
    {
        return new()
        {
            IgnoreIndex = _drawn.IgnoreIndex,
            LabelSmoothing = _drawn.LabelSmoothing,
            ZLossCoefficient = _drawn.ZLossCoefficient,
            LogitSoftCap = _drawn.LogitSoftCap,
            LogitScale = _drawn.LogitScale,
            VocabularyStart = _drawn.VocabularyStart,
            Reduction = _drawn.Reduction,
            Denominator = _drawn.Denominator,
            TargetWeighting = _drawn.Weighting,
            Statistics = _drawn.Statistics,
            AccumulateGradient = _drawn.Accumulates,
            ShiftTargets = _drawn.Shifts,
            MaxDegreeOfParallelism = _drawn.Threads,
        };
    }

    private Memory<T> Output<T>(int bit, T filler)
        where T : unmanaged
        => (_drawn.Outputs & bit) != 0 ? _memories.ToWrite(Enumerable.Repeat(filler, _drawn.Tokens).ToArray()) : default;

    private CrossEntropyOutputs Outputs() => new()
    {
        Loss = _loss.Span,
        LogSumExp = _logSumExp.Span,
        TargetLogit = _targetLogit.Span,
        Entropy = _entropy.Span,
        ArgMax = _argMax.Span,
    };
}
