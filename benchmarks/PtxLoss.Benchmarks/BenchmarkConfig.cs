using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Order;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace PtxLosses.Benchmarks;

/// <summary>
/// What all benchmarks share. It names no job and no toolchain: the command line may. Without them, BenchmarkDotNet builds a
/// process for each benchmark, on the runtime that it was started on.
/// </summary>
internal sealed class BenchmarkConfig : ManualConfig
{
    public BenchmarkConfig()
    {
        Add(DefaultConfig.Instance);
        AddColumn(new ThroughputColumn());
        AddDiagnoser(MemoryDiagnoser.Default);
        HideColumns(Column.RatioSD, Column.Gen0, Column.Gen1, Column.Gen2, Column.AllocRatio);
        WithBuildTimeout(TimeSpan.FromMinutes(10)); // it builds the libraries and this program anew, and copies libtorch
        WithOrderer(new SmallestFirst());
    }

    /// <summary>Methods as declared, under each shape and number of threads; shapes by size, not by the alphabet.</summary>
    private sealed class SmallestFirst() : DefaultOrderer(SummaryOrderPolicy.Declared, MethodOrderPolicy.Declared)
    {
        public override IEnumerable<IGrouping<string, BenchmarkCase>> GetLogicalGroupOrder(
            IEnumerable<IGrouping<string, BenchmarkCase>> logicalGroups, IEnumerable<BenchmarkLogicalGroupRule>? order = null)
            => logicalGroups
                .OrderBy(group => group.First().Parameters[nameof(LossBenchmarks.Shape)] is Shape shape ? shape.Logits : 0)
                .ThenBy(group => group.First().Parameters[nameof(LossBenchmarks.Threads)] as int?);
    }
}

/// <summary>The logits' bytes per second: comparable between all benchmarks, and with the memory's rate.</summary>
internal sealed class ThroughputColumn : IColumn
{
    public string Id => nameof(ThroughputColumn);

    public string ColumnName => "GB/s";

    public string Legend => "Size of the logits in 10^9 bytes / Mean: each logit counts once, however often it is visited; "
        + "a gradient that is written does not count";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Mean;
        return nanoseconds is { } time && benchmarkCase.Parameters[nameof(LossBenchmarks.Shape)] is Shape shape
            ? (shape.LogitBytes / time).ToString("F1")
            : "NA";
    }
}
