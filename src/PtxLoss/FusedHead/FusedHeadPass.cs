using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Batch;
using PtxLosses.Common;
using PtxLosses.Gemm;
using PtxLosses.Softmax;

namespace PtxLosses.FusedHead;

/// <summary>
/// The loss of logits = hidden · weightᵀ + bias, and its gradients, for as many tokens at a time as there is room for logits:
/// these are computed, turned into their own gradient in place by the pass that every call takes, and multiplied with weight and
/// hidden states. Tokens that count nowhere are left out before anything is multiplied. All memory is pinned, and its shapes are
/// checked.
/// </summary>
internal sealed unsafe class FusedHeadPass<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Columns of the logits' gradient that a thread adds up at a time: their sums stay in its cache.</summary>
    private const int ColumnsAtATime = 1024;

    /// <summary>[tokens × d].</summary>
    public required MatrixView<float> Hidden { get; init; }

    /// <summary>[vocabulary × d].</summary>
    public required MatrixView<float> Weight { get; init; }

    /// <summary>[vocabulary], or null.</summary>
    public required float* Bias { get; init; }

    public required TargetRows<TTarget> Targets { get; init; }

    /// <summary>[tokens], or null.</summary>
    public required float* TokenWeights { get; init; }

    /// <summary>Like <see cref="Hidden"/>, or empty where it is not wanted.</summary>
    public required MatrixView<float> HiddenGradient { get; init; }

    /// <summary>Like <see cref="Weight"/>, or empty.</summary>
    public required MatrixView<float> WeightGradient { get; init; }

    /// <summary>Like <see cref="Bias"/>.</summary>
    public required float* BiasGradient { get; init; }

    public required RowOptions Options { get; init; }

    /// <summary>∂(what is differentiated) / ∂(the loss of a token that counts once).</summary>
    public required double Scale { get; init; }

    private int VocabularySize => (int)Weight.Rows;

    /// <summary>Computes the sums of the losses, and the gradients.</summary>
    public TokenLosses Run(HeadScratch scratch)
    {
        TokenLosses sums = default;
        long next = 0;
        bool adds = Options.Accumulates;
        int count;
        while ((count = Gather(ref next, scratch)) > 0)
        {
            MatrixView<float> hidden = scratch.Hidden.Block(0, 0, count, Hidden.Columns);
            MatrixView<float> logits = scratch.Logits.Block(0, 0, count, VocabularySize);
            ComputeLogits(in hidden, in logits, scratch);
            sums += Reduce(in logits, scratch);
            Differentiate(in logits, in hidden, adds, scratch);
            adds = true;
        }

        if (!adds)
        {
            WeightGradient.Clear();
            new Span<float>(BiasGradient, BiasGradient == null ? 0 : VocabularySize).Clear();
        }

        return sums;
    }

    /// <summary>
    /// Copies the hidden states of the next tokens that count, as many as there is room for. One thread does: a state is copied
    /// once and then multiplied with the whole vocabulary.
    /// </summary>
    private int Gather(ref long next, HeadScratch scratch)
    {
        int count = 0;
        for (; next < Targets.Count && count < scratch.TokensPerPart; next++)
        {
            bool counts = Targets.Counts(next, out long target);
            float weight = !counts ? 0 : TokenWeights == null ? 1 : TokenWeights[next];
            if (weight != 0)
            {
                Hidden.Row(next).CopyTo(scratch.Hidden.Row(count));
                (scratch.Tokens[count], scratch.Targets[count], scratch.Weights[count]) = (next, target, weight);
                count++;
            }
            else if (!HiddenGradient.IsEmpty && !Options.Accumulates)
            {
                HiddenGradient.Row(next).Clear();
            }
        }

        return count;
    }

    private void ComputeLogits(in MatrixView<float> hidden, in MatrixView<float> logits, HeadScratch scratch)
    {
        for (long token = 0; token < logits.Rows && Bias != null; token++)
        {
            new ReadOnlySpan<float>(Bias, VocabularySize).CopyTo(logits.Row(token));
        }

        Sgemm.Multiply(hidden, Weight.Transposed, logits, adds: Bias != null, scratch.Threads, scratch.Panels);
    }

    /// <summary>Sums the losses and, where a gradient is wanted, turns the logits into theirs.</summary>
    private TokenLosses Reduce(in MatrixView<float> logits, HeadScratch scratch)
    {
        var rows = new LogitRows<float>(logits.Start, new RowLayout(logits.Rows, logits.RowStride), VocabularySize);
        var memory = new BatchMemory<float, long>
        {
            Logits = rows,
            Targets = new(scratch.Targets, logits.Rows, ignoreIndex: null),
            TokenWeights = TokenWeights == null ? null : scratch.Weights,
            Gradient = rows,
            WantsGradient = !HiddenGradient.IsEmpty || !WeightGradient.IsEmpty || BiasGradient != null,
        };
        SoftmaxKernel<float> kernel = SoftmaxKernels.For<float>(logits: default);
        var pass = new BatchPass<float, long>(kernel, in memory, Options with { Accumulates = false }, Scale);
        return BatchScheduler.Run(in pass);
    }

    private void Differentiate(in MatrixView<float> logitsGradient, in MatrixView<float> hidden, bool adds, HeadScratch scratch)
    {
        if (!HiddenGradient.IsEmpty)
        {
            MatrixView<float> gradient = scratch.HiddenGradient.Block(0, 0, hidden.Rows, hidden.Columns);
            Sgemm.Multiply(logitsGradient, Weight, gradient, adds: false, scratch.Threads, scratch.Panels);
            for (int i = 0; i < gradient.Rows; i++)
            {
                Add(gradient.Row(i), HiddenGradient.Row(scratch.Tokens[i]), Options.Accumulates);
            }
        }

        if (!WeightGradient.IsEmpty)
        {
            Sgemm.Multiply(logitsGradient.Transposed, hidden, WeightGradient, adds, scratch.Threads, scratch.Panels);
        }

        if (BiasGradient != null)
        {
            AddUpTokens(logitsGradient, adds, scratch.Threads);
        }
    }

    /// <summary>In double: unlike the products, whose sums are begun anew, this is one sum over all tokens of a part.</summary>
    private void AddUpTokens(MatrixView<float> logitsGradient, bool adds, int threads)
        => ParallelLoop.Run(Segments.Count(VocabularySize, ColumnsAtATime), threads, block =>
        {
            Span<float> gradient = Segments.Slice(new Span<float>(BiasGradient, VocabularySize), (int)block, ColumnsAtATime);
            Span<double> sums = stackalloc double[gradient.Length], widened = stackalloc double[gradient.Length];
            sums.Clear();
            if (adds)
            {
                TensorPrimitives.ConvertTruncating<float, double>(gradient, sums);
            }

            for (long token = 0; token < logitsGradient.Rows; token++)
            {
                Span<float> row = Segments.Slice(logitsGradient.Row(token), (int)block, ColumnsAtATime);
                TensorPrimitives.ConvertTruncating<float, double>(row, widened);
                TensorPrimitives.Add(sums, widened, sums);
            }

            TensorPrimitives.ConvertTruncating<double, float>(sums, gradient);
        });

    private static void Add(ReadOnlySpan<float> values, Span<float> destination, bool adds)
    {
        if (adds)
        {
            TensorPrimitives.Add(destination, values, destination);
        }
        else
        {
            values.CopyTo(destination);
        }
    }
}
