using System.Runtime.InteropServices;
using PtxLosses.Batch;
using PtxLosses.Common;
using PtxLosses.Gemm;

namespace PtxLosses.FusedHead;

/// <summary>
/// The working memory of a fused head, within a bound: the logits of as many tokens as there is
/// room for, what goes with each of them, and the panels of matrix products.
/// </summary>
internal sealed unsafe class HeadScratch : IDisposable
{
    private const int Line = 64;

    private void* _memory;

    /// <summary>Takes the memory that so many tokens need, or as many of them as there is room for: for one at least.</summary>
    public HeadScratch(long tokens, int vocabularySize, int hiddenSize, long maxBytes, int maxDegreeOfParallelism)
    {
        (long tokenBytes, long panelBytes) = (TokenBytes(vocabularySize, hiddenSize), PanelBytes(threads: 1) + Line);

        // However many threads there are: the sums of a gradient depend on how many tokens there are at a time.
        long roomForPanels = Math.Max(maxBytes / 2, panelBytes);
        Threads = (int)Math.Clamp(roomForPanels / panelBytes, 1, ParallelLoop.Threads(maxDegreeOfParallelism));

        // As even as can be, in whole tiles.
        long tile = Sgemm.MR;
        long most = Math.Min((maxBytes - roomForPanels) / tokenBytes, int.MaxValue);
        most -= most > tile ? most % tile : 0;
        tokens = Math.Max(1, tokens);
        long parts = Segments.Count(tokens, most);
        TokensPerPart = (int)Math.Min(most, Segments.Count(Segments.Count(tokens, parts), tile) * tile);

        // Aligned by hand: glibc does not use again what it has aligned, and every call would pay for fresh pages.
        Bytes = (TokensPerPart * tokenBytes) + PanelBytes(Threads) + Line;
        _memory = NativeMemory.Alloc((nuint)Bytes);
        byte* next = (byte*)(((nint)_memory + Line - 1) / Line * Line);
        Logits = Take(TokensPerPart, vocabularySize, RowStride(vocabularySize));
        Hidden = Take(TokensPerPart, hiddenSize, RowStride(hiddenSize));
        HiddenGradient = Take(TokensPerPart, hiddenSize, RowStride(hiddenSize));
        Panels = (float*)next;
        next += PanelBytes(Threads);
        Tokens = (long*)next;

        MatrixView<float> Take(long rows, int columns, long rowStride)
        {
            var matrix = new MatrixView<float>((float*)next, rows, columns, rowStride);
            next += rows * rowStride * sizeof(float);
            return matrix;
        }
    }

    public long Bytes { get; }

    public int TokensPerPart { get; }

    public int Threads { get; }

    /// <summary>A row for each token, as in the other matrices.</summary>
    public MatrixView<float> Logits { get; }

    public MatrixView<float> Hidden { get; }

    /// <summary>Also where it is not wanted: a loss must not depend on whether it is.</summary>
    public MatrixView<float> HiddenGradient { get; }

    /// <summary>What matrix products work in.</summary>
    public float* Panels { get; }

    /// <summary>Which tokens they are.</summary>
    public long* Tokens { get; }

    /// <summary>What so many tokens need at a time.</summary>
    public static long Needed(int tokens, int vocabularySize, int hiddenSize)
    {
        long forTokens = tokens * TokenBytes(vocabularySize, hiddenSize);
        return forTokens + Math.Max(forTokens, PanelBytes(threads: 1) + Line);
    }

    public void Dispose()
    {
        NativeMemory.Free(_memory);
        _memory = null;
    }

    /// <summary>With what <see cref="BatchScheduler"/> allocates for it.</summary>
    private static long TokenBytes(int vocabularySize, int hiddenSize)
        => ((RowStride(vocabularySize) + (2 * RowStride(hiddenSize))) * sizeof(float)) + sizeof(long) + sizeof(TokenLosses);

    private static long PanelBytes(int threads) => Sgemm.ScratchLength(threads) * sizeof(float);

    /// <summary>
    /// Rows start at a line, an odd number of lines from each other: at a large power of 2 they would share the same few places
    /// of a cache.
    /// </summary>
    private static long RowStride(int columns)
    {
        const int floats = Line / sizeof(float);
        return (Segments.Count(columns, floats) | 1) * floats;
    }
}
