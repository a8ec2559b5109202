namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// All weights in one array, which makes copying a policy, clipping a gradient and stepping the optimizer one loop each.
/// The gradient has the same layout and is a <see cref="Parameters"/> too.
/// </summary>
internal sealed class Parameters
{
    private int _used;

    public Parameters(ModelShape shape)
    {
        Shape = shape;
        int perLayer = (4 * shape.Width * shape.Width) + (2 * shape.Width * shape.Hidden);
        Values = new float[((shape.Vocabulary + shape.Context) * shape.Width) + (shape.Layers * perLayer)];
        TokenEmbedding = Take(shape.Vocabulary, shape.Width);
        PositionEmbedding = Take(shape.Context, shape.Width);
        Layers = new Layer[shape.Layers];
        for (int layer = 0; layer < Layers.Length; layer++)
        {
            Layers[layer] = new Layer(
                QueryKeyValue: Take(shape.Width, 3 * shape.Width),
                Projection: Take(shape.Width, shape.Width),
                Up: Take(shape.Width, shape.Hidden),
                Down: Take(shape.Hidden, shape.Width));
        }
    }

    public ModelShape Shape { get; }

    public float[] Values { get; }

    /// <summary>[vocabulary, width]; the output layer is its transpose (tied weights).</summary>
    public Matrix TokenEmbedding { get; }

    /// <summary>[context, width].</summary>
    public Matrix PositionEmbedding { get; }

    public Layer[] Layers { get; }

    /// <summary>
    /// Small embeddings, weights of variance 1/fan-in, and zero for the two matrices of a layer that write to the residual
    /// stream: the model begins as a bigram table and need not unlearn the noise of random layers first.
    /// </summary>
    public void Initialize(Random random)
    {
        Fill(TokenEmbedding, 0.1, random);
        Fill(PositionEmbedding, 0.05, random);
        foreach (Layer layer in Layers)
        {
            Fill(layer.QueryKeyValue, 1 / Math.Sqrt(Shape.Width), random);
            Fill(layer.Up, 1 / Math.Sqrt(Shape.Width), random);
        }
    }

    public Parameters Clone()
    {
        var copy = new Parameters(Shape);
        Values.CopyTo(copy.Values, 0);
        return copy;
    }

    private static void Fill(Matrix weights, double deviation, Random random)
    {
        foreach (ref float weight in weights.Span)
        {
            // Box and Muller; 1 − u keeps the logarithm's argument above zero.
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            weight = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }
    }

    private Matrix Take(int rows, int columns)
    {
        var taken = new Matrix(Values.AsMemory(_used), rows, columns, columns);
        _used += rows * columns;
        return taken;
    }

    internal sealed record Layer(Matrix QueryKeyValue, Matrix Projection, Matrix Up, Matrix Down);
}

/// <summary>The sizes of a decoder-only transformer.</summary>
internal sealed record ModelShape(int Vocabulary)
{
    public int Context { get; init; } = 64;

    public int Width { get; init; } = 64;

    public int Layers { get; init; } = 2;

    public int Heads { get; init; } = 4;

    public int HeadWidth => Width / Heads;

    public int Hidden => 4 * Width;
}
