using PtxLosses.Gemm;

namespace PtxLosses.FusedHead;

/// <summary>What a last layer multiplies, and where the gradients of that go: pinned, and of checked shapes.</summary>
internal readonly unsafe struct HeadMatrices<TElement>
    where TElement : unmanaged
{
    /// <summary>[tokens × d].</summary>
    public required MatrixView<TElement> Hidden { get; init; }

    /// <summary>[vocabulary × d].</summary>
    public required MatrixView<TElement> Weight { get; init; }

    /// <summary>[vocabulary], or null.</summary>
    public required TElement* Bias { get; init; }

    /// <summary>Like <see cref="Hidden"/>, or empty where it is not wanted.</summary>
    public required MatrixView<TElement> HiddenGradient { get; init; }

    /// <summary>Like <see cref="Weight"/>, or empty.</summary>
    public required MatrixView<float> WeightGradient { get; init; }

    /// <summary>Like <see cref="Bias"/>.</summary>
    public required float* BiasGradient { get; init; }

    public int VocabularySize => (int)Weight.Rows;

    public int HiddenSize => (int)Hidden.Columns;

    public bool WantGradient => !HiddenGradient.IsEmpty || !WeightGradient.IsEmpty || BiasGradient != null;
}
