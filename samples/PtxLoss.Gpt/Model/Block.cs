using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace PtxLosses.Samples.Gpt;

/// <summary>A pre-norm layer of GPT-2: attention, then a perceptron, each added to what comes in.</summary>
internal sealed class Block : Module<Tensor, KeyValueCache?, Tensor>
{
    private readonly LayerNorm _attentionNorm;
    private readonly CausalSelfAttention _attention;
    private readonly LayerNorm _perceptronNorm;
    private readonly Linear _up;
    private readonly Linear _down;

    public Block(GptShape shape)
        : base(nameof(Block))
    {
        _attentionNorm = LayerNorm(shape.Width);
        _attention = new CausalSelfAttention(shape);
        _perceptronNorm = LayerNorm(shape.Width);
        _up = Linear(shape.Width, 4 * shape.Width);
        _down = Linear(4 * shape.Width, shape.Width);
        RegisterComponents();
    }

    /// <summary>The layers whose outputs are added to the residual stream.</summary>
    public IEnumerable<Linear> Outputs => [_attention.Output, _down];

    public override Tensor forward(Tensor x, KeyValueCache? cache)
    {
        x = x + _attention.call(_attentionNorm.call(x), cache);
        return x + _down.call(functional.gelu(_up.call(_perceptronNorm.call(x))));
    }
}
