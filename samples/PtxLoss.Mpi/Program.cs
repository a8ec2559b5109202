using System.CommandLine;
using System.CommandLine.Parsing;

namespace PtxLosses.Samples.Mpi;

/// <summary>The options, and one clear line for each that is wrong. Exit code 2 is a bad command line.</summary>
/// <remarks>
/// <para>mpirun -n 4 --bind-to core dotnet PtxLoss.Mpi.dll --shards 2: .NET takes a thread for each core that a rank is bound to,
/// here one, and all cores for each rank if it is bound to none. For 2 cores: --map-by slot:PE=2.</para>
/// <para>With -q, mpirun adds nothing to the line of a rank that fails; nor does it say then that one was killed.</para>
/// </remarks>
internal static class Program
{
    // The bytes, one joined pair and the end of a document; and so many that the logits of one process are a few GB.
    private const int SmallestVocabulary = 258;
    private const int LargestVocabulary = 100_000;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2);

    private static readonly Option<int> _shards = CommandOptions.Integer(
        "--shards", "Slices of the vocabulary, one rank each; mpirun starts a multiple of them, the replicas.", 1, lowest: 1);

    private static readonly Option<int> _steps = CommandOptions.Integer("--steps", "Steps of training.", 5, lowest: 1);

    private static readonly Option<int> _microBatches = CommandOptions.Integer(
        "--micro-batches", "Micro-batches of each replica in a step.", 3, lowest: 1, highest: 1000);

    private static readonly Option<int> _vocabulary = CommandOptions.Integer(
        "--vocabulary",
        "Ids of the tokenizer; fewer if the text does not give so many.",
        3001,
        SmallestVocabulary,
        LargestVocabulary);

    private static readonly Option<int> _seed = CommandOptions.Integer(
        "--seed", "Of the weights and of the order of the text.", 1, lowest: 0);

    private static readonly Option<string?> _corpus = CommandOptions.Text(
        "--corpus",
        "FILE",
        "UTF-8 text to train on instead of the .NET SDK's documentation, with blank lines between paragraphs or one per line.");

    private static readonly Option<double> _zLoss = new("--z-loss")
    {
        Description = "The coefficient of the z-loss.",
        HelpName = "β",
        DefaultValueFactory = _ => 0,
        CustomParser = ParseCoefficient,
    };

    private static readonly Option<bool> _hidden = new("--hidden")
    {
        Description = "Go from hidden states and a slice of the output layer's weight to the loss, with no logits in memory.",
    };

    private static int Main(string[] args)
    {
        if (MpiLibrary.StartedByMpirun)
        {
            // mpirun gives its processes a terminal, which .NET would greet with control characters.
            Environment.SetEnvironmentVariable("TERM", "dumb");
        }

        var root = new RootCommand(
            "Trains a small language model whose output layer is split by vocabulary among the ranks of an MPI job, and "
            + "checks each step against one process: the loss of PtxLoss across processes.")
        {
            _shards, _steps, _microBatches, _vocabulary, _seed, _corpus, _zLoss, _hidden, Fault.Option,
        };
        root.SetAction(parsed => TrainCommand.Execute(Settings(parsed)));
        ParseResult parsed = root.Parse(args);
        bool failed = parsed.Errors.Count > 0;
        if ((failed || parsed.Action != root.Action) && !MpiLibrary.IsFirstOfItsCommand())
        {
            // One process says it. Where it fails, mpirun ends the job with its code, unless another one has left before it.
            Thread.Sleep(failed ? _patience : TimeSpan.Zero);
            return 0;
        }

        if (failed)
        {
            Console.Error.WriteLine($"error: {parsed.Errors[0].Message}");
            return 2;
        }

        // mpirun ends jobs with SIGTERM, at which a rank that waits for others has nothing to finish.
        return parsed.Invoke(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    private static TrainingSettings Settings(ParseResult parsed) => new(
        parsed.GetValue(_corpus),
        parsed.GetValue(_shards),
        parsed.GetValue(_steps),
        parsed.GetValue(_microBatches),
        parsed.GetValue(_vocabulary),
        parsed.GetValue(_seed),
        parsed.GetValue(_zLoss),
        parsed.GetValue(_hidden),
        parsed.GetValue(Fault.Option));

    private static double ParseCoefficient(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        if (!CommandOptions.TryParseCoefficient(text, out double value))
        {
            argument.AddError($"--z-loss must be a finite number that is not negative, but is '{text}'.");
        }

        return value;
    }
}
