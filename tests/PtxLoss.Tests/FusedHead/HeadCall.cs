namespace PtxLosses.Tests;

/// <summary>A drawn call from hidden states, with all that it reads and writes in memory of the test's choice.</summary>
internal abstract class HeadCall
{
    /// <param name="drawn">What was drawn.</param>
    /// <param name="memories">Where its memory lies.</param>
    /// <param name="referee">Who says what it must answer, if it is not the scalar reference.</param>
    public static HeadCall Of(HeadDraw drawn, Memories memories, Referee? referee = null)
        => ElementNames.Run(drawn.Element, new Maker(drawn, memories, referee ?? Referee.Scalar));

    public abstract void Run();

    /// <summary>Compares with the reference what a run has left behind.</summary>
    public abstract void Judge();

    /// <summary>
    /// All that a run has left behind, to the last bit; which NaN it is, where there are several, is not promised.
    /// </summary>
    public abstract long[] Results();

    private sealed record Maker(HeadDraw Drawn, Memories Memories, Referee Referee) : IElementCase<HeadCall>
    {
        public HeadCall Run<TElement>()
            where TElement : unmanaged
            => new HeadCall<TElement>(Drawn, Memories, Referee);
    }
}

internal sealed class HeadCall<TElement> : HeadCall
    where TElement : unmanaged
{
    private const double RlLoss = 0.75;
    private const long Ignored = -100;
    private static readonly TElement _filler = ElementConvert.FromDouble<TElement>(77);
    private readonly HeadDraw _drawn;
    private readonly Memories _memories;
    private readonly HeadJudge _judge;
    private readonly Layout _ofTokens, _ofVocabulary;
    private readonly PtxLossOptions _options;
    private readonly int _vocabularySize;
    private readonly long[] _ids;
    private readonly float[] _weightOf, _probabilityOf, _initialWeight, _initialBias;

    private readonly Memory<TElement> _hidden, _weight, _bias;
    private readonly Memory<long> _targets;
    private readonly Memory<float> _probabilities, _weights;
    private readonly Memory<double> _knownLogSumExp, _knownEntropy, _ofLoss, _ofLogSumExp, _ofEntropy;
    private readonly Memory<double> _loss, _logSumExp, _targetLogit, _entropy;
    private readonly Memory<int> _argMax;
    private readonly Memory<TElement> _hiddenGradient;
    private readonly Memory<float> _weightGradient, _biasGradient;
    private PtxLossResult _result;

    public HeadCall(HeadDraw drawn, Memories memories, Referee referee)
    {
        (_drawn, _memories) = (drawn, memories);
        var random = new Random(drawn.Seed);
        int start = drawn.IsShard ? random.Next(drawn.VocabularySize) : 0;
        _vocabularySize = drawn.IsShard ? random.Next(1, drawn.VocabularySize - start + 1) : drawn.VocabularySize;
        _options = Options(start);
        _ids = drawn.IsSoft
            ? SoftDraw.Ids(random, drawn.Tokens, drawn.IdsPerToken, drawn.VocabularySize, Ignored)
            : [.. Enumerable.Range(0, drawn.Tokens).Select(
                _ => random.Next(5) == 0 ? Ignored : random.Next(drawn.VocabularySize))];
        _weightOf = [.. Enumerable.Range(0, drawn.HasWeights ? drawn.Tokens : 0).Select(
            _ => random.Next(4) == 0 ? 0 : random.NextSingle())];

        TElement[] hidden = Elements(drawn.Tokens * drawn.HiddenSize, 1, spread: 1);
        TElement[] weight = Elements(drawn.VocabularySize * drawn.HiddenSize, 2, spread: 2 / Math.Sqrt(drawn.HiddenSize));
        TElement[] bias = Elements(drawn.HasBias ? drawn.VocabularySize : 0, 3, spread: 1);
        for (int id = 0; id < bias.Length && drawn.HasMasks; id++)
        {
            bias[id] = random.Next(6) == 0 ? ElementConvert.FromDouble<TElement>(double.NegativeInfinity) : bias[id];
        }

        var head = new HeadMatrix(drawn.HiddenSize, Exact(hidden), Exact(weight), Exact(bias));
        _probabilityOf = drawn.IsSoft
            ? SoftDraw.Probabilities(
                random, _ids, drawn.IdsPerToken, Ignored, (_, id) => bias.Length > 0 && double.IsInfinity(head.Bias[id]))
            : [];
        _judge = new(
            drawn, head, (start, _vocabularySize), _ids, _probabilityOf, _weightOf, _options, OutputGradients(random), referee);

        _ofTokens = Rows(drawn.Tokens);
        _ofVocabulary = Rows(_vocabularySize);
        SpoilWhatIsNotRead(hidden);
        _hidden = memories.ToRead(_ofTokens.Scatter(hidden, _filler));
        TElement[] rows = weight.AsSpan(start * drawn.HiddenSize, _vocabularySize * drawn.HiddenSize).ToArray();
        _weight = memories.ToRead(_ofVocabulary.Scatter(rows, _filler));
        _bias = memories.ToRead(drawn.HasBias ? bias.AsSpan(start, _vocabularySize).ToArray() : []);
        _targets = memories.ToRead(_ids);
        _probabilities = memories.ToRead(_probabilityOf);
        _weights = memories.ToRead(_weightOf);
        (_loss, _logSumExp, _targetLogit, _entropy) =
            (Output(1, -7.0, !drawn.IsShard), Output(2, -7.0), Output(4, -7.0), Output(8, -7.0));
        _argMax = Output(16, -7);
        if (drawn.Entry == HeadEntry.Backward)
        {
            _knownLogSumExp = memories.ToRead(Known(_judge.Whole.LogSumExp));
            _knownEntropy = _judge.By.Entropy.Length > 0 ? memories.ToRead(Known(_judge.Whole.Entropy)) : default;
            _ofLoss = memories.ToRead(_judge.By.Loss);
            _ofLogSumExp = memories.ToRead(_judge.By.LogSumExp);
            _ofEntropy = memories.ToRead(_judge.By.Entropy);
        }

        _initialWeight = TestData.Logits(_vocabularySize * drawn.HiddenSize, drawn.Seed + 4, spread: 0.1);
        _initialBias = TestData.Logits(_vocabularySize, drawn.Seed + 5, spread: 0.1);
        _hiddenGradient = Gradient(1, [.. Enumerable.Repeat(_filler, _ofTokens.Extent)]);
        _weightGradient = Gradient(2, _ofVocabulary.Scatter(_initialWeight, 77f));
        _biasGradient = Gradient(4, [.. _initialBias]);
        Hide();
    }

    /// <summary>Without the last digits: libtorch may add in another order each time, and calls are compared by bits.</summary>
    private double[] Known(double[] values) => _judge.WhereRead([.. values.Select(x => Math.Round(x, 12))]);

    public override void Run()
    {
        switch (_drawn.Entry)
        {
            case HeadEntry.Compute:
                _result = Loss();
                break;
            case HeadEntry.ComputeWithGradient when _drawn.IsSoft:
                _result = PtxLoss.ComputeFromHiddenWithGradient<TElement, long>(
                    RlLoss,
                    _ofTokens.Over(_hidden),
                    _ofVocabulary.Over(_weight),
                    Soft(),
                    _drawn.Coefficient,
                    Gradients(),
                    _options,
                    _bias.Span,
                    _weights.Span);
                break;
            case HeadEntry.ComputeWithGradient:
                _result = PtxLoss.ComputeFromHiddenWithGradient<TElement, long>(
                    RlLoss,
                    _ofTokens.Over(_hidden),
                    _ofVocabulary.Over(_weight),
                    _targets.Span,
                    _drawn.Coefficient,
                    Gradients(),
                    _options,
                    _bias.Span,
                    _weights.Span);
                break;
            case HeadEntry.Forward:
                CrossEntropy.ForwardFromHidden<TElement, long>(
                    _ofTokens.Over(_hidden),
                    _ofVocabulary.Over(_weight),
                    _targets.Span,
                    new()
                    {
                        Loss = _loss.Span,
                        LogSumExp = _logSumExp.Span,
                        TargetLogit = _targetLogit.Span,
                        Entropy = _entropy.Span,
                        ArgMax = _argMax.Span,
                    },
                    _options,
                    _bias.Span);
                break;
            default:
                CrossEntropy.BackwardFromHidden<TElement, long>(
                    _ofTokens.Over(_hidden),
                    _ofVocabulary.Over(_weight),
                    _targets.Span,
                    new() { LogSumExp = _knownLogSumExp.Span, Entropy = _knownEntropy.Span },
                    new() { Loss = _ofLoss.Span, LogSumExp = _ofLogSumExp.Span, Entropy = _ofEntropy.Span },
                    Gradients(),
                    _options,
                    _bias.Span);
                break;
        }
    }

    public override void Judge()
    {
        if (_drawn.Entry == HeadEntry.ComputeWithGradient)
        {
            Loss().Should().Be(_result, "the gradient must not change the loss");
        }

        _memories.Reveal();
        if (!_drawn.IsPerToken)
        {
            _judge.CheckLosses(_result);
        }

        if (_drawn.Entry == HeadEntry.Forward)
        {
            _judge.CheckOutputs(
                _loss.ToArray(), _logSumExp.ToArray(), _targetLogit.ToArray(), _entropy.ToArray(), _argMax.ToArray());
        }

        if (_drawn.WantsGradient)
        {
            bool adds = _drawn.Accumulates;
            _judge.CheckGradients(
                _hiddenGradient.IsEmpty ? [] : Exact(_ofTokens.Gather<TElement>(_hiddenGradient)),
                _weightGradient.IsEmpty ? [] : TestData.ToDouble(_ofVocabulary.Gather<float>(_weightGradient)),
                TestData.ToDouble(_biasGradient.ToArray()),
                adds ? _initialWeight : new float[_initialWeight.Length],
                adds ? _initialBias : new float[_initialBias.Length],
                Bounds.Of<TElement>());
            (_ofTokens.GapsAre<TElement>(_hiddenGradient, _filler) && _ofVocabulary.GapsAre<float>(_weightGradient, 77)).Should()
                .BeTrue("gaps are left alone");
        }
    }

    public override long[] Results()
    {
        double[] results =
        [
            _result.LanguageModelLoss,
            _result.ZLoss,
            _result.Total,
            _result.Perplexity,
            _result.Accuracy ?? -1,
            _result.Entropy ?? -1,
            _result.TokenCount,
            .. _loss.ToArray(), .. _logSumExp.ToArray(), .. _targetLogit.ToArray(), .. _entropy.ToArray(), .. _argMax.ToArray()
            .Select(x => (double)x),
            .. Exact(_hiddenGradient.ToArray()), .. TestData.ToDouble(
                _weightGradient.ToArray()), .. TestData.ToDouble(_biasGradient.ToArray()),
        ];
        return [.. results.Select(x => BitConverter.DoubleToInt64Bits(double.IsNaN(x) ? double.NaN : x))];
    }

    private PtxLossResult Loss() => _drawn.IsSoft
        ? PtxLoss.ComputeFromHidden<TElement, long>(
            RlLoss,
            _ofTokens.Over(_hidden),
            _ofVocabulary.Over(_weight),
            Soft(),
            _drawn.Coefficient,
            _options,
            _bias.Span,
            _weights.Span)
        : PtxLoss.ComputeFromHidden<TElement, long>(
            RlLoss,
            _ofTokens.Over(_hidden),
            _ofVocabulary.Over(_weight),
            _targets.Span,
            _drawn.Coefficient,
            _options,
            _bias.Span,
            _weights.Span);

    private SoftTargets<long> Soft() => new(_targets.Span, _probabilities.Span, _drawn.IdsPerToken);

    private HiddenGradients<TElement> Gradients() => new()
    {
        Hidden = _hiddenGradient.IsEmpty ? default : _ofTokens.Over(_hiddenGradient),
        Weight = _weightGradient.IsEmpty ? default : _ofVocabulary.Over(_weightGradient),
        Bias = _biasGradient.Span,
    };

    private PtxLossOptions Options(int start) => new()
    {
        LabelSmoothing = _drawn.LabelSmoothing,
        ZLossCoefficient = _drawn.ZLossCoefficient,
        LogitSoftCap = _drawn.LogitSoftCap,
        LogitScale = _drawn.LogitScale,
        TargetWeighting = _drawn.Weighting,
        Statistics = _drawn.Statistics,
        Reduction = _drawn.Reduction,
        Denominator = _drawn.Denominator,
        AccumulateGradient = _drawn.Accumulates,
        VocabularyStart = _drawn.IsShard ? start : null,
        MaxScratchBytes = _drawn.TokensAtATime == 0
            ? 64 << 20
            : HeadScratch.Needed(_drawn.TokensAtATime, _vocabularySize, _drawn.HiddenSize),
        MaxDegreeOfParallelism = _drawn.Threads,
    };

    private DrawnGradients OutputGradients(Random random)
    {
        return new(Draw(1), Draw(2), Draw(4));

        double[] Draw(int bit) => (_drawn.Outputs & bit) == 0 || _drawn.Entry != HeadEntry.Backward
            ? []
            : [.. Enumerable.Range(0, _drawn.Tokens).Select(
                token => _ids[token] == Ignored ? double.NaN : random.Next(4) == 0 ? 0 : (2 * random.NextDouble()) - 0.5)];
    }

    private void SpoilWhatIsNotRead(TElement[] hidden)
    {
        for (int token = 0; token < _drawn.Tokens; token++)
        {
            if (!_judge.IsRead(token))
            {
                hidden.AsSpan(token * _drawn.HiddenSize, _drawn.HiddenSize).Fill(ElementConvert.FromDouble<TElement>(double.NaN));
            }
        }
    }

    private TElement[] Elements(int count, int seed, double spread)
        => [.. TestData.Logits(count, _drawn.Seed + seed, spread).Select(x => ElementConvert.FromDouble<TElement>(x))];

    private static double[] Exact(TElement[] values) => [.. values.Select(ElementConvert.ToDouble)];

    /// <summary>Tensors want 0 where there is nothing to stride to.</summary>
    private Layout Rows(int rows)
        => new([rows, _drawn.HiddenSize], [rows <= 1 ? 0 : _drawn.HiddenSize + _drawn.Gap, _drawn.HiddenSize == 1 ? 0 : 1]);

    private Memory<T> Output<T>(int bit, T filler, bool isPossible = true)
        where T : unmanaged
        => (_drawn.Outputs & bit) != 0 && isPossible && _drawn.Entry == HeadEntry.Forward
            ? _memories.ToWrite(Enumerable.Repeat(filler, _drawn.Tokens).ToArray())
            : default;

    private Memory<T> Gradient<T>(int bit, T[] initial)
        where T : unmanaged
        => _drawn.WantsGradient && (_drawn.Gradients & bit) != 0 ? _memories.ToWrite(initial) : default;

    private void Hide()
    {
        for (int token = 0; token < _drawn.Tokens; token++)
        {
            if (!_judge.IsRead(token))
            {
                _memories.Hide<TElement>(_hidden.Slice(token * (_drawn.HiddenSize + _drawn.Gap), _drawn.HiddenSize));
            }
        }
    }
}
