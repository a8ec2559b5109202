using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// The PPO-ptx loss over logits as a module:
/// <see cref="ptx.loss(Tensor, Tensor, Tensor, double, PtxLossOptions, Tensor, bool)"/> with its γ and options.
/// </summary>
public sealed class PtxLossModule : torch.nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    /// <summary>Makes a loss.</summary>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="inplace">Whether the gradient is written where the logits are.</param>
    /// <exception cref="ArgumentOutOfRangeException">γ is not finite.</exception>
    public PtxLossModule(double ptx_coefficient, PtxLossOptions? options = null, bool inplace = false)
        : base(nameof(PtxLossModule))
    {
        Arguments.CheckCoefficient(ptx_coefficient);
        (this.ptx_coefficient, this.options, this.inplace) = (ptx_coefficient, options ?? PtxLossOptions.Default, inplace);
    }

    /// <summary>γ.</summary>
    public double ptx_coefficient { get; }

    /// <summary>How the loss is computed.</summary>
    public PtxLossOptions options { get; }

    /// <summary>Whether the gradient is written where the logits are.</summary>
    public bool inplace { get; }

    /// <summary>The total.</summary>
    /// <param name="rl_loss">The RL loss of the step, a scalar.</param>
    /// <param name="logits">The logits, <c>[.., vocabulary]</c>.</param>
    /// <param name="targets">The ids to predict.</param>
    /// <returns>The total, a scalar.</returns>
    /// <exception cref="ArgumentException">As for the function.</exception>
    public override Tensor forward(Tensor rl_loss, Tensor logits, Tensor targets)
        => ptx.loss(rl_loss, logits, targets, ptx_coefficient, options, inplace: inplace);
}
