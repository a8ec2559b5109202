using PtxLosses.Tests;
using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Libtorch in float64 and its autograd as the judge of the core.</summary>
internal sealed class TorchReferee : Referee
{
    public override IReference Answer(Question question)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        return new TorchReference(question);
    }

    public override double[] LogitsOf(HeadMatrix head)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        (Tensor hidden, Tensor weight, Tensor? bias) = TensorsOf(head);
        return Judge.Values(F.linear(hidden, weight, bias));
    }

    public override (double[] Hidden, double[] Weight, double[] Bias) Backward(HeadMatrix head, double[] gradient)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        (Tensor hidden, Tensor weight, Tensor? bias) = TensorsOf(head);
        Tensor[] leaves = [hidden, weight, bias ?? torch.zeros(head.VocabularySize, torch.float64)];
        Array.ForEach(leaves, leaf => leaf.requires_grad_());
        Tensor logits = F.linear(leaves[0], leaves[1], leaves[2]);
        logits.backward([torch.tensor(gradient).reshape(logits.Lengths())]);
        double[][] gradients = [.. leaves.Select(leaf => Judge.Values(leaf.grad!))];
        return (gradients[0], gradients[1], gradients[2]);
    }

    private static (Tensor Hidden, Tensor Weight, Tensor? Bias) TensorsOf(HeadMatrix head) => (
        torch.tensor(head.Hidden).reshape(head.Tokens, head.HiddenSize),
        torch.tensor(head.Weight).reshape(head.VocabularySize, head.HiddenSize),
        head.Bias.Length == 0 ? null : torch.tensor(head.Bias));
}

/// <summary>
/// What libtorch answers. Where it does something else than the contract says: a row that has no softmax has the gradient NaN
/// everywhere; one with +inf the log-sum-exp NaN, as its loss is; ignored tokens have 0, and −1 for an id; what counts nothing is not
/// read.
/// </summary>
internal sealed class TorchReference : IReference
{
    private readonly Question _question;
    private readonly Tensor _logits;

    /// <summary>The target of each token, or what stands for none; and its weight.</summary>
    private readonly long?[] _targets;
    private readonly double[] _weights;

    public TorchReference(Question question)
    {
        _question = question;
        int places = Math.Max(1, question.IdsPerToken), tokens = question.Targets.Length / places;
        _logits = torch.tensor(question.Logits).reshape(tokens, question.VocabularySize);
        _targets = [.. Enumerable.Range(0, tokens).Select(token => PositionOf(token) is { } position ? TargetAt(position) : null)];
        _weights =
        [
            .. _targets.Select((target, token) => target is null ? 0
                : question.Weights.Length == 0 ? 1 : (double)question.Weights[PositionOf(token)!.Value]),
        ];
        TokenCount = _targets.Count(target => target is not null);
        Perplexity = 1;
        double[][] gradients = [new double[_logits.numel()], new double[_logits.numel()], new double[_logits.numel()]];
        (Gradient, LogSumExpGradient, EntropyGradient) = (gradients[0], gradients[1], gradients[2]);
        (Loss, LogSumExp, TargetLogit, Entropy) = (new double[tokens], new double[tokens], new double[tokens], new double[tokens]);
        ArgMax = [.. Enumerable.Repeat(-1, tokens)];
        int[] counted = [.. Enumerable.Range(0, tokens).Where(token => _targets[token] is not null)];
        if (counted.Length > 0)
        {
            VisitTokens(counted);
        }

        Total = question.RlLoss;
        int[] weighed = [.. counted.Where(token => _weights[token] > 0)];
        if (weighed.Length > 0)
        {
            Reduce(weighed);
        }

        int? PositionOf(int token)
        {
            int length = question.SequenceLength == 0 ? tokens : question.SequenceLength;
            return !question.Options.ShiftTargets ? token : (token + 1) % length == 0 ? null : token + 1;
        }

        // Of soft targets the first that is used.
        long? TargetAt(int position)
        {
            long[] ids = question.Targets[(position * places)..((position + 1) * places)];
            return ids.Where(id => id != question.Options.IgnoreIndex).Select(id => (long?)id).FirstOrDefault();
        }
    }

    public double[] Loss { get; }
    public double[] LogSumExp { get; }
    public double[] TargetLogit { get; }
    public double[] Entropy { get; }
    public int[] ArgMax { get; }
    public double[] Gradient { get; }
    public double[] LogSumExpGradient { get; }
    public double[] EntropyGradient { get; }
    public double GradientScale { get; private set; }
    public double LanguageModelLoss { get; private set; }
    public double ZLoss { get; private set; }
    public double Total { get; private set; }
    public long TokenCount { get; }
    public double Perplexity { get; private set; }
    public double Accuracy { get; private set; }
    public double MeanEntropy { get; private set; }

