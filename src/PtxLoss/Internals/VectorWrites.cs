namespace PtxLosses.Internals;

/// <summary>
/// Elementwise writes of floats. Stores are aligned, wherever the memory starts: one that crosses a cache line costs two. What
/// an element becomes does not depend on where it stands.
/// </summary>
internal static unsafe class VectorWrites<TVector>
    where TVector : struct, IFloatVector<TVector>
{
    /// <summary>destination = factor · exp(source − reference), past the caches if <typeparamref name="TStreams"/>.</summary>
    public static void WriteExponentials<TStreams>(float* source, int count, float reference, float factor, float* destination)
        where TStreams : struct, IFlag
    {
        TVector references = TVector.Create(reference), factors = TVector.Create(factor);
        int i = Math.Min(count, CountToAlignment(destination));
        WriteRest(source, i, references, factors, destination);
        for (; i <= count - TVector.Count; i += TVector.Count)
        {
            TVector scaled = VectorExp<TVector>.Exp(TVector.Load(source + i) - references) * factors;
            if (TStreams.Value)
            {
                scaled.StoreNonTemporal(destination + i);
            }
            else
            {
                scaled.Store(destination + i);
            }
        }

        WriteRest(source + i, count - i, references, factors, destination + i);
    }

    public static void Copy(float* source, float* destination, int count)
    {
        int i = 0;
        for (int aligned = Math.Min(count, CountToAlignment(destination)); i < aligned; i++)
        {
            destination[i] = source[i];
        }

        for (; i <= count - TVector.Count; i += TVector.Count)
        {
            TVector.Load(source + i).Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = source[i];
        }
    }

    public static void Scale(float* values, int count, float factor)
    {
        TVector factors = TVector.Create(factor);
        int i = 0;
        for (int aligned = Math.Min(count, CountToAlignment(values)); i < aligned; i++)
        {
            values[i] *= factor;
        }

        for (; i <= count - TVector.Count; i += TVector.Count)
        {
            (TVector.Load(values + i) * factors).Store(values + i);
        }

        for (; i < count; i++)
        {
            values[i] *= factor;
        }
    }

    /// <summary>How many floats stand before the first that is aligned to a register.</summary>
    private static int CountToAlignment(float* address)
        => (int)((-(nint)address / sizeof(float)) & (TVector.Count - 1));

    /// <summary>Less than a register, through one.</summary>
    private static void WriteRest(float* source, int count, TVector reference, TVector factor, float* destination)
    {
        if (count == 0)
        {
            return;
        }

        float* padded = stackalloc float[TVector.Count];
        var rest = new Span<float>(padded, count);
        new ReadOnlySpan<float>(source, count).CopyTo(rest);
        (VectorExp<TVector>.Exp(TVector.Load(padded) - reference) * factor).Store(padded);
        rest.CopyTo(new Span<float>(destination, count));
    }
}
