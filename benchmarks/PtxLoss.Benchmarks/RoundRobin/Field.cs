using System.Numerics.Tensors;
using System.Reflection;

namespace PtxLosses.Benchmarks;

/// <summary>The contenders of this process on one problem and number of threads; making one checks its answer.</summary>
internal sealed class Field(LossProblem problem, int threads)
{
    private static readonly string _tensors = "TensorPrimitives " + Names.VersionOf(typeof(TensorPrimitives));

    private readonly LibraryCalls _library = new(problem, threads);
    private readonly RowByRow _rowByRow = new(problem, threads);
    private readonly MemoryLimits _limits = MemoryLimits.For(problem, threads);
    private readonly BareLoop _bareLoop = BareLoop.For(problem, threads);

    public IEnumerable<Contender> ReadLimits() =>
    [
        Limit(Work.Forward, Names.ReadLimit, () => _limits.Max(byQuarters: false)),
        Limit(Work.Forward, Names.ReadLimit + Names.ByQuarters, () => _limits.Max(byQuarters: true)),
    ];

    public Contender MultiplyLimit() => Limit(Work.Gradient, Names.MultiplyLimit, _limits.MultiplyInPlace);

    public IEnumerable<Contender> CopyLimits() =>
    [
        Limit(Work.Gradient, Names.CopyLimit, () => _limits.CopyNonTemporal(byQuarters: false)),
        Limit(Work.Gradient, Names.CopyLimit + Names.ByQuarters, () => _limits.CopyNonTemporal(byQuarters: true)),
    ];

    public Contender BareForward() => Forward(Contender.BareLoop, Names.BareForward, _bareLoop.Total, 1e-5);

    public Contender BareInPlace()
    {
        problem.Logits.Span.CopyTo(problem.Gradient.Span);
        return Gradient(Contender.BareLoop, Names.BareInPlace, _bareLoop.TotalWithGradientInPlace, 1e-4);
    }

    public Contender BareToOther() => Gradient(Contender.BareLoop, Names.BareToOther, _bareLoop.TotalWithGradient, 1e-4);

    public Contender Compute() => Forward(Contender.PtxLoss, Names.Compute, _library.Compute, 1e-6);

    public Contender ComputeInPlace()
    {
        problem.Logits.Span.CopyTo(problem.Gradient.Span);
        return Gradient(Contender.PtxLoss, Names.InPlace, _library.ComputeWithGradientInPlace, 1e-5);
    }

    public Contender ComputeToOther() => Gradient(Contender.PtxLoss, Names.ToOther, _library.ComputeWithGradient, 1e-5);

    public IEnumerable<Contender> TensorPrimitivesForward() =>
    [
        Forward(_tensors, Names.ByRows, _rowByRow.Composed, 1e-4),
        Forward(_tensors, Names.InBlocks, _rowByRow.ComposedInBlocks, 1e-4),
    ];

    public Contender TensorPrimitivesGradient() => Gradient(_tensors, Names.ByRows, _rowByRow.ComposedWithGradient, 1e-4);

    private Contender Limit(Work work, string name, Action run) => Make(work, Contender.Limit, name, run);

    private Contender Forward(string by, string name, Func<double> total, double tolerance)
    {
        problem.Check($"{by}, {name}", total(), tolerance);
        return Make(Work.Forward, by, name, () => total());
    }

    private Contender Gradient(string by, string name, Func<double> total, double tolerance)
    {
        problem.CheckGradient($"{by}, {name}", total(), tolerance);
        return Make(Work.Gradient, by, name, () => total());
    }

    private Contender Make(Work work, string by, string name, Action run)
        => new(work, by, name, problem.Shape, threads, Contender.TurnsOf(run));
}

/// <summary>The names that tables and charts find measurements by.</summary>
internal static class Names
{
    public const string ReadLimit = "vector max";
    public const string MultiplyLimit = "in-place multiply";
    public const string CopyLimit = "non-temporal copy";
    public const string ByQuarters = ", by quarters of rows";
    public const string BareForward = "loss";
    public const string BareForwardAvx2 = "loss, AVX2 only";
    public const string BareInPlace = "gradient in place";
    public const string BareToOther = "gradient to another buffer";
    public const string Compute = "Compute";
    public const string Avx2 = "Compute, AVX2 only";
    public const string InPlace = "ComputeWithGradient, in place";
    public const string ByRows = "composed, by rows";
    public const string InBlocks = "composed, by blocks of 1,024";
    public const string CrossEntropy = "cross_entropy, no_grad";
    public const string CrossEntropyBackward = "cross_entropy, backward";
    public const string CrossEntropyInPlace = "cross_entropy inplace, backward";
    public const string Linear = "linear, cross_entropy, no_grad";
    public const string LinearBackward = "linear, cross_entropy, backward";
    public const string LinearCrossEntropy = "linear_cross_entropy, no_grad";
    public const string LinearCrossEntropyBackward = "linear_cross_entropy, backward";
    public const string ToOther = "ComputeWithGradient, to another buffer";

    public static string VersionOf(Type type) => type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
        .InformationalVersion.Split('+')[0];
}
