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

    /// <summary>Checks that elements of the last dimension are next to each other.</summary>
    public static void CheckDense(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, string name, string last)
    {
        if (lengths[^1] > 1 && strides[^1] != 1)
        {
            throw new ArgumentException($"{name} has the strides {Format(strides)}; in {last} the stride must be 1.", name);
        }
    }

    public static void CheckSame(ReadOnlySpan<nint> shape, ReadOnlySpan<nint> needed, string name, string of)
    {
        if (!shape.SequenceEqual(needed))
        {
            throw new ArgumentException($"{name} has the shape {Format(shape)}, but {of} has {Format(needed)}.", name);
        }
    }

    /// <summary>Checks that a span of some bundle has a value per token, or none.</summary>
    public static void CheckPerToken(int length, long tokens, string bundle, string member)
    {
        if (length != 0 && length != tokens)
        {
            string name = $"{bundle}.{member}";
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"{name} has length {length}, but needs {tokens} values, one per target, or to be empty."),
                name);
        }
    }

    private static string Join(ReadOnlySpan<nint> numbers)
        => string.Join(", ", numbers.ToArray().Select(number => number.ToString(CultureInfo.InvariantCulture)));
}
