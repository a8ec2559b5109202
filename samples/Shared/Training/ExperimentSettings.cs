namespace PtxLosses.Samples;

/// <param name="CorpusFile">Null for the documentation of the SDK.</param>
/// <param name="PretrainSteps">Batches of pretraining.</param>
/// <param name="Steps">RL steps of each fine-tuning.</param>
/// <param name="Gammas">The PTX coefficients to compare.</param>
/// <param name="Seeds">One pretraining and one comparison for each.</param>
internal sealed record ExperimentSettings(
    string? CorpusFile, int PretrainSteps, int Steps, IReadOnlyList<double> Gammas, IReadOnlyList<int> Seeds)
{
    /// <summary>The targets to compare at each coefficient.</summary>
    public IReadOnlyList<PtxTargets> Targets { get; init; } = [PtxTargets.Hard];

    /// <summary>How many tokens the teacher of soft targets names.</summary>
    public int TopK { get; init; }

    /// <summary>The project of the sample.</summary>
    public required string Sample { get; init; }

    /// <summary>Options of this sample alone, as they are written to repeat the run.</summary>
    public required string OptionsOfSample { get; init; }

    /// <summary>Where γ is 0 there is nothing to compare.</summary>
    public IReadOnlyList<PtxTerm> Terms =>
    [
        .. Gammas.SelectMany(gamma => Targets.Select(targets => new PtxTerm(gamma, gamma == 0 ? PtxTargets.Hard : targets)))
            .Distinct(),
    ];

    /// <summary>What repeats the run.</summary>
    public string CommandLine
    {
        get
        {
            string corpus = CorpusFile is null ? "" : "--corpus FILE ";
            return $"dotnet run -c Release --project samples/{Sample} -- {corpus}--pretrain-steps {PretrainSteps} "
                + $"--steps {Steps} --gamma {string.Join(',', Gammas)} {OptionsOfSample} --seed {Seeds[0]} --seeds {Seeds.Count}";
        }
    }
}
