namespace PtxLosses.Samples.Mpi;

/// <summary>MPI is not there, or one of its functions failed.</summary>
internal sealed class MpiException(string message) : Exception(message);
