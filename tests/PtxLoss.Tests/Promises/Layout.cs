using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Where the elements of a tensor lie, from its first on.</summary>
/// <param name="Lengths">The shape.</param>
/// <param name="Strides">The strides; none for a dense tensor.</param>
internal sealed record Layout(nint[] Lengths, nint[] Strides)
{
    /// <summary>How much memory the elements reach over.</summary>
    public int Extent => Places().DefaultIfEmpty(-1).Max() + 1;

    public static Layout Dense(params int[] lengths) => new([.. lengths.Select(length => (nint)length)], []);

    /// <summary>Draws strides: the leading dimensions in any order, gaps between all of them and behind each row.</summary>
    /// <param name="random">Draws.</param>
    /// <param name="leading">The leading dimensions.</param>
    /// <param name="row">The length of the last, whose elements lie side by side; 0 if there is none.</param>
    /// <param name="repeats">Whether a dimension may be repeated, with a stride of 0.</param>
    public static Layout Draw(Random random, int[] leading, int row, bool repeats)
    {
        nint[] strides = new nint[leading.Length];
        int[] order = [.. Enumerable.Range(0, leading.Length)];
        random.Shuffle(order);
        int next = Math.Max(1, row) + random.Next(4);
        foreach (int dimension in order)
        {
            // A dimension of one has the stride 0: there is nothing to stride to.
            if (leading[dimension] > 1 && !(repeats && random.Next(6) == 0))
            {
                strides[dimension] = next;
                next = (next * leading[dimension]) + random.Next(4);
            }
        }

        nint[] lengths = [.. leading.Select(length => (nint)length)];
        return row == 0 ? new(lengths, strides) : new([.. lengths, row], [.. strides, row == 1 ? 0 : 1]);
    }

    /// <summary>Where each element lies, in row-major order.</summary>
    public IEnumerable<int> Places()
    {
        nint[] strides = Strides.Length > 0
            ? Strides
            : [.. Lengths.Select((_, i) => Lengths[(i + 1)..].Aggregate((nint)1, (product, length) => product * length))];
        IEnumerable<int> places = [0];
        for (int i = 0; i < Lengths.Length; i++)
        {
            int length = (int)Lengths[i], stride = (int)strides[i];
            places = places.SelectMany(place => Enumerable.Range(0, length), (place, index) => place + (index * stride));
        }

        return places;
    }

    /// <summary>
    /// Memory that holds the elements, with filler between them. Where a stride is 0, the last of those in one place stays.
    /// </summary>
    public T[] Scatter<T>(T[] values, T filler)
    {
        T[] memory = new T[Extent];
        Array.Fill(memory, filler);
        foreach ((int place, T value) in Places().Zip(values))
        {
            memory[place] = value;
        }

        return memory;
    }

    /// <summary>The elements in row-major order.</summary>
    public T[] Gather<T>(ReadOnlyMemory<T> memory) => [.. Places().Select(place => memory.Span[place])];

    /// <summary>Whether all that is no element is the filler still.</summary>
    public bool GapsAre<T>(ReadOnlyMemory<T> memory, T filler)
    {
        HashSet<int> places = [.. Places()];
        return Enumerable.Range(0, memory.Length).All(i => places.Contains(i) || memory.Span[i]!.Equals(filler));
    }

    public TensorSpan<T> Over<T>(Memory<T> memory) => new(memory.Span, Lengths, Strides);
}
