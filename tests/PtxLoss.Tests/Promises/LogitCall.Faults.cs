namespace PtxLosses.Tests;

/// <summary>What can be wrong with a call over logits.</summary>
public enum Fault
{
    LogitsTooShort,
    TargetsTooMany,
    TargetsMissing,
    TargetTooLarge,
    TargetNegative,
    VocabularyOfNone,
    CoefficientNotFinite,
    LogitsWithoutVocabulary,
    LogitsNotDense,
    TargetsOfAnotherShape,
    GradientTooShort,
    GradientOfAnotherShape,
    GradientOverLogits,
    GradientOverWeights,
    GradientRowsOverEachOther,
    AccumulationInPlace,
    WeightsTooShort,
    WeightNegative,
    WeightNaN,
    Reduction,
    DenominatorNegative,
    DenominatorOfNone,
    LabelSmoothing,
    ZLossCoefficient,
    LogitSoftCap,
    LogitScale,
    Threads,
    DenominatorOfASum,
    ReductionPerToken,
    DenominatorPerToken,
    ZLossPerToken,
    VocabularyStartNegative,
    ShardOfALoss,
    ShardSmoothed,
    ShardsLoss,
    ShiftOfSpans,
    OutputTooShort,
    OutputsOverlap,
    LogSumExpTooShort,
    EntropyMissing,
    OutputGradientTooLong,
    TargetWeighting,
    Statistics,
    WeightingPerToken,
    StatisticsPerToken,
    SmoothingOfSoftTargets,
    WeightingOfSoftTargets,
    AccuracyOfSoftTargets,
    ProbabilityNegative,
    ProbabilityNaN,
    ProbabilityInfinite,
    GradientOverProbabilities,
}

internal sealed partial class LogitCall<TLogit, TTarget>
{
    private bool TakesLogits => !_drawn.IsDenominator;

    private bool IsOfLoss => !_drawn.IsDenominator && !_drawn.IsPerToken;

    private bool IsOfTensorsWithGradient => _drawn.IsOverTensors && _drawn.WantsGradient;

    public override string? Spoil(Fault fault) => fault switch
    {
        Fault.TargetTooLarge or Fault.TargetNegative => SpoilTarget(fault == Fault.TargetNegative ? -1 : _vocabularySize),
        >= Fault.WeightsTooShort and <= Fault.ShiftOfSpans => SpoilOption(fault),
        >= Fault.TargetWeighting and <= Fault.AccuracyOfSoftTargets => _drawn.IsDenominator ? null : SpoilWhatIsReduced(fault),
        >= Fault.ProbabilityNegative => SpoilProbability(fault),
        Fault.OutputTooShort or Fault.OutputsOverlap => SpoilOutput(fault),
        Fault.CoefficientNotFinite when IsOfLoss => Set(out _coefficient, double.NaN, "ptxCoefficient"),
        Fault.LogSumExpTooShort when Has(_knownLogSumExp) => Set(out _knownLogSumExp, _knownLogSumExp[1..], "forward.LogSumExp"),
        Fault.EntropyMissing when Has(_ofEntropy) => Set(out _knownEntropy, default, "forward.Entropy"),
        Fault.OutputGradientTooLong when _drawn.IsBackward && Has(_logits) => Set(
            out _ofLoss, new double[_drawn.Tokens + 1], "gradients.Loss"),
        Fault.AccumulationInPlace when _drawn.WantsGradient && Has(_logits) && !_drawn.Repeats => AccumulateInPlace(),
        Fault.GradientOverLogits when _drawn.WantsGradient && _vocabularySize > 1 && Has(_logits) => MoveGradientOverLogits(),
        Fault.GradientOverWeights when typeof(TLogit) == typeof(float) && Has(_gradient) && _drawn.HasWeights
            && !_drawn.IsPerToken && !_drawn.IsInPlace
            => MoveWeightsIntoGradient(),
        _ when _drawn.IsOverTensors => SpoilTensor(fault),
        _ => SpoilSpan(fault),
    };

    private string? SpoilSpan(Fault fault) => fault switch
    {
        Fault.LogitsTooShort when TakesLogits && Has(_logits) => Set(out _logits, _logits[1..], "logits"),
        Fault.TargetsTooMany when TakesLogits && !_drawn.IsSoft => Set(out _targets, new TTarget[_drawn.Tokens + 1], "logits"),
        Fault.TargetsTooMany when TakesLogits => ChangeTokens(_drawn.Tokens + 1, "logits"),
        Fault.TargetsMissing when TakesLogits && _drawn.IsSoft && Has(_logits) => ChangeTokens(0, "targets"),
        Fault.TargetsMissing when TakesLogits && Has(_logits) => Set(out _targets, default, "targets"),
        Fault.VocabularyOfNone when !_drawn.IsDenominator => Set(out _vocabularySize, -_drawn.Seed, "vocabularySize"),
        Fault.GradientTooShort when Has(_gradient) => Set(out _gradient, _gradient[1..], "logitsGradient"),
        _ => null,
    };

