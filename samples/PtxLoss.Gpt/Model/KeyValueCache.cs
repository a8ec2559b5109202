namespace PtxLosses.Samples.Gpt;

/// <summary>The keys and values of the tokens that a layer has read: sampling reads each token once.</summary>
internal sealed class KeyValueCache : IDisposable
{
    private Tensor? _keys;
    private Tensor? _values;

    /// <summary>How many tokens of each sequence have been read.</summary>
    public long Length => _keys?.shape[2] ?? 0;

    /// <summary>All keys and values so far, [batch, heads, tokens, width of a head], which belong to the cache.</summary>
    public (Tensor Keys, Tensor Values) Append(Tensor keys, Tensor values)
    {
        _keys = Join(_keys, keys);
        _values = Join(_values, values);
        return (_keys, _values);
    }

    public void Dispose()
    {
        _keys?.Dispose();
        _values?.Dispose();
    }

    /// <summary>The result outlives the dispose scope of one token.</summary>
    private static Tensor Join(Tensor? earlier, Tensor later)
    {
        using (earlier)
        {
            return (earlier is null ? later.alias() : torch.cat([earlier, later], dim: 2)).DetachFromDisposeScope();
        }
    }
}
