using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;
using PtxLosses.FusedHead;
using PtxLosses.Gemm;

namespace PtxLosses.Calls;

/// <summary>Logits that are computed on the way, from hidden states and a weight.</summary>
/// <param name="matrices">The layer.</param>
/// <param name="gradients">What the bundle of its gradients is called.</param>
/// <param name="maxScratchBytes">A bound on working memory.</param>
internal readonly unsafe struct HeadSource<TElement, TTarget>(
    HeadMatrices<TElement> matrices, string gradients, long maxScratchBytes) : ILogitSource<TTarget>
    where TElement : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly HeadMatrices<TElement> _matrices = matrices;
    private readonly string _gradients = gradients;
    private readonly long _maxScratchBytes = maxScratchBytes;

    public int VocabularySize => _matrices.VocabularySize;

    public void CheckMemory(PtxLossOptions options, ReadOnlySpan<NamedMemory> read, ReadOnlySpan<NamedMemory> written)
    {
        string ofHidden = $"{_gradients}.Hidden", ofWeight = $"{_gradients}.Weight";
        CheckAgainstInputs(_matrices.HiddenGradient, ofHidden);
        CheckAgainstInputs(_matrices.WeightGradient, ofWeight);
        MemoryChecks.Refuse(_matrices.HiddenGradient.Overlaps(_matrices.WeightGradient), ofHidden, ofWeight);

        NamedMemory bias = new(MemoryRange.Of(_matrices.Bias, _matrices.Bias == null ? 0 : VocabularySize), "bias");
        NamedMemory ofBias = new(
            MemoryRange.Of(_matrices.BiasGradient, _matrices.BiasGradient == null ? 0 : VocabularySize), $"{_gradients}.Bias");
        NamedMemory hidden = new(_matrices.Hidden.Memory, "hidden"), weight = new(_matrices.Weight.Memory, "weight");
        NamedMemory[] inputs = [bias, .. read];
        MemoryChecks.CheckDisjoint([new(_matrices.HiddenGradient.Memory, ofHidden)], [ofBias, .. inputs]);
        MemoryChecks.CheckDisjoint([new(_matrices.WeightGradient.Memory, ofWeight)], [ofBias, .. inputs]);
        MemoryChecks.CheckDisjoint([ofBias, .. written], [hidden, weight, .. inputs]);
    }

    public TokenLosses Run(in TokenMemory<TTarget> tokens, in RowOptions options, double scale, long count)
    {
        if (tokens.KnownLogSumExp != null && !_matrices.WantGradient)
        {
            return default; // all is known, and nothing is wanted
        }

        using var scratch = new HeadScratch(
            count, VocabularySize, _matrices.HiddenSize, _maxScratchBytes, options.MaxDegreeOfParallelism);
        return new FusedHeadPass<TElement, TTarget>(_matrices, tokens, options, scale).Run(scratch);
    }

    private void CheckAgainstInputs<T>(MatrixView<T> gradient, string name)
        where T : unmanaged
    {
        MemoryChecks.Refuse(gradient.Overlaps(_matrices.Hidden), name, "hidden");
        MemoryChecks.Refuse(gradient.Overlaps(_matrices.Weight), name, "weight");
    }
}
