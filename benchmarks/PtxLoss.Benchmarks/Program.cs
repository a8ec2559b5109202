using BenchmarkDotNet.Running;
using PtxLosses.Benchmarks;

try
{
    return RunVerb(args) ?? RunBenchmarks(args);
}
catch (FormatException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

static int? RunVerb(string[] args)
{
    switch (args)
    {
        // One table of ratios, from one run: ratios [--shape 1024x50304] [--threads 2] [--rounds 25] [--out folder]
        // [--peer "command of a PeerProcess"]…
        case ["ratios", .. var rest]:
            RatiosCommand.Run(rest);
            return 0;

        // Time against vocabulary, tokens and threads: scaling [--shape 1024x50304] [--threads 2] [--rounds 10] [--out folder]
        case ["scaling", .. var rest]:
            ScalingCommand.Run(rest);
            return 0;

        // What options and element types cost: options [--shape 1024x50304] [--threads 2] [--rounds 15] [--out folder]
        case ["options", .. var rest]:
            OptionsCommand.Run(rest);
            return 0;

        // The loss from hidden states, per shape: head [--shape 1024x768x50304]… [--threads 2] [--rounds 7] [--out folder]
        // [--peer "command of a PeerProcess"]…
        case ["head", .. var rest]:
            HeadCommand.Run(rest);
            return 0;

        // Draws the results of ratios and scaling: chart benchmarks/results/<cpu>
        case ["chart", var folder]:
            ChartCommand.Run(folder);
            return 0;

        // Started by ratios.
        case ["serve", .. var rest]:
            ServeCommand.Run(rest);
            return 0;

        // Started by head.
        case [HeadMemoryCommand.Verb, .. var rest]:
            HeadMemoryCommand.Run(rest);
            return 0;

        default:
            return null;
    }
}

static int RunBenchmarks(string[] args)
{
    // All of BenchmarkDotNet's arguments: --list flat, --filter '*Forward*', --job dry, --artifacts <folder>, … Parameters belong
    // to the names that --filter sees, so one row is --filter '*ForwardBenchmarks.Compute(Shape: 4x32000, Threads: 1)'.
    var summaries = BenchmarkSwitcher.FromAssembly(typeof(BenchmarkConfig).Assembly).Run(args, new BenchmarkConfig());

    // BenchmarkDotNet reports a failed check of results, or any other failure, and exits with 0.
    return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)) ? 1 : 0;
}
