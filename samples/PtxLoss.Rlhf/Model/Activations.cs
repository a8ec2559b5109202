namespace PtxLosses.Samples.Rlhf;

/// <summary>What one block leaves behind for its backward pass; all matrices are [length · batch, …].</summary>
internal sealed class BlockActivations(ModelShape shape, int batch, int length)
{
    public Matrix Input { get; } = new(batch * length, shape.Width);

    public Matrix AttentionInput { get; } = new(batch * length, shape.Width);

    public float[] AttentionScale { get; } = new float[batch * length];

    public Matrix QueryKeyValue { get; } = new(batch * length, 3 * shape.Width);

    /// <summary>[batch · heads · length, length].</summary>
    public Matrix Probabilities { get; } = new(batch * length * shape.Heads, length);

    public Matrix Attended { get; } = new(batch * length, shape.Width);

    public Matrix Middle { get; } = new(batch * length, shape.Width);

    public Matrix PerceptronInput { get; } = new(batch * length, shape.Width);

    public float[] PerceptronScale { get; } = new float[batch * length];

    public Matrix Up { get; } = new(batch * length, shape.Hidden);

    public Matrix Activated { get; } = new(batch * length, shape.Hidden);
}

/// <summary>The buffers of a backward pass, shared by all blocks.</summary>
internal sealed class Gradients(ModelShape shape, int rows)
{
    /// <summary>By the residual stream: what all blocks add to.</summary>
    public Matrix Residual { get; } = new(rows, shape.Width);

    public Matrix Width { get; } = new(rows, shape.Width);

    public Matrix QueryKeyValue { get; } = new(rows, 3 * shape.Width);

    public Matrix Hidden { get; } = new(rows, shape.Hidden);
}
