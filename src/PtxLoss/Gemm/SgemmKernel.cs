namespace PtxLosses.Gemm;

/// <summary>How one thread multiplies two matrices.</summary>
internal abstract unsafe class SgemmKernel
{
    /// <summary>The kernel's name, in tests.</summary>
    public abstract string Name { get; }

    /// <summary>Floats that <see cref="Multiply"/> needs beside the matrices.</summary>
    public abstract int ScratchLength { get; }

    /// <summary>Rows and columns of C that are computed at a time; tasks that are cut at multiples of them lose nothing at their edges.</summary>
    public abstract int TileRows { get; }

    /// <inheritdoc cref="TileRows"/>
    public abstract int TileColumns { get; }

    /// <summary>The most rows that <see cref="Multiply"/> takes.</summary>
    public abstract long MaxRows(long inner);

    /// <summary>C = A·B or C += A·B. Each element is computed alone, in an order that depends on the inner dimension only.</summary>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <param name="c">C, whose rows must be contiguous.</param>
    /// <param name="adds">Whether to add to C.</param>
    /// <param name="scratch">Memory of <see cref="ScratchLength"/>, aligned to cache lines.</param>
    public abstract void Multiply(in MatrixView a, in MatrixView b, in MatrixView c, bool adds, float* scratch);
}
