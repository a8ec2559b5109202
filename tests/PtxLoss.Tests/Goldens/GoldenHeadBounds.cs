namespace PtxLosses.Tests;

/// <summary>
/// How far from the golden a result from hidden states may be. A logit is a sum of d products and a bias, off by the rounding of
/// each step, relative to the sum of their sizes; all else follows from how far off logits are, and adds what the softmax of
/// exact logits is off by. Gradients are such sums again.
/// </summary>
internal sealed class GoldenHeadBounds
{
    private readonly GoldenCase _golden;
    private readonly GoldenHead _head;

    /// <summary>Half an ulp of 1, in which products are added up.</summary>
    private readonly double _rounding;

    /// <summary>How far off a log-sum-exp of exact logits is, and a probability, relative to itself.</summary>
    private readonly Func<double, double> _ofSum;
    private readonly double _ofSoftmax;

    /// <summary>How far off the logits of each token are.</summary>
    private readonly double[] _ofLogit;

    private readonly double[] _ofFactor;

    /// <summary>Of the logits: how far off their gradient is, and the sizes of what it is made of.</summary>
    private readonly double[] _ofGradient, _gradientSize;

    private GoldenHeadBounds(GoldenCase golden, double rounding, Func<double, double> ofSum, double ofSoftmax)
    {
        (_golden, _head, _rounding, _ofSum, _ofSoftmax) = (golden, golden.Head!, rounding, ofSum, ofSoftmax);
        _ofLogit = [.. Enumerable.Range(0, golden.Tokens).Select(OfLogit)];
        _ofFactor = [.. Enumerable.Range(0, golden.Tokens).Select(
            token => golden.FactorSlopeOf(token) is var slope && slope == 0 ? 0 : slope * HardLoss(token))];
        _ofGradient = new double[golden.Tokens * golden.VocabularySize];
        _gradientSize = new double[golden.Tokens * golden.VocabularySize];
        for (int token = 0; token < golden.Tokens; token++)
        {
            if (golden.Counts(token))
            {
                FillGradient(token);
            }
        }
    }

    /// <summary>The bounds of <see cref="GoldenBounds.OfFloat"/> on what follows from logits.</summary>
    public static GoldenHeadBounds OfFloat(GoldenCase golden)
        => new(golden, Math.Pow(2, -24), size => 1e-6 * Math.Max(1, Math.Abs(size) / 100), 1e-5);

    /// <summary>Of the reference, which is all double.</summary>
    public static GoldenHeadBounds OfDouble(GoldenCase golden)
        => new(golden, Math.Pow(2, -53), size => 1e-12 * Math.Max(1, Math.Abs(size)), 1e-12);

    /// <summary>lse − z, as often as there are targets; each logit may be off, up or down.</summary>
    public double Loss(int token, double loss)
    {
        double targets = _golden.TargetsOf(token).Sum(target => target.Probability);
        return (targets * ((2 * _ofLogit[token]) + Rounding(token))) + (Math.Max(1, targets) * _ofSum(loss));
    }

    public double HardLoss(int token) => (2 * _ofLogit[token]) + Rounding(token) + _ofSum(_golden.HardLossOf(token));

    public double LogSumExp(int token) => _ofLogit[token] + Rounding(token) + _ofSum(0);

    public double TargetLogit(int token)
        => _ofLogit[token] + Rounding(token) + (_golden.Options.LogitSoftCap == 0 ? 0 : _ofSum(0));

    /// <summary>
    /// Each term p·log p is off by what p is, relative to itself, and by p times what log p is; the terms add up to H.
    /// </summary>
    public double Entropy(int token, double entropy)
        => (2 * (1 + entropy) * (Math.Exp(2 * _ofLogit[token]) - 1)) + (2 * (_ofSum(entropy) + Rounding(token)));

    public double Hidden(int i, double rounding, double smallest)
    {
        (int token, int k) = Math.DivRem(i, _head.HiddenSize);
        double error = 0, size = 0;
        for (int id = 0; id < _golden.VocabularySize; id++)
        {
            double weight = Math.Abs(_head.Weight[(id * _head.HiddenSize) + k]);
            error += _ofGradient[(token * _golden.VocabularySize) + id] * weight;
            size += _gradientSize[(token * _golden.VocabularySize) + id] * weight;
        }

        error += (_golden.VocabularySize + 2) * _rounding * size;
        return (error * (1 + rounding)) + (rounding * Math.Abs(_head.HiddenGradient[i])) + smallest;
    }

