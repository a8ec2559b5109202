using System.CommandLine;
using System.CommandLine.Parsing;

namespace PtxLosses.Samples.Rlhf;

/// <summary>The options, and the experiment that they describe.</summary>
internal static class Program
{
    private static readonly ExperimentOptions _options = new(gammas: "0,0.1,1", pretrainSteps: 900, steps: 70);

    private static readonly Option<PtxTargets[]> _ptx = new("--ptx")
    {
        Description = "What the PTX term wants to be predicted: hard, the text's next token; soft, what the pretrained policy "
            + "holds for likely; or both to compare them. [default: hard]",
        HelpName = "hard,soft",
        AllowMultipleArgumentsPerToken = true,
        CustomParser = ParseTargets,
    };

    private static readonly Option<int> _topK = CommandOptions.Integer(
        "--top-k",
        "How many of the pretrained policy's likeliest tokens a soft target names; 128 of them take 2 MB per RL step.",
        defaultValue: 128,
        lowest: 1);

    private static int Main(string[] args)
    {
        var root = new RootCommand(
            "Pretrains a small language model, fine-tunes it with PPO towards a reward that pulls it away from its text, "
            + "once per γ, and shows what it forgets: PPO-ptx with PtxLoss.");
        foreach (Option option in _options.With(_ptx, _topK))
        {
            root.Add(option);
        }

        root.SetAction(parsed =>
        {
            ExperimentSettings settings = Settings(parsed);
            return RunCommand.Execute(
                (progress, stop) => new Experiment<Policy>(
                    settings, corpus => new LanguageModel(corpus, settings.TopK), progress, stop).Run(),
                _options.Directory(parsed));
        });
        return ExperimentOptions.Invoke(root, args);
    }

    private static ExperimentSettings Settings(ParseResult parsed)
    {
        PtxTargets[] targets = [.. (parsed.GetResult(_ptx) is null ? [PtxTargets.Hard] : parsed.GetValue(_ptx)!).Distinct()];
        int topK = parsed.GetValue(_topK);
        string teacher = targets.Contains(PtxTargets.Soft) ? $" --top-k {topK}" : "";
        string options = $"--ptx {string.Join(',', targets).ToLowerInvariant()}{teacher}";
        return _options.Settings(parsed, "PtxLoss.Rlhf", options) with { Targets = targets, TopK = topK };
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
