using System.Globalization;

namespace PtxLosses.Calls;

/// <summary>Shapes and indices in messages.</summary>
internal static class Shapes
{
    /// <summary>[2, 3, 7].</summary>
    public static string Format(ReadOnlySpan<nint> shape) => $"[{Join(shape)}]";

    /// <summary>The indices of an element, "1, 3", by its place in row-major order.</summary>
    public static string IndexOf(long position, ReadOnlySpan<nint> shape)
    {
        nint[] indices = new nint[shape.Length];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            (position, long index) = Math.DivRem(position, shape[i]);
            indices[i] = (nint)index;
        }

        return Join(indices);
    }

    private static string Join(ReadOnlySpan<nint> numbers)
        => string.Join(", ", numbers.ToArray().Select(number => number.ToString(CultureInfo.InvariantCulture)));
}
