namespace PtxLosses.Tests;

/// <summary>A last layer in double: the exact values of what a call is given.</summary>
/// <param name="HiddenSize">d.</param>
/// <param name="Hidden">[tokens × d].</param>
/// <param name="Weight">[vocabulary × d].</param>
/// <param name="Bias">[vocabulary], or nothing.</param>
internal sealed record HeadMatrix(int HiddenSize, double[] Hidden, double[] Weight, double[] Bias)
{
    public int Tokens => Hidden.Length / HiddenSize;

    public int VocabularySize => Weight.Length / HiddenSize;

    public ReadOnlySpan<double> HiddenOf(int token) => Hidden.AsSpan(token * HiddenSize, HiddenSize);

    public ReadOnlySpan<double> WeightOf(int id) => Weight.AsSpan(id * HiddenSize, HiddenSize);

    /// <summary>How many ids the bias leaves in the vocabulary.</summary>
    public int UnmaskedIds => Bias.Length == 0 ? VocabularySize : Bias.Count(x => !double.IsNegativeInfinity(x));

    /// <summary>hidden · weightᵀ + bias of a token.</summary>
    public double[] LogitsOf(int token) => [.. Enumerable.Range(0, VocabularySize).Select(id => LogitOf(token, id))];

    /// <summary>How far a logit of float arithmetic may be off, but for bad luck.</summary>
    public double ErrorOf(int token)
    {
        double longest = Enumerable.Range(0, VocabularySize).Max(id => Length(WeightOf(id)));
        double bias = Bias.Where(double.IsFinite).Select(Math.Abs).Append(0).Max();
        return 4 * Math.Pow(2, -24) * ((Length(HiddenOf(token)) * longest) + bias);

        static double Length(ReadOnlySpan<double> row)
        {
            double sum = 0;
            foreach (double x in row)
            {
                sum += x * x;
            }

            return Math.Sqrt(sum);
        }
    }

    private double LogitOf(int token, int id)
    {
        ReadOnlySpan<double> hidden = HiddenOf(token), weight = WeightOf(id);
        double sum = Bias.Length == 0 ? 0 : Bias[id];
        for (int k = 0; k < hidden.Length; k++)
        {
            sum += hidden[k] * weight[k];
        }

        return sum;
    }
}

/// <summary>∂L/∂ of the outputs of a forward pass; empty: 0.</summary>
internal sealed record DrawnGradients(double[] Loss, double[] LogSumExp, double[] Entropy);

/// <summary>
/// What the reference says of a call from hidden states, on all its logits in double, and how far off the call may be: by its logits, which
/// are sums of products in float, by what any softmax is off, and by the sums of products again that its gradients are.
/// </summary>
internal sealed class HeadJudge
{
    private const long Ignored = -100;
    private static readonly Bounds _bounds = Bounds.Of<float>();
    private readonly HeadDraw _drawn;
    private readonly HeadMatrix _head;
    private readonly Referee _referee;
    private readonly int _start, _length;
    private readonly long[] _ids;
    private readonly float[] _probabilities, _weights;
    private readonly PtxLossOptions _options;
    private readonly double[] _logits;

    /// <summary>How far off the logits of each token are, as they are and as the options make them.</summary>
    private readonly double[] _ofLogit, _ofZ;

    /// <param name="drawn">What was drawn.</param>
    /// <param name="head">The layer, of the whole vocabulary.</param>
    /// <param name="part">The first id of the part that the call is given, and how many.</param>
    /// <param name="ids">The targets, or so many for each token.</param>
    /// <param name="probabilities">Those of soft targets.</param>
    /// <param name="weights">The weights of the tokens, or none.</param>
    /// <param name="options">The options of the call.</param>
    /// <param name="by">What a backward pass is given.</param>
    /// <param name="referee">Who says what is right.</param>
    public HeadJudge(
        HeadDraw drawn,
        HeadMatrix head,
        (int Start, int Length) part,
        long[] ids,
        float[] probabilities,
        float[] weights,
        PtxLossOptions options,
        DrawnGradients by,
        Referee referee)
    {
        (_drawn, _head, _ids, _probabilities, _weights, _options, By) = (drawn, head, ids, probabilities, weights, options, by);
        (_start, _length) = part;
        _referee = referee;
        _logits = referee.LogitsOf(head);
        _ofLogit = [.. Enumerable.Range(0, drawn.Tokens).Select(head.ErrorOf)];
        _ofZ = [.. _ofLogit.Select(error => options.LogitScale * error)];
        PtxLossOptions whole = options with { VocabularyStart = null };
        whole = drawn.IsPerToken ? whole with { Reduction = LossReduction.Sum } : whole;
        Whole = referee.Answer(new(_logits, ids, drawn.VocabularySize, whole)
        {
            RlLoss = 0.75,
            Coefficient = drawn.IsPerToken ? 1 : drawn.Coefficient,
            Weights = weights,
            Probabilities = probabilities,
            IdsPerToken = drawn.IdsPerToken,
        });
    }

