using System.Diagnostics;

namespace PtxLosses.Samples.Rlhf;

/// <param name="CorpusFile">Null for the documentation of the SDK.</param>
/// <param name="PretrainSteps">Batches of pretraining.</param>
/// <param name="Steps">RL steps of each fine-tuning.</param>
/// <param name="Gammas">The PTX coefficients to compare.</param>
/// <param name="Targets">The targets to compare at each of them.</param>
/// <param name="TopK">How many tokens the teacher of soft targets names.</param>
/// <param name="Seeds">One pretraining and one comparison for each.</param>
internal sealed record ExperimentSettings(
    string? CorpusFile,
    int PretrainSteps,
    int Steps,
    IReadOnlyList<double> Gammas,
    IReadOnlyList<PtxTargets> Targets,
    int TopK,
    IReadOnlyList<int> Seeds)
{
    /// <summary>Where γ is 0 there is nothing to compare.</summary>
    public IReadOnlyList<PtxTerm> Terms { get; } =
    [
        .. Gammas.SelectMany(gamma => Targets.Select(targets => new PtxTerm(gamma, gamma == 0 ? PtxTargets.Hard : targets)))
            .Distinct(),
    ];
}

/// <summary>Pretrains one model per seed and fine-tunes a copy of it per PTX term, all with the same random numbers.</summary>
internal sealed class Experiment(ExperimentSettings settings, IProgressDisplay progress, CancellationToken stop)
{
    private const int VocabularySize = 3072;
    private const int ReaderBatch = 16;
    private const int SamplerBatch = 64;
    private const int PointsPerCurve = 10;

    /// <exception cref="CorpusException">There is no text, or too little of it.</exception>
    public ExperimentResult Run()
    {
        var clock = Stopwatch.StartNew();
        var corpus = Corpus.Load(settings.CorpusFile);
        var tokenizer = Tokenizer.Train(corpus.Training, VocabularySize);
        var shape = new ModelShape(tokenizer.VocabularySize);
        var training = new TokenizedText(corpus.Training, tokenizer, shape.Context);
        var heldOut = new TokenizedText(corpus.HeldOut, tokenizer, shape.Context);
        var reward = new AlliterationReward(tokenizer, corpus.Training);
        var textTransformer = new Transformer(shape, ReaderBatch, shape.Context);
        var reader = new PtxReader(textTransformer);
        var sampler = Rollout.CreateTransformer(shape, SamplerBatch);
        var prompts = new PromptSource(training, tokenizer.EndOfDocument);
        var evaluation = new Evaluation(
            reader, sampler, heldOut, new PromptSource(heldOut, tokenizer.EndOfDocument), reward, tokenizer);

        var result = new ExperimentResult(
            settings, corpus.Source, training.TokenCount, heldOut.TokenCount, tokenizer.VocabularySize);
        progress.Announce($"{corpus.Source}: {training.TokenCount:N0} tokens to train on, {heldOut.TokenCount:N0} held out");
        progress.Announce(
            "rl, ptx, total: losses of the step; reward: of its rollout; ppl: perplexity, in RL that of the held-out text");
        foreach (int seed in settings.Seeds)
        {
            (Parameters pretrained, int pretrainSteps) = Pretrain(seed, shape, reader, training);
            result.ParameterCount = pretrained.Values.Length;
            result.PretrainSteps = Math.Max(result.PretrainSteps, pretrainSteps);
            (Measurement before, IReadOnlyList<TextSample> samples) = evaluation.Measure(pretrained, step: 0);
            result.Pretrained.Add(new PolicyRun(seed, Term: null, [before], samples));
            var teacher = new Lazy<Teacher>(() => new Teacher(textTransformer, pretrained, settings.TopK));
            foreach (PtxTerm term in settings.Terms.TakeWhile(_ => !stop.IsCancellationRequested))
            {
                var fineTuning = new FineTuning(
                    sampler,
                    reader,
                    training,
                    prompts,
                    reward,
                    pretrained.Clone(),
                    term.Gamma,
                    term.Targets == PtxTargets.Soft ? teacher.Value : null,
                    StreamSeed(seed, 2));
                result.FineTuned.Add(FineTune(fineTuning, seed, term, before, evaluation));
            }

            if (stop.IsCancellationRequested)
            {
                break;
            }
        }

        result.Elapsed = clock.Elapsed;
        return result;
    }

    /// <summary>Independent random numbers for each purpose of a seed.</summary>
    private static int StreamSeed(int seed, int stream) => unchecked((seed * 1_000_003) + stream);

    private (Parameters Policy, int Steps) Pretrain(int seed, ModelShape shape, PtxReader reader, TokenizedText training)
    {
        IProgressStage stage = progress.Begin($"seed {seed} pretrain", settings.PretrainSteps);
        var parameters = new Parameters(shape);
        parameters.Initialize(new Random(StreamSeed(seed, 0)));
        var pretraining = new Pretraining(reader, training, parameters, StreamSeed(seed, 1), settings.PretrainSteps);
        int steps = 0;
        while (steps < settings.PretrainSteps && !stop.IsCancellationRequested)
        {
            PtxLossResult loss = pretraining.Step();
            steps++;
            stage.Report(steps, $"ptx {loss.LanguageModelLoss:F2} ppl {loss.Perplexity:F1}");
        }

        return (parameters, steps);
    }

    private PolicyRun FineTune(FineTuning fineTuning, int seed, PtxTerm term, Measurement before, Evaluation evaluation)
    {
        IProgressStage stage = progress.Begin($"seed {seed} {term.Name}", settings.Steps);
        int interval = Math.Max(1, settings.Steps / PointsPerCurve);
        List<Measurement> curve = [before];
        IReadOnlyList<TextSample> samples = [];
        for (int step = 1; step <= settings.Steps; step++)
        {
            StepReport report = fineTuning.Step();
            bool last = step == settings.Steps || stop.IsCancellationRequested;
            if (last || step % interval == 0)
            {
                (Measurement measured, samples) = evaluation.Measure(fineTuning.Policy, step);
                curve.Add(measured);
            }

            PtxLossResult loss = report.Loss;
            stage.Report(
                step,
                $"rl {loss.RlLoss:F2} ptx {loss.LanguageModelLoss:F2} total {loss.Total:F2} "
                + $"reward {report.Reward:F1} ppl {curve[^1].Perplexity:F0} entropy {report.Entropy:F1}");
            if (last)
            {
                break;
            }
        }

        return new PolicyRun(seed, term, curve, samples);
    }
}
