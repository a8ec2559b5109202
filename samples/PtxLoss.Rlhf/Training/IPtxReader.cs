namespace PtxLosses.Samples.Rlhf;

/// <summary>Runs a policy over pretraining text, for the loss of predicting it.</summary>
internal interface IPtxReader
{
    int Batch { get; }

    int Rows { get; }

    /// <summary>The language-modelling loss, summed over the tokens.</summary>
    PtxLossResult ComputeSum(Parameters parameters, int[] tokens, int[] targets);

    /// <summary>The loss; adds the gradient of γ · L_ptx by the parameters to <paramref name="sum"/>.</summary>
    PtxLossResult ComputeWithGradient(
        double rlLoss, Parameters parameters, int[] tokens, int[] targets, double ptxCoefficient, Parameters sum);
}
