using System.Runtime.CompilerServices;

namespace PtxLosses.Tests;

/// <summary>The conversions of rows against the casts of single elements.</summary>
public class ElementConvertTests
{
    private const float Untouched = 12345;

    [Fact]
    public void Every_pattern_is_widened_as_by_a_cast()
    {
        CheckWiden<Half>(x => (float)x);
        CheckWiden<BFloat16>(x => (float)x);
    }

    [Fact]
    public void Every_pattern_and_all_around_it_is_narrowed_as_by_a_cast()
    {
        CheckNarrow(x => (Half)x, x => (float)x, dropped: 13);
        CheckNarrow(x => (BFloat16)x, x => (float)x, dropped: 16);
    }

    [Fact]
    public void Any_number_of_elements_is_converted_and_no_more()
    {
        CheckLengths(x => x);
        CheckLengths(x => (Half)x);
        CheckLengths(x => (BFloat16)x);
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        float[] floats = new float[37];
        Convert<float>();
        Convert<Half>();
        Convert<BFloat16>();

        void Convert<T>()
            where T : unmanaged
        {
            var elements = new T[floats.Length];
            ElementConvert.Widen<T>(elements, floats);
            ElementConvert.Narrow<T>(floats, elements);
            long least = Enumerable.Range(0, 10).Min(_ =>
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                ElementConvert.Widen<T>(elements, floats);
                ElementConvert.Narrow<T>(floats, elements);
                return GC.GetAllocatedBytesForCurrentThread() - before;
            });
            least.Should().Be(0);
        }
    }

    private static void CheckWiden<T>(Func<T, float> cast)
        where T : unmanaged
    {
        T[] elements = [.. Enumerable.Range(0, 65_536).Select(bits => Unsafe.BitCast<ushort, T>((ushort)bits))];
        float[] widened = new float[elements.Length];

        ElementConvert.Widen<T>(elements, widened);

        widened.Should().Equal(elements.Select(cast), Same);
    }

    /// <summary>
    /// Floats that are elements, or beside one, or in the middle between two, or beside that: among normal numbers as the bits
    /// have it, up to what is too large, and among subnormal ones by computation.
    /// </summary>
    private static void CheckNarrow<T>(Func<float, T> cast, Func<T, float> widen, int dropped)
        where T : unmanaged
    {
        int half = 1 << (dropped - 1);
        int[] offsets = [-1, 0, 1, half - 1, half, half + 1];
        float[] floats =
        [
            .. from bits in Enumerable.Range(0, 65_536)
               from offset in offsets
               select Move(FromBits(bits), offset),
            .. from bits in Enumerable.Range(0, 65_536)
               from offset in new[] { -1, 0, 1 }
               select Move((float)(((double)FromBits(bits) + FromBits(bits + 1)) / 2), offset),
        ];
        var narrowed = new T[floats.Length];

        ElementConvert.Narrow<T>(floats, narrowed);

        narrowed.Should().Equal(floats.Select(cast), (actual, expected) => Same(widen(actual), widen(expected)));

        float FromBits(int bits) => widen(Unsafe.BitCast<ushort, T>((ushort)bits));

        static float Move(float x, int offset) => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(x) + offset);
    }

    private static void CheckLengths<T>(Func<float, T> cast)
        where T : unmanaged
    {
        T untouched = cast(Untouched);
        for (int length = 0; length < 70; length++)
        {
            float[] floats = [.. Enumerable.Range(1, length).Select(i => (float)i)];
            T[] narrowed = [.. Enumerable.Repeat(untouched, length + 3)];
            float[] widened = [.. Enumerable.Repeat(Untouched, length + 3)];

            ElementConvert.Narrow<T>(floats, narrowed);
            ElementConvert.Widen<T>(narrowed.AsSpan(0, length), widened);

            narrowed.Should().Equal(floats.Select(cast).Concat(Enumerable.Repeat(untouched, 3)));
            widened.Should().Equal(floats.Concat(Enumerable.Repeat(Untouched, 3)));
        }
    }

    /// <summary>The sign of zero included, and NaN.</summary>
    private static bool Same(float actual, float expected)
        => actual.Equals(expected) && (float.IsNaN(actual) || float.IsNegative(actual) == float.IsNegative(expected));
}
