// One thread's handles and counts are looked at, and each test keeps both cores busy by itself.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace PtxLosses.Torch.Tests;

/// <summary>A test whose tensors are disposed at its end, and whose numbers are the same each time.</summary>
public abstract class TorchTest : IDisposable
{
    private readonly torch.Generator _random = new(17);
    private readonly DisposeScope _scope = torch.NewDisposeScope();

    /// <summary>Who computes: the core, or torch's operators, as on other devices.</summary>
    public static TheoryData<bool> Ways => [false, true];

    public void Dispose()
    {
        Route.IsForcedToOperators = false;
        _scope.Dispose();
        _random.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Normally distributed numbers.</summary>
    protected Tensor Normal(torch.ScalarType type, params long[] shape)
        => torch.randn(shape, dtype: torch.float64, generator: _random).to_type(type);

    protected Tensor Ids(long count, params long[] shape)
        => torch.randint(0, count, shape, dtype: torch.int64, generator: _random);

    /// <summary>The same values in float64, as a leaf of their own.</summary>
    protected static Tensor Judged(Tensor tensor) => tensor.detach().to_type(torch.float64).clone().requires_grad_();

    protected static void CheckClose(Tensor? actual, Tensor? expected, double relative, double absolute, string because = "")
    {
        actual.Should().NotBeNull(because);
        Tensor wide = actual!.detach().to_type(torch.float64), judge = expected!.detach().to_type(torch.float64);
        wide.Lengths().Should().Equal(judge.Lengths(), because);
        torch.allclose(wide, judge, relative, absolute, equal_nan: true).Should().BeTrue(
            "{0} is off by {1} {2}", wide.Lengths(), wide.numel() == 0 ? 0 : (wide - judge).abs().max().item<double>(), because);
    }

    protected static void CheckLoss(Tensor actual, Tensor expected, string because = "")
        => CheckClose(actual, expected, 1e-6, 1e-6, because);

    /// <summary>The gradient of a mean over a few tokens: rounded once, to the type of the logits.</summary>
    protected static void CheckGradient(Tensor? actual, Tensor? expected, string because = "")
    {
        (double relative, double absolute) = actual!.dtype switch
        {
            torch.ScalarType.Float64 => (1e-10, 1e-12),
            torch.ScalarType.Float32 => (3e-5, 1e-7),
            torch.ScalarType.Float16 => (2e-3, 2e-6),
            _ => (1e-2, 1e-5),
        };
        CheckClose(actual, expected, relative, absolute, because);
    }
}
