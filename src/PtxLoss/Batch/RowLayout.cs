namespace PtxLosses.Batch;

/// <summary>One dimension of a tensor.</summary>
/// <param name="Length">How many indices it has.</param>
/// <param name="Stride">How many elements apart neighbours are; 0 where all are the same.</param>
internal readonly record struct Dimension(long Length, long Stride);

/// <summary>
/// Where the rows of a tensor start, counted in elements from the first, by their index over its leading dimensions, the last of
/// which runs fastest. There are as few dimensions as the strides allow: one of length 1 is left out, and two are one where the
/// outer goes on where the inner ends.
/// </summary>
internal readonly unsafe struct RowLayout
{
    /// <summary>Enough for any tensor: 63 dimensions of length 2 have more elements than a length can say.</summary>
    public const int MaxDimensions = 63;

    private readonly Dimension _inner;
    private readonly Dimension* _outer; // memory of the caller, from the inside out
    private readonly int _outerCount;

    /// <summary>Rows that follow each other at one distance.</summary>
    public RowLayout(long count, long stride) => _inner = new(count, stride);

    /// <summary>The rows over the leading dimensions of a tensor.</summary>
    /// <param name="lengths">Their lengths.</param>
    /// <param name="strides">Their strides, in elements, none below 0.</param>
    /// <param name="room">Memory for <see cref="MaxDimensions"/>, which must live as long as this.</param>
    public RowLayout(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, Dimension* room)
    {
        if (lengths.Contains(0))
        {
            return; // where there is nothing, there may be any number of dimensions
        }

        _inner = new(1, 0);
        _outer = room;
        for (int i = lengths.Length - 1; i >= 0; i--)
        {
            Dimension next = new(lengths[i], strides[i]), last = this[DimensionCount - 1];
            if (next.Length == 1)
            {
                continue;
            }

            if (last.Length == 1)
            {
                _inner = next;
            }
            else if (next.Stride != last.Length * last.Stride)
            {
                room[_outerCount++] = next;
            }
            else if (_outerCount == 0)
            {
                _inner = last with { Length = last.Length * next.Length };
            }
            else
            {
                room[_outerCount - 1] = last with { Length = last.Length * next.Length };
            }
        }
    }

    /// <summary>How many dimensions there are, at least 1.</summary>
    public int DimensionCount => 1 + _outerCount;

    /// <summary>How many rows there are.</summary>
    public long Count
    {
        get
        {
            long count = 1;
            for (int i = 0; i < DimensionCount; i++)
            {
                count *= this[i].Length;
            }

            return count;
        }
    }

    /// <summary>The largest offset of a row, or 0 if there are none.</summary>
    public long Last
    {
        get
        {
            long last = 0;
            for (int i = 0; i < DimensionCount; i++)
            {
                last += Math.Max(0, this[i].Length - 1) * this[i].Stride;
            }

            return last;
        }
    }

    /// <summary>The dimensions, from the inside out.</summary>
    public Dimension this[int dimension] => dimension == 0 ? _inner : _outer[dimension - 1];

    /// <summary>The offset of a row.</summary>
    public long Of(long row) => _outerCount == 0 ? row * _inner.Stride : Walk(row);

    /// <summary>Whether all rows of one are where those of the other are, given that both come from the same lengths.</summary>
    public bool AreSame(in RowLayout other)
    {
        bool equal = DimensionCount == other.DimensionCount;
        for (int i = 0; equal && i < DimensionCount; i++)
        {
            equal = this[i] == other[i];
        }

        return equal;
    }

    private long Walk(long row)
    {
        long offset = 0;
        for (int i = 0; i < DimensionCount; i++)
        {
            (row, long index) = Math.DivRem(row, this[i].Length);
            offset += index * this[i].Stride;
        }

        return offset;
    }
}
