using System.CommandLine;
using System.CommandLine.Parsing;

namespace PtxLosses.Samples;

/// <summary>The options that every experiment has, and one clear line for each that is wrong.</summary>
internal sealed class ExperimentOptions(string gammas, int pretrainSteps, int steps)
{
    private const int MostSeeds = 1000;

    private readonly Option<string?> _corpus = CommandOptions.Text(
        "--corpus",
        "FILE",
        "UTF-8 text to pretrain on instead of the .NET SDK's documentation, "
            + "with blank lines between paragraphs or one per line.");

    private readonly Option<double[]> _gamma = new("--gamma")
    {
        // A default of the option itself would be shown as "0|0.1|1", which is not how to write it.
        Description = "PTX coefficients to compare, each finite and not negative, separated by commas or given one by one. "
            + $"[default: {gammas}]",
        HelpName = "γ,γ,…",
        AllowMultipleArgumentsPerToken = true,
        CustomParser = ParseGammas,
    };

    private readonly Option<int> _steps = CommandOptions.Integer(
        "--steps", "RL steps per γ: each is one rollout and its updates.", steps, lowest: 1);

    private readonly Option<int> _pretrainSteps = CommandOptions.Integer(
        "--pretrain-steps", "Steps of pretraining.", pretrainSteps, lowest: 1);

    private readonly Option<int> _seed = CommandOptions.Integer(
        "--seed",
        "First seed; the same seed repeats the run exactly on processors with the same vector instructions.",
        defaultValue: 1,
        lowest: 0);

    private readonly Option<int> _seeds = CommandOptions.Integer(
        "--seeds",
        "Seeds to run, counting up from --seed; the table then shows mean and spread.",
        defaultValue: 1,
        lowest: 1,
        MostSeeds);

    private readonly Option<string?> _out = CommandOptions.Text(
        "--out", "DIR", $"Directory for {RunCommand.ChartFile} and {RunCommand.TableFile}; without it, no file is written.");

    /// <summary>In the order in which help shows them, with those of a sample in the middle.</summary>
    public IEnumerable<Option> With(params IEnumerable<Option> ofSample) =>
        [_corpus, _gamma, .. ofSample, _steps, _pretrainSteps, _seed, _seeds, _out];

    public string? Directory(ParseResult parsed) => parsed.GetValue(_out);

    public ExperimentSettings Settings(ParseResult parsed, string sample, string optionsOfSample)
    {
        int first = parsed.GetValue(_seed);
        IEnumerable<double> defaults = gammas.Split(',').Select(double.Parse);
        return new ExperimentSettings(
            parsed.GetValue(_corpus),
            parsed.GetValue(_pretrainSteps),
            parsed.GetValue(_steps),
            [.. (parsed.GetResult(_gamma) is null ? defaults : parsed.GetValue(_gamma)!).Distinct()],
            [.. Enumerable.Range(0, parsed.GetValue(_seeds)).Select(index => unchecked(first + index))])
        {
            Sample = sample,
            OptionsOfSample = optionsOfSample,
        };
    }

    /// <summary>Runs a command. Exit code 2 is a bad command line.</summary>
    public static int Invoke(RootCommand root, string[] args)
    {
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            Console.Error.WriteLine($"error: {parsed.Errors[0].Message}");
            return 2;
        }

        // Ctrl+C is the command's own business: it still has results to write.
        return parsed.Invoke(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    private static double[]? ParseGammas(ArgumentResult argument)
    {
        var gammas = new List<double>();
        foreach (string text in argument.Tokens.SelectMany(token => token.Value.Split(',')))
        {
            if (!CommandOptions.TryParseCoefficient(text, out double gamma))
            {
                argument.AddError($"--gamma must be a list of finite numbers that are not negative, but has '{text}'.");
                return null;
            }

            gammas.Add(gamma);
        }

        return [.. gammas];
    }
}
