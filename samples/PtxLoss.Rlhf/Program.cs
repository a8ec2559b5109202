using System.CommandLine;
using System.CommandLine.Parsing;

namespace PtxLosses.Samples.Rlhf;

/// <summary>The options, and one clear line for each that is wrong. Exit code 2 is a bad command line.</summary>
internal static class Program
{
    private const int MostSeeds = 1000;

    private static readonly double[] _defaultGammas = [0, 0.1, 1];

    private static readonly Option<string?> _corpus = CommandOptions.Text(
        "--corpus",
        "FILE",
        "UTF-8 text to pretrain on instead of the .NET SDK's documentation, "
            + "with blank lines between paragraphs or one per line.");

    private static readonly Option<double[]> _gamma = new("--gamma")
    {
        // A default of the option itself would be shown as "0|0.1|1", which is not how to write it.
        Description = "PTX coefficients to compare, each finite and not negative, separated by commas or given one by one. "
            + $"[default: {string.Join(',', _defaultGammas)}]",
        HelpName = "γ,γ,…",
        AllowMultipleArgumentsPerToken = true,
        CustomParser = ParseGammas,
    };

    private static readonly Option<PtxTargets[]> _ptx = new("--ptx")
    {
        Description =
            "What the PTX term wants to be predicted: hard, the text's next token; soft, what the pretrained policy holds "
            + "for likely; or both to compare them. [default: hard]",
        HelpName = "hard,soft",
        AllowMultipleArgumentsPerToken = true,
        CustomParser = ParseTargets,
    };

    private static readonly Option<int> _topK = CommandOptions.Integer(
        "--top-k",
        "How many of the pretrained policy's likeliest tokens a soft target names; 128 of them take 2 MB per RL step.",
        defaultValue: 128,
        lowest: 1);

    private static readonly Option<int> _steps = CommandOptions.Integer(
        "--steps", "RL steps per γ: each is one rollout and its updates.", defaultValue: 70, lowest: 1);

    private static readonly Option<int> _pretrainSteps = CommandOptions.Integer(
        "--pretrain-steps", "Steps of pretraining.", defaultValue: 900, lowest: 1);

    private static readonly Option<int> _seed = CommandOptions.Integer(
        "--seed",
        "First seed; the same seed repeats the run exactly on processors with the same vector instructions.",
        defaultValue: 1,
        lowest: 0);

    private static readonly Option<int> _seeds = CommandOptions.Integer(
        "--seeds",
        "Seeds to run, counting up from --seed; the table then shows mean and spread.",
        defaultValue: 1,
        lowest: 1,
        MostSeeds);

    private static readonly Option<string?> _out = CommandOptions.Text(
        "--out", "DIR", $"Directory for {RunCommand.ChartFile} and {RunCommand.TableFile}; without it, no file is written.");

    private static int Main(string[] args)
    {
        var root = new RootCommand(
            "Pretrains a small language model, fine-tunes it with PPO towards a reward that pulls it away from its text, "
            + "once per γ, and shows what it forgets: PPO-ptx with PtxLoss.")
        {
            _corpus, _gamma, _ptx, _topK, _steps, _pretrainSteps, _seed, _seeds, _out,
        };
        root.SetAction(parsed => RunCommand.Execute(Settings(parsed), parsed.GetValue(_out)));
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            Console.Error.WriteLine($"error: {parsed.Errors[0].Message}");
            return 2;
        }

        // Ctrl+C is the command's own business: it still has results to write.
        return parsed.Invoke(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    private static ExperimentSettings Settings(ParseResult parsed)
    {
        int first = parsed.GetValue(_seed);
        return new ExperimentSettings(
            parsed.GetValue(_corpus),
            parsed.GetValue(_pretrainSteps),
            parsed.GetValue(_steps),
            [.. (parsed.GetResult(_gamma) is null ? _defaultGammas : parsed.GetValue(_gamma)!).Distinct()],
            [.. (parsed.GetResult(_ptx) is null ? [PtxTargets.Hard] : parsed.GetValue(_ptx)!).Distinct()],
            parsed.GetValue(_topK),
            [.. Enumerable.Range(0, parsed.GetValue(_seeds)).Select(index => unchecked(first + index))]);
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

    private static PtxTargets[]? ParseTargets(ArgumentResult argument)
    {
        var targets = new List<PtxTargets>();
        foreach (string text in argument.Tokens.SelectMany(token => token.Value.Split(',')))
        {
            if (text is not ("hard" or "soft"))
            {
                argument.AddError($"--ptx must be hard, soft or both, separated by a comma, but has '{text}'.");
                return null;
            }

            targets.Add(text == "soft" ? PtxTargets.Soft : PtxTargets.Hard);
        }

        return [.. targets];
    }
}
