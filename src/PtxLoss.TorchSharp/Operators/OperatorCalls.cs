using PtxLosses.Batch;
using PtxLosses.Calls;
using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>The calls of the core in torch's operators, in parts of the tokens: no second buffer of the size of the logits.</summary>
internal static class OperatorCalls
{
    /// <summary>How many tensors of the size of a part there are at a time, about.</summary>
    private const int TensorsPerPart = 8;

    /// <summary>A loss, and its gradient where it is wanted.</summary>
    public static PtxLossResult Loss(double rlLoss, LogitParts logits, Targets targets, double coefficient)
    {
        PtxLossOptions options = targets.Options;
        var normalizer = new Normalizer(options);
        targets.Count.CheckDivisor(normalizer, nameof(options));
        double scale = coefficient / normalizer.DivisorFor(targets.Count.Weight);
        TokenLosses sums = default;
        ForEachPart(logits, targets, options, (start, rows) =>
        {
            int count = (int)rows.LogSumExp.size(0);
            Tensor share = ShareOf(options.TargetWeighting, rows);
            double[] loss = ToArray(rows.Loss), logSumExp = ToArray(rows.LogSumExp), shares = ToArray(share);
            double[]? correct = options.Statistics.HasFlag(LossStatistics.Accuracy) ? ToArray(rows.IsCorrect) : null;
            double[]? entropy = options.Statistics.HasFlag(LossStatistics.Entropy) ? ToArray(rows.Entropy) : null;
            float[] weights = new float[count];
            for (int i = 0; i < count; i++)
            {
                int token = (int)start + i;
                weights[i] = targets.Counts(targets.Ids[token]) ? targets.Weights?[token] ?? 1 : 0;
                if (weights[i] > 0)
                {
                    double weight = weights[i] * shares[i];
                    sums += new TokenLosses(
                        shares[i] == 0 ? 0 : weight * loss[i],
                        options.ZLossCoefficient == 0 || shares[i] == 0 ? 0 : weight * logSumExp[i] * logSumExp[i],
                        weights[i] * loss[i],
                        correct is null ? 0 : weights[i] * correct[i],
                        entropy is null ? 0 : weights[i] * entropy[i]);
                }
            }

            if (logits.WantsGradient)
            {
                Tensor weight = torch.tensor(weights, logits.Type, logits.Device), ofLoss = weight.Times(scale) * share;
                Tensor a = options.ZLossCoefficient == 0 ? ofLoss
                    : ofLoss * rows.LogSumExp.Times(2 * options.ZLossCoefficient).Plus(1);
                logits.Write(start, rows.Gradient(a, b: null, ofLoss, weight.logical_and(share)));
            }
        });
        var totals = new LossTotals(sums, targets.Count.Weight, targets.Count.Tokens, options.Statistics);
        return new(rlLoss, coefficient, totals, normalizer, options.ZLossCoefficient);
    }

    /// <summary>Values per token.</summary>
    public static void Tokens(LogitParts logits, Targets targets, TokenValues values)
        => ForEachPart(logits, targets, targets.Options, (start, rows) =>
        {
            Fill(rows.Loss, values.Loss);
            Fill(rows.LogSumExp, values.LogSumExp);
            Fill(rows.Entropy, values.Entropy);

            void Fill(Tensor found, double[] all)
            {
                double[] part = ToArray(found);
                for (int i = 0; i < part.Length; i++)
                {
                    all[start + i] = targets.Counts(targets.Ids[start + i]) ? part[i] : 0;
                }
            }
        });

    /// <summary>Their vector-Jacobian product.</summary>
    public static void TokensBackward(LogitParts logits, Targets targets, TokenValues values, TokenGradients gradients)
        => ForEachPart(logits, targets, targets.Options, (start, rows) =>
        {
            int count = (int)rows.LogSumExp.size(0), first = (int)start;
            double[] a = new double[count], b = new double[count];
            bool[] counts = new bool[count];
            for (int i = 0; i < count; i++)
            {
                double ofLoss = gradients.Loss?[first + i] ?? 0, ofEntropy = gradients.Entropy?[first + i] ?? 0;
                counts[i] = targets.Counts(targets.Ids[first + i]) && (ofLoss != 0 || ofEntropy != 0);
                a[i] = ofLoss - (ofEntropy == 0 ? 0 : ofEntropy * values.Entropy[first + i]);
                b[i] = ofEntropy;
            }

            Tensor ofLosses = gradients.Loss is null ? torch.zeros(count, logits.Type, logits.Device)
                : torch.tensor(gradients.Loss[first..(first + count)], logits.Type, logits.Device);
            logits.Write(start, rows.Gradient(
                torch.tensor(a, logits.Type, logits.Device),
                gradients.Entropy is null ? null : torch.tensor(b, logits.Type, logits.Device),
                ofLosses,
                torch.tensor(counts, device: logits.Device)));
        });

    /// <summary>s of each token.</summary>
    private static Tensor ShareOf(TargetWeighting weighting, TokenRows rows)
    {
        if (weighting == TargetWeighting.Uniform)
        {
            return torch.ones_like(rows.LogSumExp);
        }

        Tensor p = rows.Surprisal.neg().exp();
        return weighting == TargetWeighting.Probability ? p : p * p.neg().Plus(1).relu(); // p is rounded, perhaps to more than 1
    }

    private static void ForEachPart(LogitParts logits, Targets targets, PtxLossOptions options, Action<long, TokenRows> visit)
    {
        using var noGrad = torch.no_grad();
        long bytesPerToken = TensorsPerPart * logits.VocabularySize * (logits.Type == torch.ScalarType.Float64 ? 8 : 4);
        long part = Math.Clamp(options.MaxScratchBytes / bytesPerToken, 1, Math.Max(1, logits.Tokens));
        for (long start = 0; start < logits.Tokens; start += part)
        {
            using var scope = torch.NewDisposeScope();
            int count = (int)Math.Min(part, logits.Tokens - start);
            long[] ids = new long[count];
            for (int i = 0; i < count; i++)
            {
                long id = targets.Ids[start + i];
                ids[i] = targets.Counts(id) ? id : 0;
            }

            visit(start, new TokenRows(logits.Read(start, count), torch.tensor(ids, device: logits.Device), options));
        }
    }

    private static double[] ToArray(Tensor values)
        => TensorMemory.Flat<double>(values.cpu().to_type(torch.ScalarType.Float64).contiguous()).ToArray();
}
