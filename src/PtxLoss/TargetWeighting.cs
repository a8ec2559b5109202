namespace PtxLosses;

/// <summary>
/// A factor for each token's loss that depends on the probability p that the model gives to the token's target. It is a constant
/// to differentiation, and the divisor of a mean does not contain it.
/// </summary>
public enum TargetWeighting
{
    /// <summary>1: each token counts as much as its weight says.</summary>
    Uniform,

    /// <summary>
    /// p: tokens that the model holds for unlikely count less. Source: Wu et al., "On the Generalization of SFT: A Reinforcement
    /// Learning Perspective with Reward Rectification" (Dynamic Fine-Tuning), 2025, equation 9; <c>use_token_scaling</c> in
    /// Liger-Kernel.
    /// </summary>
    Probability,

    /// <summary>
    /// p·(1 − p): tokens that the model holds for unlikely count less, and those that it is sure of as well. Source: Zhang et
    /// al., "On-Policy RL Meets Off-Policy Experts: Harmonizing Supervised Fine-Tuning and Reinforcement Learning via Dynamic
    /// Weighting" (CHORD), 2025, where it is φ.
    /// </summary>
    ProbabilityVariance,
}
