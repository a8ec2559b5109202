namespace PtxLosses.Samples.Rlhf;

/// <summary>Language modelling from random weights: the PTX loss on its own.</summary>
internal sealed class Pretraining(PtxReader reader, Parameters parameters, int steps) : IPretraining
{
    private const double LearningRate = 0.014;
    private const int WarmUp = 20;

    private readonly Parameters _gradient = new(parameters.Shape);
    private readonly Adam _optimizer = new(parameters.Values.Length);
    private int _step;

    public PtxLossResult Step(int[] tokens, int[] targets)
    {
        PtxLossResult loss = reader.ComputeWithGradient(rlLoss: 0, parameters, tokens, targets, ptxCoefficient: 1, _gradient);
        _optimizer.Step(parameters, _gradient, LearningRate * LearningRateSchedule.At(_step++, steps, WarmUp));
        return loss;
    }

    /// <summary>Nothing: all memory is managed.</summary>
    public void Dispose()
    {
    }
}
