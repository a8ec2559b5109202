using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace PtxLosses.Samples.Gpt;

/// <summary>Attention to the tokens up to each one.</summary>
internal sealed class CausalSelfAttention : Module<Tensor, KeyValueCache?, Tensor>
{
    private readonly long _heads;
    private readonly Linear _queryKeyValue;
    private readonly Linear _projection;

    public CausalSelfAttention(GptShape shape)
        : base(nameof(CausalSelfAttention))
    {
        _heads = shape.Heads;
        _queryKeyValue = Linear(shape.Width, 3 * shape.Width);
        _projection = Linear(shape.Width, shape.Width);
        RegisterComponents();
    }

    /// <summary>The layer whose output is added to the residual stream.</summary>
    public Linear Output => _projection;

    /// <param name="x">[batch, tokens, width].</param>
    /// <param name="cache">What was read before, or none; a later call continues the sequences token by token.</param>
    public override Tensor forward(Tensor x, KeyValueCache? cache)
    {
        (long batch, long tokens, long width) = (x.shape[0], x.shape[1], x.shape[2]);
        Tensor[] parts = _queryKeyValue.call(x).view(batch, tokens, 3, _heads, width / _heads).unbind(2);
        (Tensor query, Tensor key, Tensor value) = (parts[0].transpose(1, 2), parts[1].transpose(1, 2), parts[2].transpose(1, 2));
        if (cache is not null)
        {
            (key, value) = cache.Append(key, value);
        }

        // A single token may look at everything there is.
        Tensor attended = functional.scaled_dot_product_attention(query, key, value, is_casual: tokens > 1);
        return _projection.call(attended.transpose(1, 2).reshape(batch, tokens, width));
    }
}
