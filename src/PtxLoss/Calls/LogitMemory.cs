using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Softmax;

namespace PtxLosses.Calls;

/// <summary>Logits that are in memory, in pinned spans or tensors whose shapes are checked.</summary>
internal readonly struct LogitMemory<TLogit, TTarget> : ILogitSource<TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly SoftmaxKernel<TLogit> _kernel;
    private readonly LogitRows<TLogit> _logits;
    private readonly LogitRows<TLogit> _gradient;
    private readonly bool _wantsGradient;

    /// <param name="logits">The logits.</param>
    /// <param name="gradient">Where their gradient goes, if it is wanted.</param>
    /// <param name="wantsGradient">Whether it is.</param>
    /// <exception cref="ArgumentException">The type is not supported.</exception>
    public LogitMemory(LogitRows<TLogit> logits, LogitRows<TLogit> gradient, bool wantsGradient)
    {
        _kernel = SoftmaxKernels.For<TLogit>(logits: default);
        _logits = logits;
        _gradient = gradient;
        _wantsGradient = wantsGradient;
    }

    public int VocabularySize => _logits.VocabularySize;

    public void CheckMemory(PtxLossOptions options, ReadOnlySpan<NamedMemory> read, ReadOnlySpan<NamedMemory> written)
    {
        if (_wantsGradient)
        {
            CheckGradient(options.AccumulateGradient);
            MemoryChecks.CheckDisjoint([new(_gradient.Memory, "logitsGradient")], read);
        }

        MemoryChecks.CheckDisjoint(written, [new(_logits.Memory, "logits")]);
        MemoryChecks.CheckDisjoint(written, read);
    }

    public TokenLosses Run(in TokenMemory<TTarget> tokens, in RowOptions options, double scale, long count)
    {
        var memory = new BatchMemory<TLogit, TTarget>
        {
            Logits = _logits,
            Tokens = tokens,
            Gradient = _gradient,
            WantsGradient = _wantsGradient,
        };
        return BatchScheduler.Run(new BatchPass<TLogit, TTarget>(_kernel, in memory, in options, scale));
    }

    /// <summary>The gradient may take the place of its logits.</summary>
    private void CheckGradient(bool accumulates)
    {
        const string name = "logitsGradient";
        if (_gradient.OverlapThemselves)
        {
            throw new ArgumentException($"{name} has rows that overlap each other; each needs memory of its own.", name);
        }

        bool isInPlace = _gradient.AreSame(in _logits);
        if (isInPlace && accumulates && _logits.Count > 0)
        {
            throw new ArgumentException(
                $"options.AccumulateGradient is true, but must be false in place: {name} holds the logits.", "options");
        }

        if (!isInPlace && _gradient.Overlap(in _logits))
        {
            throw new ArgumentException(
                $"{name} overlaps a part of logits; it must be exactly the same memory or disjoint from it.", name);
        }
    }
}
