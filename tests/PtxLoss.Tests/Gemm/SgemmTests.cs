using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>The matrix product of every kernel against a triple loop in double.</summary>
public unsafe class SgemmTests
{
    /// <summary>What the rows of C are apart beyond their length, and what must stay in between.</summary>
    private const int Gap = 5;
    private const float Untouched = 12345;

    public static TheoryData<string> Kernels => [.. Sgemm.Kernels.Select(kernel => kernel.Name)];

    /// <summary>
    /// Single elements, primes, one more and one less than tiles and panels, and several blocks in each direction.
    /// </summary>
    private static (int Rows, int Columns, int Inner)[] Shapes { get; } =
    [
        (1, 1, 1), (1, 1, 0), (2, 3, 5), (1, 32, 7), (12, 32, 4), (6, 16, 4), (6, 8, 3), (11, 31, 8), (13, 33, 9), (5, 15, 16),
        (7, 17, 17), (24, 64, 64), (23, 65, 63), (25, 63, 65), (1, 257, 341), (29, 1, 342), (37, 41, 683), (101, 103, 107),
        (17, 211, 1031), (3, 1025, 67), (97, 1031, 13), (401, 19, 331), (1031, 5, 131), (2053, 37, 65),
    ];

    [Fact]
    public void There_is_a_kernel_wherever_rows_have_one()
    {
        IEnumerable<string> widths = KernelTests.Names.SkipLast(1).DefaultIfEmpty(nameof(SimdFloat128));

        Sgemm.Kernels.Select(kernel => kernel.Name).Should().Equal(widths, "without vectors, those of 128 bits run in software");
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_shape_and_transposition_is_as_exact_as_float_allows(string name)
    {
        SgemmKernel kernel = Find(name);
        foreach ((int rows, int columns, int inner) in Shapes)
        {
            var problem = new Problem(rows, columns, inner);
            for (int transpositions = 0; transpositions < 4; transpositions++)
            {
                foreach (bool adds in new[] { false, true })
                {
                    bool transposesA = (transpositions & 1) != 0, transposesB = (transpositions & 2) != 0;
                    float[] result = problem.Multiply<float>(kernel, transposesA, transposesB, adds, threads: 1);
                    problem.ShouldBeTheProduct(result, adds);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Numbers_of_16_bits_are_multiplied_as_the_floats_that_they_are(string name)
    {
        SgemmKernel kernel = Find(name);
        foreach ((int rows, int columns, int inner) in Shapes)
        {
            CheckProduct<Half>(kernel, new(rows, columns, inner, x => (float)(Half)x));
            CheckProduct<BFloat16>(kernel, new(rows, columns, inner, x => (float)(BFloat16)x));
        }

        static void CheckProduct<TB>(SgemmKernel kernel, Problem problem)
            where TB : unmanaged
        {
            foreach (bool transposesB in new[] { false, true })
            {
                foreach (bool adds in new[] { false, true })
                {
                    float[] result = problem.Multiply<TB>(kernel, transposesA: adds, transposesB, adds, threads: 2);
                    result.ShouldBeIdentical(problem.Multiply<float>(kernel, transposesA: adds, transposesB, adds, threads: 1));
                    problem.ShouldBeTheProduct(result, adds);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_number_of_16_bits_comes_through_a_product_with_1(string name)
    {
        CheckNumbers(Find(name), Patterns<Half>(65_536), x => (float)x);
        CheckNumbers(Find(name), Patterns<BFloat16>(65_536), x => (float)x);

        static void CheckNumbers<TB>(SgemmKernel kernel, TB[] numbers, Func<TB, float> toSingle)
            where TB : unmanaged
        {
            float[] result = new float[numbers.Length], scratch = new float[Sgemm.ScratchLength(1)];
            float one = 1;
            foreach (bool byColumns in new[] { false, true })
            {
                fixed (TB* b = numbers)
                fixed (float* start = result, panels = scratch)
                {
                    MatrixView<float> a = new(&one, 1, 1, 1), c = new(start, 1, numbers.Length, numbers.Length);
                    kernel.Multiply(a, View(b, 1, numbers.Length, byColumns), c, adds: false, 1, panels);
                }

                result.Should().Equal(numbers.Select(toSingle), (actual, expected) => actual.Equals(expected));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Any_number_of_threads_gives_the_same_bits(string name)
    {
        SgemmKernel kernel = Find(name);
        (int, int, int)[] shapes = [(67, 1009, 131), (1009, 131, 67), (67, 131, 5003), (256, 768, 64)];
        foreach ((int rows, int columns, int inner) in shapes)
        {
            var problem = new Problem(rows, columns, inner);
            float[] expected = problem.Multiply<float>(kernel, false, true, adds: true, threads: 1);
            problem.ShouldBeTheProduct(expected, adds: true);
            foreach (int threads in new[] { 2, 3, 7 })
            {
                problem.Multiply<float>(kernel, false, true, adds: true, threads).ShouldBeIdentical(expected);
                problem.Multiply<float>(kernel, true, false, adds: true, threads).ShouldBeIdentical(expected);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void As_many_rows_as_a_kernel_takes_at_a_time(string name)
    {
        SgemmKernel kernel = Find(name);
        foreach (int inner in new[] { 65, 341 })
        {
            var problem = new Problem(kernel.Blocking.MC(kernel.Blocking.KC(inner)), 37, inner);
            problem.ShouldBeTheProduct(problem.Multiply<float>(kernel, false, false, adds: false, threads: 1), adds: false);
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Gaps_between_rows_and_columns_change_nothing(string name)
    {
        SgemmKernel kernel = Find(name);
        foreach ((int rows, int columns, int inner) in new[] { (13, 33, 9), (24, 64, 16), (37, 41, 683) })
        {
            var problem = new Problem(rows, columns, inner);
            float[] a = Spread(problem.A), b = Spread(problem.B), result = new float[rows * columns];
            float* scratch = (float*)NativeMemory.Alloc((nuint)Sgemm.ScratchLength(1), sizeof(float));
            fixed (float* startOfA = a, startOfB = b, start = result)
            {
                var viewOfA = new MatrixView<float>(startOfA, rows, inner, 2 * inner, 2);
                var viewOfB = new MatrixView<float>(startOfB, inner, columns, 2 * columns, 2);
                kernel.Multiply(viewOfA, viewOfB, new(start, rows, columns, columns), adds: false, 1, scratch);
            }

            NativeMemory.Free(scratch);
            result.ShouldBeIdentical(problem.Multiply<float>(kernel, false, false, adds: false, threads: 1));
        }

        static float[] Spread(float[] matrix) => [.. matrix.SelectMany(x => new[] { x, float.NaN })];
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void A_product_without_rows_or_columns_is_none(string name)
    {
        float[] memory = [1, 2, 3, 4];
        fixed (float* start = memory)
        {
            MatrixView<float> none = new(start, 0, 2, 2), other = new(start, 2, 2, 2);
            Find(name).Multiply(none, other, none, adds: false, 1, scratch: null);
            Find(name).Multiply(other, none.Transposed, none.Transposed, adds: false, 1, scratch: null);
        }

        memory.Should().Equal(1, 2, 3, 4);
    }

    [Theory]
    [InlineData(1, 8, 8, 8)]
    [InlineData(37, 30, 8, 8)] // whole panels and a rest
    [InlineData(3, 7, 8, 8)]
    [InlineData(37, 35, 12, 12)]
    [InlineData(37, 35, 6, 8)] // of the step between panels, and what keeps them aligned
    [InlineData(9, 14, 6, 8)]
    public void Panels_end_with_their_last_column(int rows, int columns, int step, int width)
    {
        int panels = Segments.Count(columns, step);
        foreach ((int rowStride, int columnStride) in new[] { (columns + 3, 1), (1, rows + 3), (3 * columns, 3) })
        {
            float[] matrix = TestData.Logits(((rows - 1) * rowStride) + ((columns - 1) * columnStride) + 1, seed: 1);
            float[] packed = [.. Enumerable.Repeat(Untouched, (panels * rows * width) + width)];
            fixed (float* from = matrix, to = packed)
            {
                Packing<SimdFloat128>.Pack<float>(new(from, rows, columns, rowStride, columnStride), step, width, to);
            }

            for (int i = 0; i < packed.Length; i++)
            {
                (int panel, int row) = (i / (rows * width), i / width % rows);
                int column = (panel * step) + (i % width);
                float expected = panel == panels ? Untouched
                    : column < columns ? matrix[(row * rowStride) + (column * columnStride)]
                    : 0;
                packed[i].Should().Be(expected, "element {0}, strides {1} and {2}", i, rowStride, columnStride);
            }
        }
    }

    [Fact]
    public void Numbers_of_16_bits_are_packed_as_the_floats_that_they_are()
    {
        var packings = default(PackEveryPattern);
        SimdWidths.Visit(ref packings);
        packings.Visit<SimdFloat128>();
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Errors_do_not_add_up(string name)
    {
        // The bound of the other tests is for errors that all have one sign; those of one product do not.
        var problem = new Problem(24, 40, 5003);
        float[] result = problem.Multiply<float>(Find(name), false, false, adds: false, threads: 1);

        problem.RootMeanSquareError(result).Should().BeLessThan(Math.Sqrt(5003) * Math.Pow(2, -24));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Nothing_is_touched_outside(string name)
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        SgemmKernel kernel = Find(name);
        foreach ((int rows, int columns, int inner) in Shapes.Where(shape => shape.Inner > 0))
        {
            foreach (bool atEnd in new[] { false, true })
            {
                MultiplyGuarded<float>(kernel, rows, columns, inner, atEnd);
                MultiplyGuarded<Half>(kernel, rows, columns, inner, atEnd);
                MultiplyGuarded<BFloat16>(kernel, rows, columns, inner, atEnd);
            }
        }
    }

    private static void MultiplyGuarded<TB>(SgemmKernel kernel, int rows, int columns, int inner, bool atEnd)
        where TB : unmanaged
    {
        using var a = new GuardedMemory<float>(new float[rows * inner], atEnd);
        using var b = new GuardedMemory<TB>(new TB[inner * columns], atEnd);
        using var c = new GuardedMemory<float>(new float[rows * columns], atEnd);
        using var scratch = new GuardedMemory<float>(new float[Sgemm.ScratchLength(1)], atEnd);
        for (int transpositions = 0; transpositions < 4; transpositions++)
        {
            MatrixView<float> viewOfA = View(Start(a), rows, inner, (transpositions & 1) != 0);
            MatrixView<TB> viewOfB = View(Start(b), inner, columns, (transpositions & 2) != 0);
            MatrixView<float> viewOfC = View(Start(c), rows, columns, byColumns: false);
            kernel.Multiply(viewOfA, viewOfB, viewOfC, adds: transpositions == 3, threads: 1, Start(scratch));
        }

        static T* Start<T>(GuardedMemory<T> memory)
            where T : unmanaged
            => (T*)Unsafe.AsPointer(ref memory.Span[0]);
    }

    private static SgemmKernel Find(string name) => Sgemm.Kernels.Single(kernel => kernel.Name == name);

    /// <summary>Numbers of 16 bits, whose patterns count up, over and over.</summary>
    private static T[] Patterns<T>(int count)
        where T : unmanaged
        => [.. Enumerable.Range(0, count).Select(bits => Unsafe.BitCast<ushort, T>((ushort)bits))];

    /// <summary>A matrix that is stored by rows, or by columns.</summary>
    private static MatrixView<T> View<T>(T* start, int rows, int columns, bool byColumns)
        where T : unmanaged
        => byColumns ? new MatrixView<T>(start, columns, rows, rows).Transposed : new(start, rows, columns, columns);

    /// <summary>
    /// Packs matrices of every pattern of 16 bits, whose columns are not whole panels, nor their rows whole registers.
    /// </summary>
    private readonly struct PackEveryPattern : ISimdVisitor
    {
        private const int Rows = 273, Columns = 259, Width = 32;

        public void Visit<TVector>()
            where TVector : struct, ISimdFloat<TVector>
        {
            foreach ((int rowStride, int columnStride) in new[] { (Columns, 1), (1, Rows), (2 * Columns, 2) })
            {
                Check<TVector, Half>(x => (float)x, rowStride, columnStride);
                Check<TVector, BFloat16>(x => (float)x, rowStride, columnStride);
            }
        }

        private static void Check<TVector, T>(Func<T, float> toSingle, int rowStride, int columnStride)
            where TVector : struct, ISimdFloat<TVector>
            where T : unmanaged
        {
            T[] matrix = Patterns<T>(2 * Rows * Columns);
            float[] packed = new float[Segments.Count(Columns, Width) * Rows * Width];
            fixed (T* from = matrix)
            fixed (float* to = packed)
            {
                Packing<TVector>.Pack<T>(new(from, Rows, Columns, rowStride, columnStride), Width, Width, to);
            }

            for (int i = 0; i < packed.Length; i++)
            {
                (int row, int column) = (i / Width % Rows, (i / (Rows * Width) * Width) + (i % Width));
                float actual = packed[i];
                float expected = column < Columns ? toSingle(matrix[(row * rowStride) + (column * columnStride)]) : 0;
                bool sameSign = float.IsNaN(expected) || float.IsNegative(actual) == float.IsNegative(expected);
                if (!actual.Equals(expected) || !sameSign)
                {
                    Assert.Fail($"{typeof(TVector)}, {typeof(T)}, row {row}, column {column}: {actual} is not {expected}.");
                }
            }
        }
    }

    /// <summary>Two matrices by rows, their product and the sums of the magnitudes that make it up.</summary>
    private sealed class Problem
    {
        private readonly int _rows, _columns, _inner;
        private readonly float[] _before;
        private readonly double[] _product, _magnitudes;

        /// <param name="rows">Rows of A.</param>
        /// <param name="columns">Columns of B.</param>
        /// <param name="inner">Columns of A.</param>
        /// <param name="roundB">Makes B's elements such that they may be of another type.</param>
        public Problem(int rows, int columns, int inner, Func<float, float>? roundB = null)
        {
            (_rows, _columns, _inner) = (rows, columns, inner);
            A = Numbers(rows * inner, seed: rows);
            B = [.. Numbers(inner * columns, seed: columns).Select(x => roundB == null ? x : roundB(x))];
            _before = Numbers(rows * columns, seed: inner);
            _product = new double[rows * columns];
            _magnitudes = new double[rows * columns];
            for (int row = 0; row < rows; row++)
            {
                for (int step = 0; step < inner; step++)
                {
                    double a = A[(row * inner) + step];
                    for (int column = 0; column < columns; column++)
                    {
                        double term = a * B[(step * columns) + column];
                        _product[(row * columns) + column] += term;
                        _magnitudes[(row * columns) + column] += Math.Abs(term);
                    }
                }
            }
        }

        public float[] A { get; }

        public float[] B { get; }

        /// <summary>The product, from operands that are stored by rows or by columns, into rows with a gap.</summary>
        public float[] Multiply<TB>(SgemmKernel kernel, bool transposesA, bool transposesB, bool adds, int threads)
            where TB : unmanaged
        {
            int stride = _columns + Gap;
            float[] c = new float[_rows * stride];
            c.AsSpan().Fill(Untouched);
            for (int row = 0; row < _rows && adds; row++)
            {
                _before.AsSpan(row * _columns, _columns).CopyTo(c.AsSpan(row * stride));
            }

            float* scratch = (float*)NativeMemory.Alloc((nuint)Sgemm.ScratchLength(threads), sizeof(float));
            fixed (float* a = transposesA ? Transpose(A, _rows, _inner) : A)
            fixed (TB* b = To<TB>(transposesB ? Transpose(B, _inner, _columns) : B))
            fixed (float* start = c)
            {
                MatrixView<float> viewOfA = View(a, _rows, _inner, transposesA);
                MatrixView<TB> viewOfB = View(b, _inner, _columns, transposesB);
                kernel.Multiply(viewOfA, viewOfB, new(start, _rows, _columns, stride), adds, threads, scratch);
            }

            NativeMemory.Free(scratch);
            float[] result = new float[_rows * _columns];
            for (int row = 0; row < _rows; row++)
            {
                c.AsSpan(row * stride, _columns).CopyTo(result.AsSpan(row * _columns));
                c.AsSpan((row * stride) + _columns, Gap).IndexOfAnyExcept(Untouched).Should().Be(-1);
            }

            return result;
        }

        public void ShouldBeTheProduct(float[] result, bool adds)
        {
            for (int i = 0; i < result.Length; i++)
            {
                double before = adds ? _before[i] : 0;
                double bound = (_inner + 1) * Math.Pow(2, -24) * (_magnitudes[i] + Math.Abs(before));
                if (!(Math.Abs(result[i] - before - _product[i]) <= bound))
                {
                    Assert.Fail($"{_rows}×{_columns}×{_inner}, element {i}: {result[i]} is not {before + _product[i]}.");
                }
            }
        }

        public double RootMeanSquareError(float[] result)
        {
            double error = result.Select((value, i) => Math.Pow(value - _product[i], 2)).Average();
            return Math.Sqrt(error / _magnitudes.Average(magnitude => magnitude * magnitude / _inner));
        }

        private static float[] Numbers(int count, int seed)
        {
            var random = new Random(seed);
            float[] numbers = new float[count];
            foreach (ref float number in numbers.AsSpan())
            {
                number = (random.NextSingle() * 2) - 1;
            }

            return numbers;
        }

        private static TB[] To<TB>(float[] matrix)
            where TB : unmanaged
            => [.. matrix.Select(x => ElementConvert.FromDouble<TB>(x))];

        private static float[] Transpose(float[] matrix, int rows, int columns)
        {
            float[] result = new float[matrix.Length];
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    result[(column * rows) + row] = matrix[(row * columns) + column];
                }
            }

            return result;
        }
    }
}
