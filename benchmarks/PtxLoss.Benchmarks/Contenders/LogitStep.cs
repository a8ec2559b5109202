using PtxLosses.Gemm;

namespace PtxLosses.Benchmarks;

/// <summary>
/// A step with the logits of a half in memory, in a buffer that is taken in the first step and kept: they are multiplied once,
/// where the calls from hidden states multiply the policy's twice. The products are the library's own.
/// </summary>
internal sealed unsafe class LogitStep : StepCalls
{
    private readonly NativeArray<float> _policyGradient, _textGradient;
    private readonly int _threads;
    private AlignedFloats? _logits, _panels;

    public LogitStep(HeadProblem problem, int threads)
        : base(problem, threads)
    {
        (_policyGradient, _textGradient) = (new(problem.Hidden.Length), new(problem.Hidden.Length));
        _threads = threads;
    }

    public override string Name => "logits in memory, `Single`";

    private AlignedFloats Logits => _logits ??= new(Tokens * VocabularySize);

    private AlignedFloats Panels => _panels ??= new((int)Sgemm.ScratchLength(_threads));

    protected override void Forward()
    {
        Multiply(Hidden, Weight.Transposed, LogitMatrix, adds: false);
        CrossEntropy.Forward<float, int>(
            Logits.Span,
            Problem.Targets,
            VocabularySize,
            new() { Loss = Loss, LogSumExp = LogSumExp, Entropy = Entropy },
            Options);
    }

    protected override void Backward()
    {
        CrossEntropy.Backward<float, int>(
            Logits.Span,
            Problem.Targets,
            VocabularySize,
            new() { LogSumExp = LogSumExp, Entropy = Entropy },
            new() { Loss = OfLoss, Entropy = OfEntropy },
            Logits.Span,
            Options);
        Differentiate(_policyGradient, adds: false);
    }

    protected override PtxLossResult AddText(double rlLoss)
    {
        Multiply(Hidden, Weight.Transposed, LogitMatrix, adds: false);
        PtxLossResult result = PtxLoss.ComputeWithGradient<float, int>(
            rlLoss, Logits.Span, Problem.Targets, VocabularySize, LossProblem.Coefficient, Logits.Span, Options);
        Differentiate(_textGradient, adds: true);
        return result;
    }

    private MatrixView<float> Hidden => new(Problem.Hidden.Pointer, Tokens, Width, Width);

    private MatrixView<float> Weight => new(Problem.Weight.Pointer, VocabularySize, Width, Width);

    private MatrixView<float> LogitMatrix => new(Logits.Pointer, Tokens, VocabularySize, VocabularySize);

    private void Differentiate(NativeArray<float> hiddenGradient, bool adds)
    {
        Multiply(LogitMatrix, Weight, new(hiddenGradient.Pointer, Tokens, Width, Width), adds: false);
        Multiply(LogitMatrix.Transposed, Hidden, new(WeightGradient.Pointer, VocabularySize, Width, Width), adds);
    }

    private void Multiply(MatrixView<float> a, MatrixView<float> b, MatrixView<float> c, bool adds)
        => Sgemm.Multiply(a, b, c, adds, _threads, Panels.Pointer);
}
