using System.CommandLine;

namespace PtxLosses.Samples.Gpt;

/// <summary>The options, and the experiment that they describe.</summary>
internal static class Program
{
    private static readonly ExperimentOptions _options = new(gammas: "0,0.3", pretrainSteps: 50, steps: 8);
    private static readonly GptOptions _gpt = new();

    private static int Main(string[] args)
    {
        OlderLinux.Prepare();
        var root = new RootCommand(
            "Pretrains a small GPT on TorchSharp over GPT-2's vocabulary, fine-tunes it with PPO towards a reward that pulls it "
            + "away from its text, once per γ, and shows what it forgets: PPO-ptx with PtxLoss.TorchSharp. It ends with the time "
            + "and the memory of a training step, with this package and without.");
        foreach (Option option in _options.With(_gpt.Loss, _gpt.KeepFreed, _gpt.Rounds))
        {
            root.Add(option);
        }

        root.Add(MeasureCommand.Create(_gpt));
        root.SetAction(parsed => RunCommand.Execute(
            (progress, stop) =>
            {
                _gpt.KeepFreedIfAsked(parsed);
                ExperimentSettings settings = _options.Settings(parsed, "PtxLoss.Gpt", _gpt.Text(parsed));
                var comparison = new LayerComparison(
                    parsed.GetValue(_gpt.Rounds), parsed.GetValue(_gpt.KeepFreed), progress, stop);
                return GptExperiment.Run(settings, _gpt.LossLayer(parsed), comparison, progress, stop);
            },
            _options.Directory(parsed)));
        return ExperimentOptions.Invoke(root, args);
    }
}
