using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace PtxLosses.Samples.Gpt;

/// <summary>
/// GPT-2's decoder, small (Radford et al. 2019). It ends at the hidden states that the output layer gets: that layer's weight is
/// the token embedding's (tied weights), and the layer belongs to whoever needs logits, or only their loss.
/// </summary>
internal sealed class GptModel : Module<Tensor, Tensor>
{
    private const double Deviation = 0.02;

    private readonly Embedding _tokenEmbedding;
    private readonly Embedding _positionEmbedding;
    private readonly ModuleList<Block> _blocks;
    private readonly LayerNorm _norm;

    /// <summary>Random weights, from torch's own generator.</summary>
    public GptModel(GptShape shape)
        : base(nameof(GptModel))
    {
        Shape = shape;
        _tokenEmbedding = Embedding(shape.Vocabulary, shape.Width);
        _positionEmbedding = Embedding(shape.Context, shape.Width);
        _blocks = ModuleList([.. Enumerable.Range(0, (int)shape.Layers).Select(_ => new Block(shape))]);
        _norm = LayerNorm(shape.Width);
        RegisterComponents();
        Initialize();
    }

    public GptShape Shape { get; }

    /// <summary>The weight of the output layer, [vocabulary, width].</summary>
    public Parameter OutputWeight => _tokenEmbedding.weight!;

    /// <summary>The hidden states of tokens, [batch, tokens, width].</summary>
    /// <param name="tokens">Ids, [batch, tokens].</param>
    public override Tensor forward(Tensor tokens) => Forward(tokens, caches: null);

    /// <summary>The same for tokens that continue what the caches have read.</summary>
    /// <param name="tokens">Ids, [batch, tokens].</param>
    /// <param name="caches">One for each layer.</param>
    public Tensor Continue(Tensor tokens, IReadOnlyList<KeyValueCache> caches) => Forward(tokens, caches);

    private Tensor Forward(Tensor tokens, IReadOnlyList<KeyValueCache>? caches)
    {
        long first = caches?[0].Length ?? 0;
        Tensor positions = torch.arange(first, first + tokens.shape[1], device: tokens.device);
        Tensor x = _tokenEmbedding.call(tokens) + _positionEmbedding.call(positions);
        for (int layer = 0; layer < _blocks.Count; layer++)
        {
            x = _blocks[layer].call(x, caches?[layer]);
        }

        return _norm.call(x);
    }

    /// <summary>As GPT-2: what many layers add to the residual stream is smaller, by the root of how many they are.</summary>
    private void Initialize()
    {
        using var noGrad = torch.no_grad();
        foreach ((string name, Parameter parameter) in named_parameters())
        {
            if (parameter.dim() == 2)
            {
                init.normal_(parameter, 0, Deviation);
            }
            else if (name.EndsWith("bias", StringComparison.Ordinal))
            {
                init.zeros_(parameter);
            }
        }

        foreach (Linear output in _blocks.SelectMany(block => block.Outputs))
        {
            init.normal_(output.weight, 0, Deviation / Math.Sqrt(2 * Shape.Layers));
        }
    }
}
