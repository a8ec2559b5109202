using System.Numerics.Tensors;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The library's loss from hidden states, called as its users call it; or, unfused, with room for the logits of all tokens, which
/// makes it one product into memory, the loss over all of that, and two products from it.
/// </summary>
internal sealed class HeadCalls(HeadProblem problem, int threads, bool isFused)
{
    public const string Unfused = "unfused";

    private static readonly bool[] _fusedAndNot = [true, false];
    private static readonly Work[] _works = [Work.Forward, Work.Gradient];

    private readonly PtxLossOptions _options = isFused
        ? new() { MaxDegreeOfParallelism = threads }
        : new() { MaxDegreeOfParallelism = threads, MaxScratchBytes = long.MaxValue };

    /// <summary>Fused and not, the loss alone and with its gradients.</summary>
    public static IEnumerable<(HeadCalls Calls, Work Work)> All(HeadProblem problem, int threads)
        => from isFused in _fusedAndNot
           from work in _works
           select (new HeadCalls(problem, threads, isFused), work);

    /// <summary>For a peer that measures the memory of one of them.</summary>
    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        HeadProblem problem = HeadProblem.Load(request.HeadShape, request.Folder);
        _ = (problem.HiddenGradient, problem.WeightGradient); // both are there from now on
        return All(problem, request.Threads).Select(it => new PeerCall(
            it.Work, OutputMemory.Reused, it.Calls.By, it.Calls.Name(it.Work), () => it.Calls.Run(it.Work))
        {
            GradientAnswers = () => it.Work == Work.Forward
                ? []
                :
                [
                    Sums.Dot(problem.HiddenGradient.Span, problem.Hidden.Span),
                    Sums.Dot(problem.WeightGradient.Span, problem.Weight.Span),
                ],
        });
    }

    public string By => isFused ? Contender.PtxLoss : Unfused;

    public string Name(Work work)
        => (work == Work.Forward ? nameof(PtxLoss.ComputeFromHidden) : nameof(PtxLoss.ComputeFromHiddenWithGradient))
            + (isFused ? "" : ", all logits in memory");

    /// <summary>Checks the answer first.</summary>
    public Contender ToContender(Work work)
    {
        string name = $"{By}, {Name(work)}";
        problem.Check(name, Run(work));
        if (work == Work.Gradient)
        {
            problem.CheckGradients(name);
        }

        return new(work, By, Name(work), problem.Shape, threads, Contender.TurnsOf(() => Run(work)));
    }

    /// <summary>The mean loss of a token.</summary>
    public double Run(Work work) => (work == Work.Forward ? Compute() : ComputeWithGradient()).LanguageModelLoss;

    private PtxLossResult Compute() => PtxLoss.ComputeFromHidden<float, int>(
        LossProblem.RlLoss,
        Tensor(problem.Hidden),
        Tensor(problem.Weight),
        problem.Targets,
        LossProblem.Coefficient,
        _options);

    private PtxLossResult ComputeWithGradient() => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
        LossProblem.RlLoss,
        Tensor(problem.Hidden),
        Tensor(problem.Weight),
        problem.Targets,
        LossProblem.Coefficient,
        new() { Hidden = Tensor(problem.HiddenGradient), Weight = Tensor(problem.WeightGradient) },
        _options);

    private TensorSpan<float> Tensor(AlignedFloats matrix)
    {
        nint width = problem.HeadShape.Width;
        return new(matrix.Span, [matrix.Length / width, width]);
    }
}
