using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>What takes the place of every logit x: z = scale · cap(x), with cap(x) = c·tanh(x/c). −inf stays −inf.</summary>
/// <param name="SoftCap">c; 0 for none.</param>
/// <param name="Scale">The scale, above 0.</param>
internal readonly record struct LogitTransform(double SoftCap, double Scale)
{
    public static LogitTransform Identity => new(SoftCap: 0, Scale: 1);

    public bool IsIdentity => SoftCap == 0 && Scale == 1;

    public bool HasCap => SoftCap != 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Of(Vector256<double> x)
        => (HasCap ? new TanhCap(SoftCap).Of(x) : x) * Vector256.Create(Scale);

    public double Of(double x) => (HasCap ? new TanhCap(SoftCap).Of(x) : x) * Scale;

    /// <summary>cap'(x); the scale is the other factor of ∂z/∂x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> CapSlope(Vector256<double> x) => HasCap ? new TanhCap(SoftCap).Slope(x) : Vector256<double>.One;

    public double CapSlope(double x) => HasCap ? new TanhCap(SoftCap).Slope(x) : 1;
}