    /// <summary>What is known per token, whatever it counts.</summary>
    private void VisitTokens(int[] tokens)
    {
        Tensor x = Rows(tokens).requires_grad_(), z = Judge.Transformed(x, _question.Options), y = Targets(tokens);
        Tensor logSumExp = Judge.LogSumExp(z), entropy = Judge.Entropy(z);
        Fill(Loss, LossesOf(z, y, tokens));
        Fill(LogSumExp, logSumExp);
        Fill(TargetLogit, z.gather(-1, y.unsqueeze(-1)).squeeze(-1));
        Fill(Entropy, entropy);
        long[] largest = [.. x.argmax(-1).data<long>()];
        for (int i = 0; i < tokens.Length; i++)
        {
            ArgMax[tokens[i]] = (int)largest[i];
        }

        Differentiate(logSumExp.sum(), x, tokens, LogSumExpGradient);
        Differentiate(entropy.sum(), x, tokens, EntropyGradient);

        void Fill(double[] values, Tensor found)
        {
            double[] part = Judge.Values(found);
            for (int i = 0; i < tokens.Length; i++)
            {
                values[tokens[i]] = part[i];
            }
        }
    }

    private void Reduce(int[] tokens)
    {
        PtxLossOptions options = _question.Options;
        double weight = tokens.Sum(token => _weights[token]);
        double divisor = options.Reduction == LossReduction.Sum ? 1 : options.Denominator ?? weight;
        GradientScale = _question.Coefficient / divisor;
        Perplexity = Math.Exp(Mean(token => Loss[token]));
        Accuracy = Mean(token => ArgMax[token] == _targets[token] ? 1 : 0);
        MeanEntropy = Mean(token => Entropy[token]);

        // Where s is 0 a token adds nothing, even if its loss is infinite.
        Tensor transformed = Judge.Transformed(Rows(tokens), options);
        double[] shares = Judge.Values(Judge.Shares(transformed, Targets(tokens), options.TargetWeighting));
        double[] counts = [.. tokens.Select((token, i) => _weights[token] * shares[i])];
        int[] added = [.. tokens.Where((_, i) => counts[i] != 0)];
        if (added.Length == 0)
        {
            return;
        }

        Tensor x = Rows(added).requires_grad_(), z = Judge.Transformed(x, options), w = torch.tensor([.. counts.Where(count => count != 0)]);
        Tensor loss = (w * LossesOf(z, Targets(added), added)).sum() / Judge.Number(divisor), total = loss;
        if (options.ZLossCoefficient > 0)
        {
            Tensor zLoss = (w * Judge.LogSumExp(z).square()).sum() / Judge.Number(divisor);
            total = loss + (Judge.Number(options.ZLossCoefficient) * zLoss);
            ZLoss = zLoss.item<double>();
        }

        total = Judge.Number(_question.RlLoss) + (Judge.Number(_question.Coefficient) * total);
        (LanguageModelLoss, Total) = (loss.item<double>(), total.item<double>());
        Differentiate(total, x, added, Gradient);

        double Mean(Func<int, double> value) => tokens.Sum(token => _weights[token] * value(token)) / weight;
    }

    private Tensor LossesOf(Tensor z, Tensor y, int[] tokens)
    {
        int places = _question.IdsPerToken;
        if (places == 0)
        {
            return Judge.Losses(z, y, _question.Options.LabelSmoothing);
        }

        double[] q = new double[tokens.Length * _question.VocabularySize];
        for (int i = 0; i < tokens.Length; i++)
        {
            for (int place = tokens[i] * places; place < (tokens[i] + 1) * places; place++)
            {
                if (_question.Targets[place] is var id && id != _question.Options.IgnoreIndex)
                {
                    q[(i * _question.VocabularySize) + id] += _question.Probabilities[place];
                }
            }
        }

        return Judge.SoftLosses(z, torch.tensor(q).reshape(z.Lengths()));
    }

    private void Differentiate(Tensor sum, Tensor x, int[] tokens, double[] gradients)
    {
        sum.backward(retain_graph: true);
        Tensor top = x.detach().amax([-1]), hasNoSoftmax = top.isnan().logical_or(top.isinf());
        double[] found = Judge.Values(torch.where(hasNoSoftmax.unsqueeze(-1), Judge.Number(double.NaN), x.grad!));
        x.grad = null;
        int length = _question.VocabularySize;
        for (int i = 0; i < tokens.Length; i++)
        {
            found.AsSpan(i * length, length).CopyTo(gradients.AsSpan(tokens[i] * length));
        }
    }

    private Tensor Rows(int[] tokens) => _logits.index_select(0, torch.tensor([.. tokens.Select(token => (long)token)]));

    private Tensor Targets(int[] tokens) => torch.tensor([.. tokens.Select(token => _targets[token]!.Value)]);
}
