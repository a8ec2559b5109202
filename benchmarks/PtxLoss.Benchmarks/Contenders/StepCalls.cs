namespace PtxLosses.Benchmarks;

/// <summary>
/// The last layer's part of a step of PPO-ptx: log-probabilities and entropies of a policy's tokens, the gradients of a clipped
/// surrogate with an entropy bonus, and the loss and gradients of as many tokens of text, which are added to the weight's. The
/// same hidden states stand for both.
/// </summary>
/// <param name="problem">Hidden states, weight and targets.</param>
/// <param name="threads">The most threads of a call.</param>
internal abstract class StepCalls(HeadProblem problem, int threads)
{
    private const double Clip = 0.2, EntropyBonus = 0.01;

    /// <summary>How it is done.</summary>
    public abstract string Name { get; }

    /// <summary>The gradient of the weight, of both halves.</summary>
    public AlignedFloats WeightGradient => problem.WeightGradient;

    protected HeadProblem Problem => problem;

    protected int Tokens => problem.Shape.Tokens;

    protected int Width => problem.HeadShape.Width;

    protected int VocabularySize => problem.Shape.VocabularySize;

    protected PtxLossOptions Options { get; } = new() { MaxDegreeOfParallelism = threads };

    protected double[] Loss { get; } = new double[problem.Shape.Tokens];

    protected double[] LogSumExp { get; } = new double[problem.Shape.Tokens];

    protected double[] Entropy { get; } = new double[problem.Shape.Tokens];

    protected double[] OfLoss { get; } = new double[problem.Shape.Tokens];

    protected double[] OfEntropy { get; } = new double[problem.Shape.Tokens];

    /// <summary>The ways of a step.</summary>
    public static IEnumerable<StepCalls> Ways(HeadProblem problem, int threads)
    {
        yield return new HiddenStep<float>(problem, threads);
        yield return new HiddenStep<Half>(problem, threads);
        yield return new HiddenStep<BFloat16>(problem, threads);
        yield return new LogitStep(problem, threads);
    }

    /// <summary>For a peer that measures the memory of one of them.</summary>
    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        HeadProblem problem = HeadProblem.Load(request.HeadShape, request.Folder);
        _ = problem.WeightGradient; // it is there from now on
        return Ways(problem, request.Threads).Select(step => new PeerCall(
            Work.Forward, OutputMemory.Reused, Contender.PtxLoss, step.Name, () => step.Run().LanguageModelLoss));
    }

    /// <summary>A step.</summary>
    public PtxLossResult Run()
    {
        Forward();
        double rlLoss = Surrogate();
        Backward();
        return AddText(rlLoss);
    }

    /// <summary>Fills losses, log-sum-exps and entropies of the policy's tokens.</summary>
    protected abstract void Forward();

    /// <summary>Writes the gradients of the surrogate.</summary>
    protected abstract void Backward();

    /// <summary>Adds the gradients of the text.</summary>
    protected abstract PtxLossResult AddText(double rlLoss);

    /// <summary>As if the policy had moved since the rollout, of some tokens so far that they are clipped.</summary>
    private double Surrogate()
    {
        double sum = 0;
        for (int token = 0; token < Tokens; token++)
        {
            double advantage = token % 4 < 2 ? 1 : -1, ratio = Math.Exp(((token % 7) - 3) * 0.1);
            double free = ratio * advantage, clipped = Math.Clamp(ratio, 1 - Clip, 1 + Clip) * advantage;
            sum += Math.Min(free, clipped) + (EntropyBonus * Entropy[token]);
            OfLoss[token] = free <= clipped ? free / Tokens : 0;
            OfEntropy[token] = -EntropyBonus / Tokens;
        }

        return -sum / Tokens;
    }
}
