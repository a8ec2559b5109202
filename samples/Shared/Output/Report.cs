using System.Text;
using Spectre.Console;

namespace PtxLosses.Samples;

/// <summary>What was measured, as a table for the console and for a Markdown file.</summary>
internal sealed class Report
{
    private static readonly string[] _columns =
        ["γ", "targets", "reward before", "reward after", "perplexity before", "perplexity after", "forgetting, nats"];

    private readonly ExperimentResult _result;
    private readonly ReportTable _table;

    public Report(ExperimentResult result)
    {
        _result = result;
        string[][] rows =
        [
            .. from entry in result.ByTerm()
               let runs = entry.Runs
               select (string[])
               [
                   $"{entry.Term.Gamma}"
                       + (runs[0].After.Step == result.Settings.Steps ? "" : $" (stopped at {runs[0].After.Step})"),
                   TargetsOf(entry.Term),
                   Spread(runs, run => run.Before.Reward, "F2"),
                   Spread(runs, run => run.After.Reward, "F2"),
                   Spread(runs, run => run.Before.Perplexity, "F1"),
                   Spread(runs, run => run.After.Perplexity, "F1"),
                   Spread(runs, run => run.Forgetting, "+0.00;-0.00"),
               ],
        ];
        _table = new ReportTable(_columns, rows, Legend());
    }

    public void WriteTo(IAnsiConsole console)
    {
        _table.WriteTo(console);
        console.WriteLine();
        int seed = _result.Pretrained[0].Seed;
        foreach (PolicyRun run in _result.Pretrained.Concat(_result.FineTuned).Where(run => run.Seed == seed))
        {
            console.MarkupLine($"[bold]{run.Term?.Name ?? "pretrained"}[/]");
            foreach (TextSample sample in run.Samples)
            {
                string continuation = Markup.Escape(Inline(sample.Continuation));
                console.MarkupLine($"  {Markup.Escape(Inline(sample.Prompt))}[green]{continuation}[/]");
            }
        }

        if (_result.Appendix is { } appendix)
        {
            console.WriteLine();
            appendix.WriteTo(console);
        }
    }

    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.AppendLine("# Forgetting, measured");
        text.AppendLine();
        text.AppendLine(
            "A language model is pretrained on text. PPO then pulls it away with a reward for words that start with S; γ is the "
            + "weight of pretraining text in each step. Perplexity on held-out text shows what the model forgets.");
        text.AppendLine();
        if (_result.FineTuned.Count > 0)
        {
            text.AppendLine($"![Held-out perplexity and reward over RL steps]({RunCommand.ChartFile})");
            text.AppendLine();
        }

        _table.AppendTo(text);
        text.AppendLine();
        text.AppendLine(
            $"Text: {_result.Source}, {_result.TrainingTokens:N0} tokens to train on and {_result.HeldOutTokens:N0} held out, "
            + $"vocabulary {_result.VocabularySize:N0}. Model: {_result.ParameterCount:N0} parameters, "
            + $"{_result.PretrainSteps} pretraining steps. {(_result.Stopped ? "Started with" : "Repeat it with")}");
        text.AppendLine();
        text.AppendLine($"    {_result.Settings.CommandLine}");
        if (_result.Appendix is { } appendix)
        {
            text.AppendLine();
            appendix.AppendTo(text);
        }

        return text.ToString().ReplaceLineEndings("\n");
    }

    private static string TargetsOf(PtxTerm term) => term switch
    {
        { Gamma: 0 } => "none",
        { Targets: PtxTargets.Soft } => "soft",
        _ => "hard",
    };

    private static string Spread(PolicyRun[] runs, Func<PolicyRun, double> value, string format)
    {
        double mean = runs.Average(value);
        if (runs.Length == 1)
        {
            return mean.ToString(format);
        }

        double deviation = Math.Sqrt(runs.Sum(run => Math.Pow(value(run) - mean, 2)) / (runs.Length - 1));
        return $"{mean.ToString(format)} ± {deviation.ToString(format.Split(';')[0].TrimStart('+'))}";
    }

    private static string Inline(string text) => text.Replace("\n", " ¶ ");

    private string Legend()
    {
        if (_result.FineTuned.Count == 0)
        {
            return $"Stopped after {_result.PretrainSteps} of {_result.Settings.PretrainSteps} pretraining steps, "
                + "before the first RL step. "
                + $"Perplexity per token of held-out text: {_result.Pretrained[0].Before.Perplexity:F1}.";
        }

        IReadOnlyList<int> seeds = _result.SeedCounts;
        string spread = seeds.Max() > 1 ? $" Mean ± standard deviation over {string.Join(" or ", seeds)} seeds." : "";
        return $"{StepsDone()} Reward: different words starting with S in a continuation of {Rollout.ContinuationLength} tokens. "
            + $"Perplexity: per token of held-out text. Forgetting: the rise of its logarithm.{SoftTargets()}{spread}";
    }

    private string SoftTargets() => !_result.FineTuned.Any(run => run.Term?.Targets == PtxTargets.Soft) ? ""
        : $" Soft targets: the {Math.Min(_result.Settings.TopK, _result.VocabularySize)} tokens that the pretrained policy holds "
            + "for most likely, with its probabilities.";

    /// <summary>Only the last run can have been stopped: runs follow each other.</summary>
    private string StepsDone()
    {
        int steps = _result.Settings.Steps;
        int last = _result.FineTuned[^1].After.Step;
        if (!_result.Stopped)
        {
            return $"After {steps} RL steps.";
        }

        if (_result.FinishedRuns == 0)
        {
            return $"Stopped after {last} of {steps} RL steps.";
        }

        string unfinished = last < steps ? $", one was stopped at {last}" : "";
        return $"Stopped: {_result.FinishedRuns} of {_result.PlannedRuns} runs reached {steps} RL steps{unfinished}.";
    }
}