    private string? SpoilTensor(Fault fault)
    {
        bool isDense = _vocabularySize == 1;
        nint[] shape = _logitsLayout.Lengths;
        return fault switch
        {
            Fault.LogitsWithoutVocabulary when TakesLogits => SetLayout(
                out _logitsLayout, out _logits, [.. shape[..^1], 0], "logits"),
            Fault.LogitsNotDense when TakesLogits && _vocabularySize > 3 && Has(_logits)
                => Set(out _logitsLayout, new([.. shape[..^1], shape[^1] / 2], [.. _logitsLayout.Strides[..^1], 2]), "logits"),
            Fault.TargetsOfAnotherShape when TakesLogits => SetLayout(
                out _targetsLayout, out _targets, [.. shape[..^1], 1], "targets"),
            Fault.GradientOfAnotherShape when IsOfTensorsWithGradient
                => SetLayout(out _gradientLayout, out _gradient, [.. shape[..^1], shape[^1] + 1], "logitsGradient"),
            Fault.GradientRowsOverEachOther when IsOfTensorsWithGradient && _drawn.Tokens > 1 && !_drawn.IsInPlace
                => Set(out _gradientLayout, new(shape, [.. new nint[shape.Length - 1], isDense ? 0 : 1]), "logitsGradient"),
            _ => null,
        };
    }

    private string? SpoilTarget(long id)
    {
        int[] counted = [.. Enumerable.Range(0, _drawn.Tokens).SelectMany(UsedPlacesOf)];
        id += id == _drawn.IgnoreIndex ? 1 : 0;
        if (counted.Length == 0 || _drawn.IsDenominator || _drawn.VocabularyStart > 0
            || long.CreateSaturating(TTarget.CreateSaturating(id)) != id)
        {
            return null;
        }

        // A shard of all ids but the first may be followed by one that has any; only negative ones are none.
        if (_drawn.VocabularyStart != null && id > 0)
        {
            return null;
        }

        long[] ids = [.. _ids];
        ids[counted[_drawn.Seed % counted.Length]] = id;
        return Set(out _targets, _memories.ToRead(_targetsLayout.Scatter([.. ids.Select(ToTarget)], default)), "targets");
    }

    /// <summary>Where the ids of a token stand that are used.</summary>
    private IEnumerable<int> UsedPlacesOf(int token)
        => PositionOf(token) is not { } position
            ? []
            : Enumerable.Range(position * PlacesPerToken, PlacesPerToken).Where(place => _ids[place] != Ignored);

    private string ChangeTokens(int tokens, string parameter)
    {
        _probabilities = new float[tokens * _drawn.IdsPerToken];
        return Set(out _targets, new TTarget[tokens * _drawn.IdsPerToken], parameter);
    }

    private string? SpoilProbability(Fault fault)
    {
        int[] used = [.. Enumerable.Range(0, _drawn.IsSoft ? _drawn.Tokens : 0).SelectMany(UsedPlacesOf)];
        if (used.Length == 0)
        {
            return null;
        }

        if (fault == Fault.GradientOverProbabilities)
        {
            return typeof(TLogit) == typeof(float) && Has(_gradient) && !_drawn.IsInPlace
                ? MoveProbabilitiesIntoGradient()
                : null;
        }

        float[] spoilt = [.. _probabilityOf];
        spoilt[used[_drawn.Seed % used.Length]] = fault switch
        {
            Fault.ProbabilityNegative => -float.Epsilon,
            Fault.ProbabilityNaN => float.NaN,
            _ => float.PositiveInfinity,
        };
        return Set(out _probabilities, _memories.ToRead(spoilt), "targets");
    }

    private string? SpoilWhatIsReduced(Fault fault)
    {
        PtxLossOptions? options = fault switch
        {
            Fault.TargetWeighting => _options with { TargetWeighting = (TargetWeighting)3 },
            Fault.Statistics => _options with { Statistics = _options.Statistics | (LossStatistics)4 },
            Fault.WeightingPerToken when _drawn.IsPerToken => _options with { TargetWeighting = TargetWeighting.Probability },
            Fault.StatisticsPerToken when _drawn.IsPerToken => _options with { Statistics = LossStatistics.Entropy },
            Fault.SmoothingOfSoftTargets when _drawn.IsSoft => _options with { LabelSmoothing = 0.1 },
            Fault.WeightingOfSoftTargets when _drawn.IsSoft =>
                _options with { TargetWeighting = TargetWeighting.ProbabilityVariance },
            Fault.AccuracyOfSoftTargets when _drawn.IsSoft =>
                _options with { Statistics = _options.Statistics | LossStatistics.Accuracy },
            _ => null,
        };
        return options == null ? null : Set(out _options, options, "options");
    }

