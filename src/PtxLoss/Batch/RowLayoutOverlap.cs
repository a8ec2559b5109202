using System.Runtime.CompilerServices;

namespace PtxLosses.Batch;

/// <summary>Whether rows of one length, at given offsets, share elements.</summary>
internal static class RowLayoutOverlap
{
    /// <summary>
    /// Whether two of the rows may share elements. They do not if, taken by their strides, each dimension steps over all that the
    /// smaller ones reach; the rare layouts where they do not for another reason are not told apart.
    /// </summary>
    [SkipLocalsInit]
    public static bool WithinOne(in RowLayout rows, int rowLength)
    {
        long reach = rowLength;
        foreach (Dimension dimension in Sort(in rows, stackalloc Dimension[RowLayout.MaxDimensions]))
        {
            if (dimension.Length > 1 && dimension.Stride < reach)
            {
                return true;
            }

            reach += Math.Max(0, dimension.Length - 1) * dimension.Stride;
        }

        return false;
    }

    /// <summary>
    /// Whether one of the rows shares elements with one of the same rows that are moved by <paramref name="distance"/> elements;
    /// the rows themselves do not overlap, as <see cref="WithinOne"/> sees it.
    /// </summary>
    [SkipLocalsInit]
    public static bool WhenMoved(in RowLayout rows, int rowLength, long distance)
        => Meets(Sort(in rows, stackalloc Dimension[RowLayout.MaxDimensions]), rowLength, distance);

    /// <summary>
    /// Whether some difference of two offsets is less than a row from <paramref name="distance"/>. What the smaller dimensions
    /// reach is less than a step of the largest, so only the two numbers of steps next to the distance can lead there.
    /// </summary>
    private static bool Meets(ReadOnlySpan<Dimension> sorted, int rowLength, long distance)
    {
        distance = Math.Abs(distance); // with each difference goes its opposite
        if (sorted is not [.. var smaller, var largest])
        {
            return distance < rowLength;
        }

        if (largest.Length <= 1)
        {
            return Meets(smaller, rowLength, distance);
        }

        (long steps, long rest) = Math.DivRem(distance, largest.Stride);
        return (steps < largest.Length && Meets(smaller, rowLength, rest))
            || (steps + 1 < largest.Length && Meets(smaller, rowLength, largest.Stride - rest));
    }

    private static Span<Dimension> Sort(in RowLayout rows, Span<Dimension> room)
    {
        Span<Dimension> dimensions = room[..rows.DimensionCount];
        for (int i = 0; i < dimensions.Length; i++)
        {
            dimensions[i] = rows[i];
        }

        dimensions.Sort(static (left, right) => left.Stride.CompareTo(right.Stride));
        return dimensions;
    }
}
