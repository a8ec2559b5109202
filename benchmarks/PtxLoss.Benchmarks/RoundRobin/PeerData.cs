using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PtxLosses.Benchmarks;

/// <summary>What a <see cref="PeerProcess"/> is told of a problem, and must answer.</summary>
internal interface IPeerProblem : IDisposable
{
    /// <summary>The shape of the logits.</summary>
    Shape Shape { get; }

    /// <summary>All sizes, in the order in which peers get them.</summary>
    IReadOnlyList<int> Sizes { get; }

    /// <summary>What a peer must answer for a work, in the order in which it does.</summary>
    IReadOnlyList<(string What, double Value)> Answers(Work work);

    /// <summary>Leaves the data to peers, as files of bare numbers.</summary>
    void Save(string folder);
}

/// <summary>Floats as little-endian numbers, which may be more bytes than a span holds.</summary>
internal static class FloatFile
{
    /// <summary>As many floats as are written or read at once.</summary>
    private const int Chunk = 1 << 20;

    public static void Save(string path, ReadOnlySpan<float> values)
    {
        using FileStream file = File.Create(path);
        for (; !values.IsEmpty; values = values[Math.Min(Chunk, values.Length)..])
        {
            file.Write(MemoryMarshal.AsBytes(values[..Math.Min(Chunk, values.Length)]));
        }
    }

    /// <summary>Reads what <see cref="Save"/> left of as many numbers.</summary>
    public static void Load(string path, Span<float> values)
    {
        using FileStream file = File.OpenRead(path);
        for (; !values.IsEmpty; values = values[Math.Min(Chunk, values.Length)..])
        {
            file.ReadExactly(MemoryMarshal.AsBytes(values[..Math.Min(Chunk, values.Length)]));
        }
    }
}

/// <summary>The targets, as 64-bit little-endian numbers.</summary>
internal static class TargetFile
{
    private const string Name = "targets.i64";

    public static void Save(string folder, int[] targets) => File.WriteAllBytes(
        Path.Combine(folder, Name), MemoryMarshal.AsBytes(Array.ConvertAll(targets, target => (long)target).AsSpan()));

    public static long[] Load(string folder)
        => MemoryMarshal.Cast<byte, long>(File.ReadAllBytes(Path.Combine(folder, Name))).ToArray();
}

/// <summary>Sums of floats in double.</summary>
internal static class Sums
{
    /// <summary>As many products as are made at once.</summary>
    private const int Block = 1024;

    /// <summary>Σ a · b.</summary>
    public static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Span<double> wideA = stackalloc double[Block], wideB = stackalloc double[Block];
        double sum = 0;
        for (int start = 0; start < a.Length; start += Block)
        {
            int count = Math.Min(Block, a.Length - start);
            TensorPrimitives.ConvertChecked(a.Slice(start, count), wideA);
            TensorPrimitives.ConvertChecked(b.Slice(start, count), wideB);
            sum += TensorPrimitives.Dot<double>(wideA[..count], wideB[..count]);
        }

        return sum;
    }
}
