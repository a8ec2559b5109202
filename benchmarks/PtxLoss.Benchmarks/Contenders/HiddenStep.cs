namespace PtxLosses.Benchmarks;

/// <summary>A step as users call the library: from hidden states, of any type.</summary>
internal sealed class HiddenStep<TElement>(HeadProblem problem, int threads) : StepCalls(problem, threads)
    where TElement : unmanaged
{
    private readonly NativeArray<TElement> _hidden = new(problem.Hidden.Span), _weight = new(problem.Weight.Span);
    private readonly NativeArray<TElement> _policyGradient = new(problem.Hidden.Length);
    private readonly NativeArray<TElement> _textGradient = new(problem.Hidden.Length);
    private readonly double[] _targetLogit = new double[problem.Shape.Tokens];
    private readonly int[] _argMax = new int[problem.Shape.Tokens];

    public override string Name => $"from hidden states, `{typeof(TElement).Name}`";

    /// <summary>Each call alone, after a step; what is differentiated leaves no token out.</summary>
    public IEnumerable<(string Name, Work Work, Action Run)> Calls()
    {
        double[] by = [.. Enumerable.Repeat(1e-3, Tokens)];
        yield return ("ComputeFromHidden", Work.Forward, () => PtxLoss.ComputeFromHidden<TElement, int>(
            0, _hidden.Rows(Width), _weight.Rows(Width), Problem.Targets, LossProblem.Coefficient, Options));
        yield return ("ForwardFromHidden, losses", Work.Forward, () => CrossEntropy.ForwardFromHidden<TElement, int>(
            _hidden.Rows(Width), _weight.Rows(Width), Problem.Targets, new() { Loss = Loss }, Options));
        yield return ("ForwardFromHidden, all outputs", Work.Forward, () => CrossEntropy.ForwardFromHidden<TElement, int>(
            _hidden.Rows(Width),
            _weight.Rows(Width),
            Problem.Targets,
            new() { Loss = Loss, LogSumExp = LogSumExp, TargetLogit = _targetLogit, Entropy = Entropy, ArgMax = _argMax },
            Options));
        yield return ("ComputeFromHiddenWithGradient", Work.Gradient, () => AddText(0));
        yield return ("BackwardFromHidden, of losses", Work.Gradient, () => Backward(by, []));
        yield return ("BackwardFromHidden, of losses and entropies", Work.Gradient, () => Backward(by, by));
    }

    protected override void Forward() => CrossEntropy.ForwardFromHidden<TElement, int>(
        _hidden.Rows(Width),
        _weight.Rows(Width),
        Problem.Targets,
        new() { Loss = Loss, LogSumExp = LogSumExp, Entropy = Entropy },
        Options);

    protected override void Backward() => Backward(OfLoss, OfEntropy);

    protected override PtxLossResult AddText(double rlLoss) => PtxLoss.ComputeFromHiddenWithGradient<TElement, int>(
        rlLoss,
        _hidden.Rows(Width),
        _weight.Rows(Width),
        Problem.Targets,
        LossProblem.Coefficient,
        new() { Hidden = _textGradient.Rows(Width), Weight = new(WeightGradient.Span, [VocabularySize, Width]) },
        Options with { AccumulateGradient = true });

    private void Backward(double[] ofLoss, double[] ofEntropy) => CrossEntropy.BackwardFromHidden<TElement, int>(
        _hidden.Rows(Width),
        _weight.Rows(Width),
        Problem.Targets,
        new() { LogSumExp = LogSumExp, Entropy = Entropy },
        new() { Loss = ofLoss, Entropy = ofEntropy },
        new() { Hidden = _policyGradient.Rows(Width), Weight = new(WeightGradient.Span, [VocabularySize, Width]) },
        Options);
}
