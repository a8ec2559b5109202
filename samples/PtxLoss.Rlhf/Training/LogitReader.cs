namespace PtxLosses.Samples.Rlhf;

/// <summary>Computes all logits, then their loss and gradient in place.</summary>
internal sealed class LogitReader(LogitModel model) : IPtxReader
{
    public int Batch => model.Batch;

    public int Rows => model.Rows;

    private static PtxLossOptions SumReduction { get; } = new() { Reduction = LossReduction.Sum };

    public PtxLossResult ComputeSum(Parameters parameters, int[] tokens, int[] targets)
    {
        model.Forward(parameters, tokens);
        return PtxLoss.Compute(rlLoss: 0, model.Logits.Span, targets, model.Logits.Columns, ptxCoefficient: 1, SumReduction);
    }

    public PtxLossResult ComputeWithGradient(
        double rlLoss, Parameters parameters, int[] tokens, int[] targets, double ptxCoefficient, Parameters sum)
    {
        model.Forward(parameters, tokens);

        // The gradient takes the place of the logits: they are the largest buffer, and nothing needs them any more.
        Span<float> logits = model.Logits.Span;
        PtxLossResult loss = PtxLoss.ComputeWithGradient(rlLoss, logits, targets, model.Logits.Columns, ptxCoefficient, logits);
        model.Backward(parameters, model.Logits, sum);
        return loss;
    }
}