    public double Weight(int i)
    {
        (int id, int k) = Math.DivRem(i, _head.HiddenSize);
        return OverTokens(
            id,
            token => Math.Abs(_head.Hidden[(token * _head.HiddenSize) + k]),
            _head.InitialWeightGradient.ElementAtOrDefault(i));
    }

    public double Bias(int id) => OverTokens(id, _ => 1, _head.InitialBiasGradient.ElementAtOrDefault(id));

    /// <summary>A sum over the tokens, begun with what it is added to, or added to it.</summary>
    private double OverTokens(int id, Func<int, double> factor, double initial)
    {
        double error = 0, size = Math.Abs(initial);
        for (int token = 0; token < _golden.Tokens; token++)
        {
            int i = (token * _golden.VocabularySize) + id;
            if (_gradientSize[i] != 0)
            {
                error += _ofGradient[i] * factor(token);
                size += _gradientSize[i] * factor(token);
            }
        }

        return error + ((_golden.Tokens + 2) * _rounding * size) + 1e-37;
    }

    private double OfLogit(int token)
    {
        double largest = !_golden.Counts(token)
            ? 0
            : Enumerable.Range(0, _golden.VocabularySize)
                .Select(id => _head.Terms(token, id).Where(double.IsFinite).Sum(Math.Abs))
                .Max();
        return _golden.Options.LogitScale * (_head.HiddenSize + 1) * _rounding * largest;
    }

    /// <summary>A log-sum-exp is rounded to double.</summary>
    private double Rounding(int token) => GoldenParts.Rounding(_golden.LogSumExp[token]);

    /// <summary>
    /// p·(A − B·(z − lse)) − U − C of each id, where A, B, U and C are those of the output gradients. At a target p is off by no
    /// more than the loss is.
    /// </summary>
    private void FillGradient(int token)
    {
        GoldenOutputGradients by = _golden.ByOutput;
        double ofLoss = Size(by.Loss), ofLogSumExp = Size(by.LogSumExp), b = Size(by.Entropy), scale = _golden.Options.LogitScale;
        if (ofLoss == 0 && ofLogSumExp == 0 && b == 0)
        {
            return; // nothing of the token is read
        }

        var targets = _golden.TargetsOf(token);
        double all = _golden.IdsPerToken > 0 ? targets.Sum(target => target.Probability) : 1;
        double a = (ofLoss * all) + ofLogSumExp + (b == 0 ? 0 : b * _golden.Entropy[token]);
        double ofA = (2 * _golden.Options.ZLossCoefficient * ofLoss * LogSumExp(token))
            + (b == 0 ? 0 : b * Entropy(token, _golden.Entropy[token]));
        double ofLogits = Math.Exp(2 * _ofLogit[token]) - 1;
        double[] logits = [.. Enumerable.Range(0, _golden.VocabularySize).Select(id => _golden.LogitOf(token, id))];
        double share = _golden.Options.LabelSmoothing / Math.Max(1, logits.Count(z => !double.IsNegativeInfinity(z)));
        for (int id = 0; id < logits.Length; id++)
        {
            double shift = Math.Abs(logits[id] - _golden.LogSumExp[token]), p = Math.Exp(-shift);
            double ofEntropy = double.IsInfinity(shift) ? 0 : b * shift;
            double ofTarget = targets.Sum(target => target.Id == id ? target.Probability : 0);
            double ofP = p * (ofLogits + _ofSoftmax);
            ofP = targets.Any(target => target.Id == id) ? Math.Min(ofP, (p * ofLogits) + _ofSum(0)) : ofP;
            double size = (p * (a + ofEntropy)) + (ofLoss * (ofTarget + share));
            double ofShift = (2 * _ofLogit[token]) + _ofSum(0);
            double error = (ofP * (a + ofEntropy)) + (p * (ofA + (b * ofShift))) + (4 * _rounding * size);
            int i = (token * logits.Length) + id;
            _gradientSize[i] = scale * size;
            _ofGradient[i] = scale * (error + (_ofFactor[token] * size));
        }

        double Size(double[] gradients) => Math.Abs(gradients.ElementAtOrDefault(token));
    }
}
