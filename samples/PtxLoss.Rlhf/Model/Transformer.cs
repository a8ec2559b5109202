using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// A decoder-only transformer for batches of one fixed shape: pre-norm blocks of causal attention and a squared-ReLU
/// multilayer perceptron, learned positions. It ends at the hidden states that the output layer gets: that layer is the token
/// embedding's transpose (tied weights) and belongs to whoever needs logits, or only their loss. Token and target arrays are
/// time-major like every row of activations: index = position · batch + sequence.
/// </summary>
internal sealed class Transformer
{
    private readonly int _promptRows;
    private readonly CausalAttention _attention;
    private readonly BlockActivations[] _blocks;
    private readonly Matrix _output;
    private readonly Matrix _hidden;
    private readonly float[] _hiddenScale;
    private readonly Gradients _gradients;
    private int[] _tokens = [];

    /// <param name="shape">The sizes of the model.</param>
    /// <param name="batch">Sequences at a time.</param>
    /// <param name="length">Tokens of each sequence.</param>
    /// <param name="promptLength">How many positions at the start are only read: they predict nothing.</param>
    public Transformer(ModelShape shape, int batch, int length, int promptLength = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, shape.Context);
        (Batch, Length, _promptRows) = (batch, length, promptLength * batch);
        _attention = new CausalAttention(shape, batch, length);
        _blocks = [.. Enumerable.Range(0, shape.Layers).Select(_ => new BlockActivations(shape, batch, length))];
        _output = new Matrix(Rows, shape.Width);
        _hidden = new Matrix(Rows, shape.Width);
        _hiddenScale = new float[Rows];
        _gradients = new Gradients(shape, Rows);
    }

    public int Batch { get; }

    public int Length { get; }

    public int Rows => Batch * Length;

    /// <summary>
    /// Of every position after the prompt, [(length − prompt length) · batch, width], written by <see cref="Forward"/>.
    /// </summary>
    public Matrix Hidden => Predicting(_hidden);

    /// <summary>Shaped like <see cref="Hidden"/>; to be written before <see cref="Backward"/>, which uses it up.</summary>
    public Matrix HiddenGradient => Predicting(_gradients.Width);

    /// <summary>Writes <see cref="Hidden"/>; the activations are kept for <see cref="Backward"/>.</summary>
    public void Forward(Parameters parameters, int[] tokens) => ForwardPositions(parameters, tokens, 0, Length);

    /// <summary>
    /// Hidden states that predict the next token of every sequence, [batch, width], from positions <paramref name="first"/> up to
    /// <paramref name="end"/>; the earlier positions must have been given before.
    /// </summary>
    public Matrix Decode(Parameters parameters, int[] tokens, int first, int end)
    {
        ForwardPositions(parameters, tokens, first, end);
        return _hidden.Slice((end - 1) * Batch, Batch);
    }

    /// <summary>
    /// Adds the gradient by the parameters to <paramref name="sum"/>, given <see cref="HiddenGradient"/> of the last
    /// <see cref="Forward"/>. What the output layer adds is not in it.
    /// </summary>
    public void Backward(Parameters parameters, Parameters sum)
    {
        Matrix residual = _gradients.Residual;
        Matrix width = _gradients.Width;
        width.Slice(0, _promptRows).Span.Clear();
        residual.Span.Clear();
        RmsNorm.Backward(width, _hidden, _hiddenScale, residual);
        for (int layer = _blocks.Length - 1; layer >= 0; layer--)
        {
            BackwardPerceptron(parameters.Layers[layer], _blocks[layer], sum.Layers[layer]);
            BackwardAttention(parameters.Layers[layer], _blocks[layer], sum.Layers[layer]);
        }

        for (int row = 0; row < Rows; row++)
        {
            ReadOnlySpan<float> gradient = residual.Row(row);
            Add(gradient, sum.TokenEmbedding.Row(_tokens[row]));
            Add(gradient, sum.PositionEmbedding.Row(row / Batch));
        }
    }

    private Matrix Predicting(Matrix rows) => rows.Slice(_promptRows, Rows - _promptRows);

    private static void Add(ReadOnlySpan<float> values, Span<float> sum) => TensorPrimitives.Add(sum, values, sum);

    private void ForwardPositions(Parameters parameters, int[] tokens, int first, int end)
    {
        _tokens = tokens;
        int firstRow = first * Batch;
        int rows = (end - first) * Batch;
        for (int row = firstRow; row < firstRow + rows; row++)
        {
            Span<float> position = parameters.PositionEmbedding.Row(row / Batch);
            TensorPrimitives.Add(parameters.TokenEmbedding.Row(tokens[row]), position, _blocks[0].Input.Row(row));
        }

        for (int layer = 0; layer < _blocks.Length; layer++)
        {
            BlockActivations block = _blocks[layer];
            Parameters.Layer weights = parameters.Layers[layer];
            Matrix output = layer + 1 < _blocks.Length ? _blocks[layer + 1].Input : _output;

            RmsNorm.Forward(block.Input, block.AttentionInput, block.AttentionScale, firstRow, rows);
            Product(block.AttentionInput, weights.QueryKeyValue, block.QueryKeyValue, firstRow, rows);
            _attention.Forward(block.QueryKeyValue, block.Probabilities, block.Attended, first, end);
            AddProduct(block.Input, block.Attended, weights.Projection, block.Middle, firstRow, rows);

            RmsNorm.Forward(block.Middle, block.PerceptronInput, block.PerceptronScale, firstRow, rows);
            Product(block.PerceptronInput, weights.Up, block.Up, firstRow, rows);
            SquaredRelu(block.Up, block.Activated, firstRow, rows);
            AddProduct(block.Middle, block.Activated, weights.Down, output, firstRow, rows);
        }

        RmsNorm.Forward(_output, _hidden, _hiddenScale, firstRow, rows);
    }

    private static void Product(Matrix x, Matrix w, Matrix y, int firstRow, int rows) =>
        Sgemm.Multiply(x.Slice(firstRow, rows), w, y.Slice(firstRow, rows));

    /// <summary>The residual connection: to = from + x·w.</summary>
    private static void AddProduct(Matrix from, Matrix x, Matrix w, Matrix to, int firstRow, int rows)
    {
        Matrix sum = to.Slice(firstRow, rows);
        from.Slice(firstRow, rows).Span.CopyTo(sum.Span);
        Sgemm.Multiply(x.Slice(firstRow, rows), w, sum, accumulate: true);
    }

    private static void SquaredRelu(Matrix x, Matrix y, int firstRow, int rows) =>
        RowParallel.For(firstRow, rows, (first, end) =>
        {
            Span<float> result = y.Slice(first, end - first).Span;
            TensorPrimitives.Max(x.Slice(first, end - first).Span, 0f, result);
            TensorPrimitives.Multiply(result, result, result);
        });

    private void BackwardPerceptron(Parameters.Layer weights, BlockActivations block, Parameters.Layer sum)
    {
        Matrix residual = _gradients.Residual;
        Matrix hidden = _gradients.Hidden;
        Sgemm.Multiply(residual, weights.Down.Transposed, hidden);
        Sgemm.Multiply(block.Activated.Transposed, residual, sum.Down, accumulate: true);

        // d relu(x)² = 2·relu(x); the forward pass is done with x, so its buffer takes relu(x).
        RowParallel.For(0, Rows, (first, end) =>
        {
            Span<float> gradient = hidden.Slice(first, end - first).Span;
            Span<float> x = block.Up.Slice(first, end - first).Span;
            TensorPrimitives.Max(x, 0f, x);
            TensorPrimitives.Multiply(gradient, x, gradient);
            TensorPrimitives.Multiply(gradient, 2f, gradient);
        });
        Sgemm.Multiply(block.PerceptronInput.Transposed, hidden, sum.Up, accumulate: true);
        Sgemm.Multiply(hidden, weights.Up.Transposed, _gradients.Width);
        RmsNorm.Backward(_gradients.Width, block.PerceptronInput, block.PerceptronScale, residual);
    }

    private void BackwardAttention(Parameters.Layer weights, BlockActivations block, Parameters.Layer sum)
    {
        Matrix residual = _gradients.Residual;
        Sgemm.Multiply(residual, weights.Projection.Transposed, _gradients.Width);
        Sgemm.Multiply(block.Attended.Transposed, residual, sum.Projection, accumulate: true);
        _attention.Backward(block.QueryKeyValue, block.Probabilities, _gradients.Width, _gradients.QueryKeyValue);
        Sgemm.Multiply(block.AttentionInput.Transposed, _gradients.QueryKeyValue, sum.QueryKeyValue, accumulate: true);
        Sgemm.Multiply(_gradients.QueryKeyValue, weights.QueryKeyValue.Transposed, _gradients.Width);
        RmsNorm.Backward(_gradients.Width, block.AttentionInput, block.AttentionScale, residual);
    }
}
