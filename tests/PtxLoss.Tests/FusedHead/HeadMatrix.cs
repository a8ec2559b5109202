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
