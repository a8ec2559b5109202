using BenchmarkDotNet.Running;
using PtxLosses.Benchmarks;

// All of BenchmarkDotNet's arguments: --list flat, --filter '*Forward*', --job dry, --artifacts <folder>, … Parameters belong to
// the names that --filter sees, so one row is --filter '*ForwardBenchmarks.Compute(Shape: 4x32000, Threads: 1)'.
var summaries = BenchmarkSwitcher.FromAssembly(typeof(BenchmarkConfig).Assembly).Run(args, new BenchmarkConfig());

// BenchmarkDotNet reports a failed check of results, or any other failure, and exits with 0.
return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)) ? 1 : 0;