    private string? SpoilOption(Fault fault)
    {
        float[] spoilt = [.. _weightOf];
        spoilt.AsSpan(spoilt.Length / 2).Fill(fault == Fault.WeightNaN ? float.NaN : -1e-9f);
        switch (fault)
        {
            case Fault.WeightsTooShort when !_drawn.IsPerToken:
                return Set(out _weights, new float[_drawn.Tokens == 1 ? 2 : Math.Abs(_drawn.Tokens - 1)], "tokenWeights");
            case Fault.WeightNegative or Fault.WeightNaN when !_drawn.IsPerToken && CountsLast():
                return Set(out _weights, _memories.ToRead(spoilt), "tokenWeights");
            case Fault.ShardsLoss when _drawn.IsForward && _drawn.VocabularyStart != null && _drawn.Tokens > 0:
                return Set(out _loss, new double[_drawn.Tokens], "outputs");
        }

        PtxLossOptions? options = fault switch
        {
            Fault.ShiftOfSpans when !_drawn.IsOverTensors => _options with { ShiftTargets = true },
            _ when _drawn.IsDenominator => null,
            Fault.Reduction => _options with { Reduction = (LossReduction)7 },
            Fault.DenominatorNegative => _options with { Denominator = -1 },
            Fault.DenominatorOfNone when IsOfLoss && Enumerable.Range(0, _drawn.Tokens).Any(IsRead)
                => _options with { Reduction = LossReduction.Mean, Denominator = 0 },
            Fault.DenominatorOfASum when IsOfLoss => _options with { Reduction = LossReduction.Sum, Denominator = 3 },
            Fault.LabelSmoothing => _options with { LabelSmoothing = 1 },
            Fault.ZLossCoefficient => _options with { ZLossCoefficient = double.PositiveInfinity },
            Fault.LogitSoftCap => _options with { LogitSoftCap = -30 },
            Fault.LogitScale => _options with { LogitScale = 0 },
            Fault.Threads => _options with { MaxDegreeOfParallelism = 0 },
            Fault.ReductionPerToken when _drawn.IsPerToken => _options with { Reduction = LossReduction.Sum },
            Fault.DenominatorPerToken when _drawn.IsPerToken => _options with { Denominator = 3 },
            Fault.ZLossPerToken when _drawn.IsPerToken => _options with { ZLossCoefficient = 1e-4 },
            Fault.VocabularyStartNegative => _options with { VocabularyStart = -1, LabelSmoothing = 0 },
            Fault.ShardOfALoss when IsOfLoss => _options with { VocabularyStart = 5 },
            Fault.ShardSmoothed when _drawn.VocabularyStart != null => _options with { LabelSmoothing = 0.1 },
            _ => null,
        };
        return options == null ? null : Set(out _options, options, "options");

        bool CountsLast()
            => _drawn.Tokens > 0
                && Enumerable.Range(0, _drawn.Tokens).Any(
                    token => IdOf(token) != Ignored && PositionOf(token) >= spoilt.Length / 2);
    }

    private string? SpoilOutput(Fault fault)
    {
        if (!_drawn.IsForward || _drawn.Tokens == 0)
        {
            return null;
        }

        return fault == Fault.OutputTooShort
            ? Set(out _entropy, _memories.ToWrite(new double[_drawn.Tokens + 1]), "outputs.Entropy")
            : Set(out _entropy, _logSumExp = _memories.ToWrite(new double[_drawn.Tokens]), "outputs.LogSumExp");
    }

    private string AccumulateInPlace()
    {
        _gradient = _logits;
        _gradientLayout = _logitsLayout;
        return Set(out _options, _options with { AccumulateGradient = true }, "options");
    }

    private string MoveGradientOverLogits()
    {
        int shift = 1 + (_drawn.Seed % (_vocabularySize - 1));
        Memory<TLogit> both = _memories.ToWrite((TLogit[])[.. _logits.Span, .. new TLogit[_gradient.Length + shift]]);
        _logits = both[.._logits.Length];
        return Set(out _gradient, both.Slice(shift, _gradient.Length), "logitsGradient");
    }

    private string MoveWeightsIntoGradient()
    {
        float[] memory = new float[_gradient.Length + _weightOf.Length];
        _weightOf.CopyTo(memory, 0);
        Memory<float> both = _memories.ToWrite(memory);
        _weights = both[.._weightOf.Length];
        var gradient = (Memory<TLogit>)(object)both.Slice(_weightOf.Length - 1, _gradient.Length);
        return Set(out _gradient, gradient, "logitsGradient");
    }

    private string MoveProbabilitiesIntoGradient()
    {
        float[] memory = new float[_gradient.Length + _probabilityOf.Length];
        _probabilityOf.CopyTo(memory, 0);
        Memory<float> both = _memories.ToWrite(memory);
        _probabilities = both[.._probabilityOf.Length];
        var gradient = (Memory<TLogit>)(object)both.Slice(_probabilityOf.Length - 1, _gradient.Length);
        return Set(out _gradient, gradient, "logitsGradient");
    }

    private bool Has<T>(Memory<T> memory) => !memory.IsEmpty && _drawn.Tokens > 0;

    private static string Set<T>(out T argument, T value, string parameter)
    {
        argument = value;
        return parameter;
    }

    private string SetLayout<T>(out Layout layout, out Memory<T> memory, nint[] shape, string parameter)
        where T : unmanaged
    {
        layout = new(shape, []);
        memory = _memories.ToRead(new T[layout.Extent]);
        return parameter;
    }
}
