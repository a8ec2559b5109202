namespace PtxLosses.Samples.Mpi;

/// <summary>MPI is not there, or one of its functions failed.</summary>
internal sealed class MpiException(string message) : Exception(message);

/// <summary>
/// What all ranks found out together, from the same numbers: it ends the job, and only the lowest rank concerned says why. A
/// rank may throw it only where all others do.
/// </summary>
/// <param name="speaker">The rank that reports it.</param>
/// <param name="message">What disagrees, and on which ranks.</param>
internal sealed class JobException(int speaker, string message) : Exception(message)
{
    public int Speaker { get; } = speaker;
}
