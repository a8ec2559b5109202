namespace PtxLosses.Samples;

/// <summary>Why a run cannot go on, in one line for the user.</summary>
internal class SampleException : Exception
{
    public SampleException(string message)
        : base(message)
    {
    }

    public SampleException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
