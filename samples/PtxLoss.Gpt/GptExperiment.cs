namespace PtxLosses.Samples.Gpt;

/// <summary>The experiment of both samples with a GPT, then the comparison of the loss layers.</summary>
internal static class GptExperiment
{
    public static ExperimentResult Run(
        ExperimentSettings settings,
        ILossLayer lossLayer,
        LayerComparison comparison,
        IProgressDisplay progress,
        CancellationToken stop)
    {
        var model = new LanguageModel(lossLayer);
        MeasuredBatch? batch = null;
        var experiment = new Experiment<GptPolicy>(settings, CreateModel, progress, stop);
        ExperimentResult result = experiment.Run();
        result.Appendix = comparison.Run(batch!);
        return result;

        LanguageModel CreateModel(Corpus corpus)
        {
            batch = DrawBatch(corpus, model);
            return model;
        }
    }

    /// <summary>Held-out text. The advantages, of a policy with random weights, have any sign.</summary>
    private static MeasuredBatch DrawBatch(Corpus corpus, LanguageModel model)
    {
        ExperimentScale scale = model.Scale;
        var random = new Random(0);
        var text = new TokenizedText(corpus.HeldOut, model.Tokenizer, scale.Context);
        int[] tokens = new int[scale.TextBatch * scale.Context], targets = new int[tokens.Length];
        text.Sample(random, scale.TextBatch, tokens, targets);
        int[][] prompts = new PromptSource(text, model.Tokenizer.EndOfDocument).Draw(random, scale.RolloutBatch);
        double[] advantages = new double[scale.RolloutBatch * Rollout.ContinuationLength];
        foreach (ref double advantage in advantages.AsSpan())
        {
            advantage = random.NextDouble() - 0.5;
        }

        return new MeasuredBatch(tokens, targets, prompts, advantages);
    }
}
