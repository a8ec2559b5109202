using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>Tensors of more than 2³¹ elements, in address space of which only the pages that are written become memory.</summary>
public unsafe class LargeTensorTests
{
    private const int VocabularySize = 50_257;

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void Rows_beyond_int_are_read_where_they_are(int threads)
    {
        const int tokens = 43_000;
        nint[] shape = [tokens / 10, 10, VocabularySize];
        int[] counted = [0, 17, 42_729, 42_730, 42_990, tokens - 1]; // int ends in the row of token 42,730
        long[] targets = [.. Enumerable.Repeat(-100L, tokens)];
        float[] values = TestData.Logits(counted.Length * VocabularySize, seed: 1);
        int[] ids = TestData.Targets(counted.Length, VocabularySize, seed: 2);
        if (!ReservedMemory<float>.IsSupported)
        {
            return;
        }

        nint length = tokens;
        using var memory = new ReservedMemory<float>(length * VocabularySize);
        for (int i = 0; i < counted.Length; i++)
        {
            values.AsSpan(i * VocabularySize, VocabularySize).CopyTo(
                memory.Slice((nint)counted[i] * VocabularySize, VocabularySize));
            targets[counted[i]] = ids[i];
        }

        var logits = new ReadOnlyTensorSpan<float>(memory.Start, memory.Length, shape);
        PtxLossResult result = PtxLoss.Compute(
            0,
            logits,
            Tensor.Create(targets, shape.AsSpan(0, 2)).AsReadOnlyTensorSpan(),
            1,
            new() { MaxDegreeOfParallelism = threads });

        logits.FlattenedLength.Should().BeGreaterThan(int.MaxValue);
        result.TokenCount.Should().Be(counted.Length);
        result.Should().Be(PtxLoss.Compute(0, values, ids, VocabularySize, 1));
    }

    [LargeMemoryFact(5.5)]
    public void All_of_4_GB_of_Half_count()
    {
        const int tokens = 43_000;
        Half[] row = [.. TestData.Logits(VocabularySize, seed: 5).Select(x => (Half)x)];
        int[] targets = TestData.Targets(tokens, VocabularySize, seed: 6);
        nint length = tokens;
        Half* memory = (Half*)NativeMemory.Alloc((nuint)(length * VocabularySize), (nuint)sizeof(Half));
        try
        {
            Parallel.For(0, tokens, token => row.CopyTo(new Span<Half>(memory + ((nint)token * VocabularySize), VocabularySize)));
            var logits = new ReadOnlyTensorSpan<Half>(memory, length * VocabularySize, [tokens / 1000, 1000, VocabularySize]);

            PtxLossResult result = PtxLoss.Compute(
                0, logits, Tensor.Create(targets, [tokens / 1000, 1000]).AsReadOnlyTensorSpan(), 1);

            double max = (double)row.Max(), logSumExp = max + Math.Log(row.Sum(x => Math.Exp((double)x - max)));
            logits.FlattenedLength.Should().BeGreaterThan(int.MaxValue);
            result.TokenCount.Should().Be(tokens);
            result.LanguageModelLoss.ShouldBeTheLoss(logSumExp - targets.Average(target => (double)row[target]));
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    [Fact]
    public void Gradients_beyond_int_are_written_where_they_belong()
    {
        if (!ReservedMemory<float>.IsSupported)
        {
            return;
        }

        const int batch = 5, sequence = 3, tokens = batch * sequence;
        nint[] shape = [batch, sequence, VocabularySize];
        nint[] strides = [700_000_001, 100_601, 1];
        float[] values = TestData.Logits(tokens * VocabularySize, seed: 3), expected = new float[values.Length];
        int[] targets = TestData.Targets(tokens, VocabularySize, seed: 4);
        PtxLossResult result = PtxLoss.ComputeWithGradient(0, values, targets, VocabularySize, 1, expected);

        using var memory = new ReservedMemory<float>((batch * strides[0]) + 1);
        var logits = new TensorSpan<float>(memory.Start + 1, memory.Length - 1, shape, strides);
        var gradient = new TensorSpan<float>(
            memory.Start + 1 + VocabularySize, memory.Length - 1 - VocabularySize, shape, strides); // in the gaps
        new ReadOnlyTensorSpan<float>(values, shape).CopyTo(logits);
        var ids = new ReadOnlyTensorSpan<int>(targets, shape.AsSpan(0, 2));

        PtxLoss.ComputeWithGradient(0, logits, ids, 1, gradient).Should().Be(result);
        PtxLoss.ComputeWithGradient(0, logits, ids, 1, logits).Should().Be(result);

        for (int token = 0; token < tokens; token++)
        {
            nint start = 1 + (token / sequence * strides[0]) + (token % sequence * strides[1]);
            float[] row = expected[(token * VocabularySize)..((token + 1) * VocabularySize)];
            memory.Slice(start, VocabularySize).ToArray().ShouldBeIdentical(row);
            memory.Slice(start + VocabularySize, VocabularySize).ToArray().ShouldBeIdentical(row);
        }
    }

    /// <summary>Zeros that take no memory until they are written.</summary>
    private sealed class ReservedMemory<T> : IDisposable
        where T : unmanaged
    {
        private const int ReadWrite = 3, Private = 2, Anonymous = 0x20, NoReserve = 0x4000;

        public ReservedMemory(nint length)
        {
            nint memory = Pages.mmap(0, (nuint)length * (nuint)sizeof(T), ReadWrite, Private | Anonymous | NoReserve, -1, 0);
            if (memory == -1)
            {
                throw new InvalidOperationException($"No address space: error {Marshal.GetLastPInvokeError()}.");
            }

            Start = (T*)memory;
            Length = length;
        }

        /// <summary>The constants are those of Linux.</summary>
        public static bool IsSupported => OperatingSystem.IsLinux() && sizeof(nint) == 8;

        public T* Start { get; }

        public nint Length { get; }

        public Span<T> Slice(nint start, int length) => new(Start + start, length);

        public void Dispose() => _ = Pages.munmap((nint)Start, (nuint)Length * (nuint)sizeof(T));
    }
}
