using System.CommandLine;

namespace PtxLosses.Samples.Gpt;

/// <summary>The options of this sample alone.</summary>
internal sealed class GptOptions
{
    public Option<string> Loss { get; } = CreateLoss();

    public Option<bool> KeepFreed { get; } = new("--keep-freed")
    {
        Description = "Let the allocator keep freed memory (TorchMemory.KeepFreed), with each loss layer.",
    };

    public Option<int> Rounds { get; } = CommandOptions.Integer(
        "--rounds",
        "Steps that the comparison of the loss layers times with each; 0 for no comparison.",
        defaultValue: 3,
        lowest: 0);

    public ILossLayer LossLayer(ParseResult parsed) => LossLayers.Create(parsed.GetValue(Loss)!);

    /// <exception cref="SampleException">The allocator is not one that can.</exception>
    public void KeepFreedIfAsked(ParseResult parsed)
    {
        if (parsed.GetValue(KeepFreed) && !TorchMemory.KeepFreed())
        {
            throw new SampleException("--keep-freed needs glibc's own allocator, on Linux.");
        }
    }

    /// <summary>As they are written to repeat a run.</summary>
    public string Text(ParseResult parsed) =>
        $"--loss {parsed.GetValue(Loss)} --rounds {parsed.GetValue(Rounds)}{(parsed.GetValue(KeepFreed) ? " --keep-freed" : "")}";

    private static Option<string> CreateLoss()
    {
        var option = new Option<string>("--loss")
        {
            Description = "The loss layer: fused, this package from the hidden states on; logits, this package behind torch's "
                + "linear layer; torch, torch's own operators. The curves agree but for rounding.",
            HelpName = string.Join('|', LossLayers.Names),
            DefaultValueFactory = _ => LossLayers.Names[0],
        };
        option.Validators.Add(result =>
        {
            string name = result.Tokens.Count > 0 ? result.Tokens[^1].Value : LossLayers.Names[0];
            if (!LossLayers.Names.Contains(name, StringComparer.Ordinal))
            {
                result.AddError($"--loss must be one of {string.Join(", ", LossLayers.Names)}, but is '{name}'.");
            }
        });
        return option;
    }
}
