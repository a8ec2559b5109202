namespace PtxLosses.Samples.Rlhf;

/// <summary>Language modelling from random weights: the PTX loss on its own.</summary>
internal sealed class Pretraining(PtxReader reader, TokenizedText text, Parameters parameters, int seed, int steps)
{
    private const double LearningRate = 0.014;
    private const int WarmUp = 20;

    private readonly Random _random = new(seed);
    private readonly int[] _tokens = new int[reader.Rows];
    private readonly int[] _targets = new int[reader.Rows];
    private readonly Parameters _gradient = new(parameters.Shape);
    private readonly Adam _optimizer = new(parameters.Values.Length);
    private int _step;

    public PtxLossResult Step()
    {
        text.Sample(_random, reader.Batch, _tokens, _targets);
        PtxLossResult loss = reader.ComputeWithGradient(rlLoss: 0, parameters, _tokens, _targets, ptxCoefficient: 1, _gradient);
        _optimizer.Step(parameters, _gradient, LearningRateAt(_step++));
        return loss;
    }

    /// <summary>Linear warm-up, then a cosine down to a tenth.</summary>
    private double LearningRateAt(int step) => LearningRate * Math.Min(1, (step + 1.0) / WarmUp)
        * (0.55 + (0.45 * Math.Cos(Math.PI * step / steps)));
}
