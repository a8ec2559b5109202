using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Batch;
using PtxLosses.Common;
using PtxLosses.Gemm;
using PtxLosses.Simd;
using PtxLosses.Softmax;

namespace PtxLosses.FusedHead;

/// <summary>
/// Logits = hidden · weightᵀ + bias, for as many tokens at a time as there is room for logits: these are computed, reduced or
/// turned into their own gradient in place by the pass that every call takes, and that gradient is multiplied with weight and
/// hidden states. Tokens that add nothing are left out before anything is multiplied.
/// </summary>
/// <remarks>Sums are in float, whatever the type of the elements: they are widened on the way.</remarks>
/// <param name="matrices">The layer.</param>
/// <param name="tokens">What goes with each token.</param>
/// <param name="options">What is asked of each row of logits.</param>
/// <param name="scale">∂(what is differentiated) / ∂(the loss of a token that counts once).</param>
internal sealed unsafe class FusedHeadPass<TElement, TTarget>(
    HeadMatrices<TElement> matrices, TokenMemory<TTarget> tokens, RowOptions options, double scale)
    where TElement : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Columns of the logits' gradient that a thread adds up at a time: their sums stay in its cache.</summary>
    private const int ColumnsAtATime = 1024;

    private int VocabularySize => matrices.VocabularySize;

    /// <summary>Computes the sums of the losses, what is asked for per token, and the gradients.</summary>
    public TokenLosses Run(HeadScratch scratch)
    {
        TokenLosses sums = default;
        long next = 0;
        bool adds = options.Accumulates;
        int count;
        while ((count = Gather(ref next, scratch)) > 0)
        {
            MatrixView<float> hidden = scratch.Hidden.Block(0, 0, count, matrices.HiddenSize);
            MatrixView<float> logits = scratch.Logits.Block(0, 0, count, VocabularySize);
            ComputeLogits(in hidden, in logits, scratch);
            sums += VisitRows(in logits, scratch);
            Differentiate(in logits, in hidden, adds, scratch);
            adds = true;
        }

        if (!adds)
        {
            matrices.WeightGradient.Clear();
            new Span<float>(matrices.BiasGradient, matrices.BiasGradient == null ? 0 : VocabularySize).Clear();
        }

        return sums;
    }

    /// <summary>
    /// Widens the hidden states of the next tokens that count, as many as there is room for. One thread does: a state is copied
    /// once and then multiplied with the whole vocabulary.
    /// </summary>
    private int Gather(ref long next, HeadScratch scratch)
    {
        int count = 0;
        for (; next < tokens.Targets.Count && count < scratch.TokensPerPart; next++)
        {
            if (tokens.WeightOf(next) != 0)
            {
                ElementConvert.Widen(matrices.Hidden.Row(next), scratch.Hidden.Row(count));
                scratch.Tokens[count++] = next;
                continue;
            }

            tokens.RecordIgnored(next);
            if (!matrices.HiddenGradient.IsEmpty)
            {
                matrices.HiddenGradient.Row(next).Clear();
            }
        }

        return count;
    }

    private void ComputeLogits(in MatrixView<float> hidden, in MatrixView<float> logits, HeadScratch scratch)
    {
        bool hasBias = matrices.Bias != null;
        for (long row = 0; row < logits.Rows && hasBias; row++)
        {
            ElementConvert.Widen(new ReadOnlySpan<TElement>(matrices.Bias, VocabularySize), logits.Row(row));
        }

        Sgemm.Multiply(hidden, matrices.Weight.Transposed, logits, adds: hasBias, scratch.Threads, scratch.Panels);
    }

    /// <summary>Reduces the logits and, where a gradient is wanted, turns them into theirs.</summary>
    private TokenLosses VisitRows(in MatrixView<float> logits, HeadScratch scratch)
    {
        var rows = new LogitRows<float>(logits.Start, new RowLayout(logits.Rows, logits.RowStride), VocabularySize);
        var memory = new BatchMemory<float, TTarget>
        {
            Logits = rows,
            Tokens = tokens,
            TokenOfRow = scratch.Tokens,
            Gradient = rows,
            WantsGradient = matrices.WantGradient,
        };
        SoftmaxKernel<float> kernel = SoftmaxKernels.For<float>(logits: default);
        return BatchScheduler.Run(new BatchPass<float, TTarget>(kernel, in memory, options with { Accumulates = false }, scale));
    }

    private void Differentiate(in MatrixView<float> logitsGradient, in MatrixView<float> hidden, bool adds, HeadScratch scratch)
    {
        int threads = scratch.Threads;
        float* panels = scratch.Panels;
        MatrixView<float> gradient = matrices.HiddenGradient.IsEmpty
            ? default
            : scratch.HiddenGradient.Block(0, 0, hidden.Rows, hidden.Columns);
        ParallelLoop.Run(
            Sgemm.Multiplication(logitsGradient, matrices.Weight, gradient, adds: false, threads, panels),
            Sgemm.Multiplication(logitsGradient.Transposed, hidden, matrices.WeightGradient, adds, threads, panels),
            matrices.BiasGradient == null ? default : SumOfTokens(logitsGradient, adds, threads));
        for (int i = 0; i < gradient.Rows; i++)
        {
            ElementConvert.Narrow(gradient.Row(i), matrices.HiddenGradient.Row(scratch.Tokens[i]));
        }
    }

    /// <summary>In double: unlike the products, whose sums are begun anew, this is one sum over all tokens of a part.</summary>
    private ParallelWork SumOfTokens(MatrixView<float> logitsGradient, bool adds, int threads)
        => new(Segments.Count(VocabularySize, ColumnsAtATime), threads, (block, _) =>
        {
            Span<float> gradient = Segments.Slice(
                new Span<float>(matrices.BiasGradient, VocabularySize), (int)block, ColumnsAtATime);
            Span<double> sums = stackalloc double[gradient.Length], widened = stackalloc double[gradient.Length];
            sums.Clear();
            if (adds)
            {
                TensorPrimitives.ConvertTruncating<float, double>(gradient, sums);
            }

            for (long row = 0; row < logitsGradient.Rows; row++)
            {
                TensorPrimitives.ConvertTruncating<float, double>(
                    Segments.Slice(logitsGradient.Row(row), (int)block, ColumnsAtATime), widened);
                TensorPrimitives.Add(sums, widened, sums);
            }

            TensorPrimitives.ConvertTruncating<double, float>(sums, gradient);
        });
}