    /// <summary>Of the whole vocabulary.</summary>
    public IReference Whole { get; }

    public DrawnGradients By { get; }

    private int Places => Math.Max(1, _drawn.IdsPerToken);

    /// <summary>Whether anything of a token's logits is needed.</summary>
    public bool IsRead(int token)
        => IdsOf(token).ContainsAnyExcept(Ignored)
            && WeightOf(token) != 0
            && (_drawn.Entry != HeadEntry.Backward || At(By.Loss, token) != 0 || At(By.LogSumExp, token) != 0 || At(By.Entropy, token) != 0);

    /// <summary>Values of the tokens that are read, and NaN for the others.</summary>
    public double[] WhereRead(double[] values) => [.. values.Select((x, token) => IsRead(token) ? x : double.NaN)];

    public void CheckLosses(PtxLossResult actual)
    {
        double weight = Sum(_ => 1), divisor = _drawn.Reduction == LossReduction.Sum ? 1 : _drawn.Denominator ?? weight;
        double ofLoss = Over(divisor, token => Shared(token, Finite(Whole.Loss[token]), OfLoss(token)));
        double ofZLoss = Over(divisor, token => Shared(token, Math.Pow(Finite(Whole.LogSumExp[token]), 2), OfSquare(token)));
        double beta = _drawn.ZLossCoefficient, coefficient = Math.Abs(_drawn.Coefficient);
        actual.TokenCount.Should().Be(Whole.TokenCount);
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total, Math.Clamp(Math.Log(actual.Perplexity), -700, 709)],
            [Whole.LanguageModelLoss, Whole.ZLoss, Whole.Total, Math.Clamp(Math.Log(Whole.Perplexity), -700, 709)],
            i => 1e-12 + (i == 0 ? ofLoss : i == 1 ? ofZLoss : i == 2 ? coefficient * (ofLoss + (beta * ofZLoss)) : Over(weight, OfLoss)));
        (actual.Accuracy.HasValue, actual.Entropy.HasValue).Should().Be(
            (_drawn.Statistics.HasFlag(LossStatistics.Accuracy), _drawn.Statistics.HasFlag(LossStatistics.Entropy)));
        Closeness.ShouldBeClose(
            [actual.Accuracy ?? 0, actual.Entropy ?? 0],
            [actual.Accuracy.HasValue ? Whole.Accuracy : 0, actual.Entropy.HasValue ? Whole.MeanEntropy : 0],
            i => 1e-12 + Over(weight, i == 0 ? token => actual.Accuracy.HasValue && IsDoubtful(token) ? 1 : 0 : token => OfEntropy(token, Whole.Entropy[token])));

        double Over(double by, Func<int, double> error) => weight == 0 ? 0 : Sum(error) / by;

        // s·x, where s is off as well.
        double Shared(int token, double size, double error)
        {
            TargetShare share = ShareOf(token);
            return (share.Weighting * error) + (share.WeightingError * Math.Abs(size));
        }
    }

    /// <summary>Of the part of the vocabulary that the call was given.</summary>
    public void CheckOutputs(double[] loss, double[] logSumExp, double[] targetLogit, double[] entropy, int[] argMax)
    {
        double[] part = [.. Enumerable.Range(0, _drawn.Tokens).SelectMany(token => _logits.AsSpan((token * _drawn.VocabularySize) + _start, _length).ToArray())];
        long[] ids = [.. _ids.Select(id => id == Ignored ? id : IsHere(id) ? id - _start : 0)];
        PtxLossOptions options = _options with { VocabularyStart = null, Reduction = LossReduction.Sum };
        IReference expected = _referee.Answer(new(part, ids, _length, options));
        Check(loss, expected.Loss, token => OfLoss(token));
        Check(logSumExp, expected.LogSumExp, OfLogSumExp);
        Check(targetLogit, [.. expected.TargetLogit.Select((z, token) => IsHere(_ids[token]) ? z : 0)], token => (2 * _ofZ[token]) + 1e-12);
        Check(entropy, expected.Entropy, token => OfEntropy(token, expected.Entropy[token]));
        for (int token = 0; token < argMax.Length; token++)
        {
            double[] row = part[(token * _length)..((token + 1) * _length)];
            bool isRight = _ids[token] == Ignored
                ? argMax[token] == -1
                : argMax[token] - _start is var id && id >= 0 && id < _length && (!(row[id] < row.Max() - (2 * _ofLogit[token])) || double.IsNaN(expected.LogSumExp[token]));
            isRight.Should().BeTrue("the largest logit of token {0} is not {1}", token, argMax[token]);
        }

        static void Check(double[] actual, double[] expected, Func<int, double> tolerance)
        {
            if (actual.Length > 0)
            {
                Closeness.ShouldBeClose(actual, expected, tolerance);
            }
        }
    }

    /// <summary>Checks the gradients that are there, each the product of those of the logits, and of so much that was there before.</summary>
    public void CheckGradients(double[] hidden, double[] weight, double[] bias, float[] initialWeight, float[] initialBias, Bounds ofElement)
    {
        int size = _drawn.HiddenSize;
        Product ofHidden = new(_head.Hidden.Length), ofWeight = new(_length * size), ofBias = new(_length);
        double[] gradient = new double[_logits.Length];
        for (int token = 0; token < _drawn.Tokens; token++)
        {
            for (int id = 0; id < _length && IsRead(token); id++)
            {
                Term term = TermOf(token, id);
                gradient[(token * _drawn.VocabularySize) + _start + id] = term.Value;
                ofBias.Add(id, term, 1);
                for (int k = 0; k < size; k++)
                {
                    ofHidden.Add((token * size) + k, term, _head.WeightOf(_start + id)[k]);
                    ofWeight.Add((id * size) + k, term, _head.HiddenOf(token)[k]);
                }
            }
        }

        (double[] exactHidden, double[] exactWeight, double[] exactBias) = _referee.Backward(_head, gradient);
        ofHidden.Check(hidden, exactHidden, sums: Math.Pow(2, -21), 2 * ofElement.Rounding, 2 * ofElement.Smallest);
        ofWeight.CheckSum(weight, exactWeight.AsSpan(_start * size, _length * size), initialWeight);
        ofBias.CheckSum(bias, exactBias.AsSpan(_start, _length), initialBias);
    }

    /// <summary>The gradient of a logit: its value, how far off it is, and the sizes of what it is made of.</summary>
    private Term TermOf(int token, int id)
    {
        int i = (token * _drawn.VocabularySize) + _start + id;
        bool isBackward = _drawn.Entry == HeadEntry.Backward;
        double ofLoss = isBackward ? At(By.Loss, token) : Whole.GradientScale * WeightOf(token), ofEntropy = At(By.Entropy, token);
        double value = !isBackward ? Whole.Gradient[i]
            : Times(ofLoss, Whole.Gradient[i]) + Times(At(By.LogSumExp, token), Whole.LogSumExpGradient[i]) + Times(ofEntropy, Whole.EntropyGradient[i]);

        double g = Math.Abs(ofLoss), b = Math.Abs(ofEntropy), logSumExp = Whole.LogSumExp[token], z = ZOf(token, _start + id);
        TargetShare share = ShareOf(token);
        double shift = double.IsNegativeInfinity(z) ? 0 : Math.Abs(z - logSumExp), p = Math.Exp(z - logSumExp), cap = _drawn.LogitSoftCap;
        double a = (g * (share.Sum + (2 * _drawn.ZLossCoefficient * Math.Abs(logSumExp)))) + Math.Abs(At(By.LogSumExp, token)) + Times(b, Whole.Entropy[token]);
        double ofA = g * 2 * _drawn.ZLossCoefficient * OfLogSumExp(token);
        double target = TargetOf(token, _start + id), ofLogits = Math.Exp(2 * _ofZ[token]) - 1;
        double ofP = p * (ofLogits + _bounds.Softmax);
        ofP = target == 0 ? ofP : Math.Min(ofP, (p * ofLogits) + (3 * _bounds.Sum));
        double smoothed = _drawn.LabelSmoothing / Math.Max(1, _head.UnmaskedIds);
        double size = (p * (a + (b * shift))) + (g * (target + smoothed));
        double error = (ofP * (a + (b * shift))) + (p * (ofA + (b * ((2 * _ofZ[token]) + _bounds.Sum)))) + (Math.Pow(2, -22) * size);
        error += cap == 0 ? 0 : size * ((_ofLogit[token] / cap) + 1e-6);
        double scale = _drawn.LogitScale;
        return new(value, scale * ((share.Weighting * error) + (share.WeightingError * size)), scale * share.Weighting * size);

        static double Times(double by, double gradient) => by == 0 ? 0 : by * gradient; // not NaN where a row has no softmax
    }

    private double ZOf(int token, int id)
    {
        double x = _logits[(token * _drawn.VocabularySize) + id], cap = _drawn.LogitSoftCap;
        return _drawn.LogitScale * (cap == 0 || double.IsInfinity(x) ? x : cap * Math.Tanh(x / cap));
    }

    private double OfLogSumExp(int token) => _ofZ[token] + OfSum(Math.Abs(Whole.LogSumExp[token]));

    private double OfSquare(int token) => OfLogSumExp(token) * 2 * (1 + Math.Abs(Finite(Whole.LogSumExp[token])));

    private double OfLoss(int token)
        => !double.IsFinite(Whole.Loss[token])
            ? 0
            : TargetSumOf(token) * ((2 * _ofZ[token]) + OfSum(Math.Abs(Whole.Loss[token]) + Math.Abs(Whole.LogSumExp[token])));

    private double OfEntropy(int token, double entropy)
        => double.IsFinite(entropy) ? (2 * (1 + entropy) * (Math.Exp(2 * _ofZ[token]) - 1)) + _bounds.Entropy : 0;

    private double OfSum(double size) => !double.IsFinite(size) ? 0 : (_drawn.LogitSoftCap == 0 ? 1 : 3) * _bounds.OfSum(size, _options);

    private TargetShare ShareOf(int token)
    {
        TargetShare share = _bounds.ShareOf(Whole, token, _options, TargetSumOf(token));
        double ofLogits = _options.TargetWeighting == TargetWeighting.Uniform || double.IsNaN(Whole.TargetLogit[token] - Whole.LogSumExp[token])
            ? 0
            : Math.Exp(Whole.TargetLogit[token] - Whole.LogSumExp[token]) * (Math.Exp(2 * _ofZ[token]) - 1);
        return share with { Weighting = share.Weighting + ofLogits, WeightingError = share.WeightingError + ofLogits };
    }

    /// <summary>Whether another logit may be as large as the target's.</summary>
    private bool IsDoubtful(int token)
    {
        double[] row = [.. Enumerable.Range(0, _drawn.VocabularySize).Select(id => ZOf(token, id))];
        double others = row.Where((_, id) => id != _ids[token]).Append(double.NegativeInfinity).Max();
        return Math.Abs(row[_ids[token]] - others) <= (2 * _ofZ[token]) + 1e-12;
    }

    /// <summary>Σ weight·value over the tokens that count.</summary>
    private double Sum(Func<int, double> value)
        => Enumerable.Range(0, _drawn.Tokens).Where(token => IdsOf(token).ContainsAnyExcept(Ignored) && WeightOf(token) != 0).Sum(token => WeightOf(token) * value(token));

    private ReadOnlySpan<long> IdsOf(int token) => _ids.AsSpan(token * Places, Places);

    private double TargetSumOf(int token)
        => _drawn.IsSoft ? SoftDraw.SumOf(IdsOf(token), _probabilities.AsSpan(token * Places, Places), Ignored) : 1;

    /// <summary>q of an id.</summary>
    private double TargetOf(int token, long id)
    {
        double sum = 0;
        for (int i = token * Places; i < (token + 1) * Places; i++)
        {
            sum += _ids[i] != id ? 0 : _drawn.IsSoft ? _probabilities[i] : 1;
        }

        return sum;
    }

    private bool IsHere(long id) => id >= _start && id < _start + _length;

    private double WeightOf(int token) => _weights.Length == 0 ? 1 : _weights[token];

    private static double At(double[] gradients, int token) => gradients.Length == 0 ? 0 : gradients[token];

    private static double Finite(double x) => double.IsFinite(x) ? x : 0;

    private readonly record struct Term(double Value, double Error, double Size);

    /// <summary>How far off a matrix of sums of products may be.</summary>
    private sealed class Product(int count)
    {
        private readonly double[] _errors = new double[count], _sizes = new double[count];

        public void Add(int i, Term term, double factor)
        {
            double size = Math.Abs(factor);
            _errors[i] += term.Error * size;
            _sizes[i] += term.Size * size;
        }

        public void Check(double[] actual, double[] expected, double sums, double rounding, double smallest)
        {
            if (actual.Length > 0)
            {
                Closeness.ShouldBeClose(
                    actual, expected, i => _errors[i] + (sums * _sizes[i]) + (rounding * Math.Abs(expected[i])) + smallest);
            }
        }

        /// <summary>Checks what was added to something: floats, rounded after each part of the tokens.</summary>
        public void CheckSum(double[] actual, ReadOnlySpan<double> added, float[] initial)
        {
            double[] expected = new double[count];
            for (int i = 0; i < count; i++)
            {
                expected[i] = initial[i] + added[i];
                _sizes[i] += Math.Abs(initial[i]);
            }

            Check(actual, expected, sums: Math.Pow(2, -20), rounding: 0, smallest: 1e-37);
        }
    }
}
