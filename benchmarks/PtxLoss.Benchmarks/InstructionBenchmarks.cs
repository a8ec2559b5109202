using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using BenchmarkDotNet.Attributes;

namespace PtxLosses.Benchmarks;

/// <summary>
/// How often a core starts each instruction of the kernels, on 512 bits: twelve at a time that do not wait for each other.
/// </summary>
public class InstructionBenchmarks
{
    private const int SideBySide = 12, Rounds = 1000;

    private readonly Vector512<float> _one = Vector512<float>.One;

    /// <summary><c>vfmadd</c>.</summary>
    [Benchmark(OperationsPerInvoke = SideBySide * Rounds)]
    public float MultiplyAdd() => Repeat<MultiplyAddOf>();

    /// <summary><c>vaddps</c>.</summary>
    [Benchmark(OperationsPerInvoke = SideBySide * Rounds)]
    public float Add() => Repeat<AddOf>();

    /// <summary><c>vreduceps</c>.</summary>
    [Benchmark(OperationsPerInvoke = SideBySide * Rounds)]
    public float Fraction() => Repeat<FractionOf>();

    /// <summary><c>vscalefps</c>.</summary>
    [Benchmark(OperationsPerInvoke = SideBySide * Rounds)]
    public float Scale() => Repeat<ScaleOf>();

    /// <summary><c>vdivps</c>.</summary>
    [Benchmark(OperationsPerInvoke = SideBySide * Rounds)]
    public float Divide() => Repeat<DivideOf>();

    private float Repeat<TInstruction>()
        where TInstruction : struct, IInstruction
    {
        Vector512<float> k = _one, a = k, b = k, c = k, d = k, e = k, f = k, g = k, h = k, i = k, j = k, l = k, m = k;
        for (int round = 0; round < Rounds; round++)
        {
            a = TInstruction.Of(a, k);
            b = TInstruction.Of(b, k);
            c = TInstruction.Of(c, k);
            d = TInstruction.Of(d, k);
            e = TInstruction.Of(e, k);
            f = TInstruction.Of(f, k);
            g = TInstruction.Of(g, k);
            h = TInstruction.Of(h, k);
            i = TInstruction.Of(i, k);
            j = TInstruction.Of(j, k);
            l = TInstruction.Of(l, k);
            m = TInstruction.Of(m, k);
        }

        return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + l + m);
    }

    private interface IInstruction
    {
        static abstract Vector512<float> Of(Vector512<float> x, Vector512<float> k);
    }

    private readonly struct MultiplyAddOf : IInstruction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> k) => Avx512F.FusedMultiplyAdd(x, k, k);
    }

    private readonly struct AddOf : IInstruction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> k) => x + k;
    }

    private readonly struct FractionOf : IInstruction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> k) => Avx512DQ.Reduce(x, 1);
    }

    private readonly struct ScaleOf : IInstruction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> k) => Avx512F.Scale(k, x);
    }

    private readonly struct DivideOf : IInstruction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> k) => k / x;
    }
}
