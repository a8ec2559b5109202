using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace PtxLosses.Samples.Gpt;

/// <summary>A pre-norm layer of GPT-2: attention, then a perceptron, each added to what comes in.</summary>
internal sealed class Block : Module<Tensor, KeyValueCache?, Tensor>
{
    private readonly LayerNorm attention_norm;
    private readonly CausalSelfAttention attention;
    private readonly LayerNorm perceptron_norm;
    private readonly Linear up;
    private readonly Linear down;

    public Block(GptShape shape)
        : base(nameof(Block))
    {
        attention_norm = LayerNorm(shape.Width);
        attention = new CausalSelfAttention(shape);
        perceptron_norm = LayerNorm(shape.Width);
        up = Linear(shape.Width, 4 * shape.Width);
        down = Linear(4 * shape.Width, shape.Width);
        RegisterComponents();
    }

    /// <summary>The layers whose outputs are added to the residual stream.</summary>
    public IEnumerable<Linear> Outputs => [attention.Output, down];

    public override Tensor forward(Tensor x, KeyValueCache? cache)
    {
        x = x + attention.call(attention_norm.call(x), cache);
        return x + down.call(functional.gelu(up.call(perceptron_norm.call(x))));
    }
}
