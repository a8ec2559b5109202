using TorchSharp;
using TorchSharp.Modules;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// A model's output layer and the PPO-ptx loss in one module:
/// <see cref="ptx.linear_loss(Tensor, Tensor, Tensor, Tensor, double, Tensor, PtxLossOptions, Tensor)"/> with its γ and options.
/// </summary>
public sealed class LinearPtxLossModule : torch.nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    private readonly Linear _layer;
    private readonly bool _isOwner;

    /// <summary>Makes an output layer of its own, a part of this module: among its parameters, and moved with it.</summary>
    /// <param name="hidden_size">The length of a hidden state.</param>
    /// <param name="vocabulary_size">The number of ids.</param>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="has_bias">Whether the layer has a bias.</param>
    /// <param name="device">Where the layer is; <see langword="null"/>: torch's default.</param>
    /// <param name="dtype">Its type; <see langword="null"/>: torch's default.</param>
    /// <exception cref="ArgumentOutOfRangeException">γ is not finite.</exception>
    public LinearPtxLossModule(
        long hidden_size,
        long vocabulary_size,
        double ptx_coefficient,
        PtxLossOptions? options = null,
        bool has_bias = false,
        torch.Device? device = null,
        torch.ScalarType? dtype = null)
        : this(torch.nn.Linear(hidden_size, vocabulary_size, has_bias, device, dtype), ptx_coefficient, options, isOwner: true)
    {
    }

    /// <summary>
    /// Takes the output layer of a model, which stays its owner: this module has no parameters, and follows the layer wherever it
    /// is moved.
    /// </summary>
    /// <param name="output_layer">The layer from hidden states to logits.</param>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentNullException">There is no layer.</exception>
    /// <exception cref="ArgumentOutOfRangeException">γ is not finite.</exception>
    public LinearPtxLossModule(Linear output_layer, double ptx_coefficient, PtxLossOptions? options = null)
        : this(output_layer, ptx_coefficient, options, isOwner: false)
    {
    }

    private LinearPtxLossModule(Linear output_layer, double ptx_coefficient, PtxLossOptions? options, bool isOwner)
        : base(nameof(LinearPtxLossModule))
    {
        ArgumentNullException.ThrowIfNull(output_layer);
        Arguments.CheckCoefficient(ptx_coefficient);
        (_layer, _isOwner) = (output_layer, isOwner);
        (this.ptx_coefficient, this.options) = (ptx_coefficient, options ?? PtxLossOptions.Default);
        if (isOwner)
        {
            register_module(nameof(output_layer), output_layer);
        }
    }

    /// <summary>γ.</summary>
    public double ptx_coefficient { get; }

    /// <summary>How the loss is computed.</summary>
    public PtxLossOptions options { get; }

    /// <summary>The weight of the output layer, <c>[vocabulary, d]</c>.</summary>
    public Parameter weight => _layer.weight;

    /// <summary>Its bias, <c>[vocabulary]</c>, or <see langword="null"/>.</summary>
    public Parameter? bias => _layer.bias;

    /// <summary>The total.</summary>
    /// <param name="rl_loss">The RL loss of the step, a scalar.</param>
    /// <param name="hidden">The hidden states, <c>[.., d]</c>.</param>
    /// <param name="targets">The ids to predict.</param>
    /// <returns>The total, a scalar.</returns>
    /// <exception cref="ArgumentException">As for the function.</exception>
    public override Tensor forward(Tensor rl_loss, Tensor hidden, Tensor targets)
        => ptx.linear_loss(rl_loss, hidden, weight, targets, ptx_coefficient, bias, options);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && _isOwner)
        {
            _layer.Dispose();
        }

        base.Dispose(disposing);
    }
}
