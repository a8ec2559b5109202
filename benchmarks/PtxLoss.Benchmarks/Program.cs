using System.CommandLine;
using System.CommandLine.Parsing;
using BenchmarkDotNet.Running;
using PtxLosses.Benchmarks;

Option<Shape> shape = new("--shape")
{
    Description = "The logits: tokens x vocabulary.",
    HelpName = "1024x50304",
    DefaultValueFactory = _ => RatiosCommand.DefaultShape,
    CustomParser = argument => ParseEach(argument, Shape.Parse).FirstOrDefault(),
};
Option<HeadShape[]> headShapes = new("--shape")
{
    Description = "The hidden states and the weight: tokens x width x vocabulary, any number of times.",
    HelpName = "1024x768x50304",
    DefaultValueFactory = _ => [.. HeadShape.Defaults],
    CustomParser = argument => ParseEach(argument, HeadShape.Parse),
};
Option<HeadShape> oneHeadShape = new("--shape")
{
    Description = "The hidden states and the weight: tokens x width x vocabulary.",
    HelpName = "1024x768x50304",
    DefaultValueFactory = _ => HeadShape.Defaults[0],
    CustomParser = argument => ParseEach(argument, HeadShape.Parse).FirstOrDefault(),
};
Option<string[]> peers = new("--peer")
{
    Description = "The command that starts another program to be timed, any number of times: see benchmarks/peers/run.sh.",
    HelpName = "COMMAND",
};
Option<int> threads = CommandOptions.Integer("--threads", "Threads of each contender.", Environment.ProcessorCount, lowest: 1);
Option<string?> output = CommandOptions.Text("--out", "DIR", "Where the results go. [default: benchmarks/results/<cpu>]");
Option<int> ratiosRounds = Rounds(25), scalingRounds = Rounds(10), optionsRounds = Rounds(15), headRounds = Rounds(7),
    stepRounds = Rounds(7), torchRounds = Rounds(11);
Argument<string> folder = new("DIR") { Description = "Where ratios and scaling left their results." };
Argument<string> kind = new("kind");
Option<bool> keepFreed = new(OwnPeer.KeepFreed);
Option<int?> memoryOf = new(OwnPeer.MemoryOf);
Argument<string[]> toldToPeer = new("arguments") { Arity = ArgumentArity.OneOrMore };

var root = new RootCommand("""
    Times PtxLoss. The commands below compare it with others in one run, and benchmarks/README.md says how. All other arguments go
    to BenchmarkDotNet, as in --list flat or --filter '*ForwardBenchmarks*' --job dry: the names that --filter sees have their
    parameters, as in '*ForwardBenchmarks.Compute(Shape: 4x32000, Threads: 1)'.
    """)
{
    On(new Command("ratios", "How far from the memory's limits and ahead of the others: ratios.md, peers.md, peers.csv.")
    {
        shape, threads, ratiosRounds, peers, output,
    }, it => RatiosCommand.Run(
        it.GetValue(shape), it.GetValue(threads), it.GetValue(ratiosRounds), it.GetValue(peers)!, Results(it))),
    On(new Command("scaling", "Time against vocabulary, tokens and threads: scaling.md, and a .csv for each.")
    {
        shape, threads, scalingRounds, output,
    }, it => ScalingCommand.Run(it.GetValue(shape), it.GetValue(threads), it.GetValue(scalingRounds), Results(it))),
    On(new Command("options", "What options and element types cost: options.md.")
    {
        shape, threads, optionsRounds, output,
    }, it => OptionsCommand.Run(it.GetValue(shape), it.GetValue(threads), it.GetValue(optionsRounds), Results(it))),
    On(new Command("head", "The loss from hidden states, its time and memory: head.md.")
    {
        headShapes, threads, headRounds, peers, output,
    }, it => HeadCommand.Run(
        it.GetValue(headShapes)!, it.GetValue(threads), it.GetValue(headRounds), it.GetValue(peers)!, Results(it))),
    On(new Command("step", "A whole step of PPO-ptx from hidden states, and its calls, their time and memory: step.md.")
    {
        oneHeadShape, threads, stepRounds, output,
    }, it => StepCommand.Run(it.GetValue(oneHeadShape), it.GetValue(threads), it.GetValue(stepRounds), Results(it))),
    On(new Command("torch", "PtxLoss.TorchSharp beside torch's own functions: torch.md.")
    {
        oneHeadShape, threads, torchRounds, output,
    }, it => TorchCommand.Run(it.GetValue(oneHeadShape), it.GetValue(threads), it.GetValue(torchRounds), Results(it))),
    On(new Command("chart", "Draws what ratios and scaling measured: throughput.svg, scaling.svg.") { folder },
        it => ChartCommand.Run(new ResultsFolder(it.GetValue(folder)))),

    // Started by the others.
    On(new Command(OwnPeer.Verb) { kind, keepFreed, memoryOf, toldToPeer }, it => PeerHost.Run(PeerRequest.Parse(
        new(it.GetValue(kind)!, it.GetValue(keepFreed), it.GetValue(memoryOf)), it.GetValue(toldToPeer)!)), hidden: true),
};

return args is [var first, ..] && (first is "--help" or "-h" or "-?" || root.Subcommands.Any(command => command.Name == first))
    ? RunCommand(root.Parse(args))
    : RunBenchmarks(args);

static Option<int> Rounds(int defaultValue) => CommandOptions.Integer(
    "--rounds", "Rounds in which all contenders take their turn; tables show medians.", defaultValue, lowest: 1);

static Command On(Command command, Action<ParseResult> run, bool hidden = false)
{
    command.Hidden = hidden;
    command.SetAction(run);
    return command;
}

ResultsFolder Results(ParseResult parsed) => new(parsed.GetValue(output));

static T[] ParseEach<T>(ArgumentResult argument, Func<string, T> parse)
{
    try
    {
        return [.. argument.Tokens.Select(token => parse(token.Value))];
    }
    catch (Exception problem) when (problem is FormatException or OverflowException)
    {
        argument.AddError(problem.Message);
        return [];
    }
}

static int RunCommand(ParseResult parsed)
{
    if (parsed.Errors.Count > 0)
    {
        Console.Error.WriteLine($"error: {parsed.Errors[0].Message}");
        return 2;
    }

    return parsed.Invoke(new InvocationConfiguration { ProcessTerminationTimeout = null });
}

static int RunBenchmarks(string[] args)
{
    var summaries = BenchmarkSwitcher.FromAssembly(typeof(BenchmarkConfig).Assembly).Run(args, new BenchmarkConfig());

    // BenchmarkDotNet reports a failed check of results, or any other failure, and exits with 0.
    bool failed = summaries.Any(it => it.HasCriticalValidationErrors || it.Reports.Any(report => !report.Success));
    return failed ? 1 : 0;
}
