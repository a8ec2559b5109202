namespace PtxLosses.Tests;

/// <summary>What is done for whatever type elements have.</summary>
internal interface IElementCase<out TResult>
{
    TResult Run<TElement>()
        where TElement : unmanaged;
}

/// <summary>The types of elements by the names that drawn cases and goldens have for them.</summary>
internal static class ElementNames
{
    public const string Float = "float", Double = "double", Half = "half", BFloat16 = "bfloat16";

    public static TResult Run<TResult>(string element, IElementCase<TResult> of) => element switch
    {
        Float => of.Run<float>(),
        Double => of.Run<double>(),
        Half => of.Run<Half>(),
        BFloat16 => of.Run<BFloat16>(),
        _ => throw new ArgumentException($"{element} is no type of elements.", nameof(element)),
    };
}
