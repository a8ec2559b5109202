namespace PtxLosses.Common;

/// <summary>
/// A choice at compile time. Written <c>typeof(TFlag) == typeof(On)</c>, it is made before anything is inlined, so that what is
/// not chosen costs nothing of the compiler's budget for inlining, which the kernels' loops all but fill.
/// </summary>
internal interface IFlag;

internal readonly struct On : IFlag;

internal readonly struct Off : IFlag;
