namespace PtxLosses.Samples;

/// <summary>Pretrains one model per seed and fine-tunes a copy of it per PTX term, all with the same random numbers.</summary>
/// <param name="settings">What to compare.</param>
/// <param name="createModel">The kind of policy; its tokenizer may be made of the text.</param>
/// <param name="progress">Where the run says how far it is.</param>
/// <param name="stop">Ends it after the current step.</param>
internal sealed class Experiment<TPolicy>(
    ExperimentSettings settings,
    Func<Corpus, ILanguageModel<TPolicy>> createModel,
    IProgressDisplay progress,
    CancellationToken stop)
    where TPolicy : IPolicy
{
    /// <exception cref="CorpusException">There is no text, or too little of it.</exception>
    public ExperimentResult Run()
    {
        var corpus = Corpus.Load(settings.CorpusFile);
        ILanguageModel<TPolicy> model = createModel(corpus);
        (ITokenizer tokenizer, ExperimentScale scale) = (model.Tokenizer, model.Scale);
        var training = new TokenizedText(corpus.Training, tokenizer, scale.Context);
        var heldOut = new TokenizedText(corpus.HeldOut.Take(scale.HeldOutDocuments), tokenizer, scale.Context);
        var reward = new AlliterationReward(tokenizer, corpus.Training);
        var prompts = new PromptSource(training, tokenizer.EndOfDocument);
        var evaluation = new Evaluation(scale, heldOut, new PromptSource(heldOut, tokenizer.EndOfDocument), reward, tokenizer);

        var result = new ExperimentResult(
            settings, corpus.Source, training.TokenCount, heldOut.TokenCount, tokenizer.VocabularySize);
        progress.Announce($"{corpus.Source}: {training.TokenCount:N0} tokens to train on, {heldOut.TokenCount:N0} held out");
        progress.Announce(
            "rl, ptx, total: losses of the step; reward: of its rollout; ppl: perplexity, in RL that of the held-out text");
        foreach (int seed in settings.Seeds)
        {
            using TPolicy pretrained = model.Create(StreamSeed(seed, 0));
            int pretrainSteps = Pretrain(model, pretrained, seed, training);
            result.ParameterCount = pretrained.ParameterCount;
            result.PretrainSteps = Math.Max(result.PretrainSteps, pretrainSteps);
            (Measurement before, IReadOnlyList<TextSample> samples) = evaluation.Measure(pretrained, step: 0);
            result.Pretrained.Add(new PolicyRun(seed, Term: null, [before], samples));
            foreach (PtxTerm term in settings.Terms.TakeWhile(_ => !stop.IsCancellationRequested))
            {
                using IFineTuning fineTuning = model.FineTune(pretrained, term);
                var loop = new FineTuningLoop(fineTuning, scale, training, prompts, reward, StreamSeed(seed, 2));
                IProgressStage stage = progress.Begin($"seed {seed} {term.Name}", settings.Steps);
                (IReadOnlyList<Measurement> curve, samples) = FineTune(
                    loop, fineTuning.Policy, stage, before, evaluation, Math.Max(1, settings.Steps / scale.PointsPerCurve));
                result.FineTuned.Add(new PolicyRun(seed, term, curve, samples));
            }

            if (stop.IsCancellationRequested)
            {
                break;
            }
        }

        return result;
    }

    /// <summary>Independent random numbers for each purpose of a seed.</summary>
    private static int StreamSeed(int seed, int stream) => unchecked((seed * 1_000_003) + stream);

    /// <summary>Returns the steps that it took.</summary>
    private int Pretrain(ILanguageModel<TPolicy> model, TPolicy policy, int seed, TokenizedText training)
    {
        IProgressStage stage = progress.Begin($"seed {seed} pretrain", settings.PretrainSteps);
        using IPretraining pretraining = model.Pretrain(policy, settings.PretrainSteps);
        var random = new Random(StreamSeed(seed, 1));
        int[] tokens = new int[model.Scale.TextBatch * model.Scale.Context], targets = new int[tokens.Length];
        int steps = 0;
        while (steps < settings.PretrainSteps && !stop.IsCancellationRequested)
        {
            training.Sample(random, model.Scale.TextBatch, tokens, targets);
            PtxLossResult loss = pretraining.Step(tokens, targets);
            steps++;
            stage.Report(steps, $"ptx {loss.LanguageModelLoss:F2} ppl {loss.Perplexity:F1}");
        }

        return steps;
    }

    private (IReadOnlyList<Measurement> Curve, IReadOnlyList<TextSample> Samples) FineTune(
        FineTuningLoop loop, IPolicy policy, IProgressStage stage, Measurement before, Evaluation evaluation, int interval)
    {
        List<Measurement> curve = [before];
        IReadOnlyList<TextSample> samples = [];
        for (int step = 1; step <= settings.Steps; step++)
        {
            StepReport report = loop.Step();
            bool last = step == settings.Steps || stop.IsCancellationRequested;
            if (last || step % interval == 0)
            {
                (Measurement measured, samples) = evaluation.Measure(policy, step);
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

        return (curve, samples);
    }
}
