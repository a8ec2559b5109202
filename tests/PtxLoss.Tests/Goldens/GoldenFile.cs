using System.Text.Json;
using System.Text.Json.Serialization;

namespace PtxLosses.Tests;

/// <summary>A case of the goldens that Goldens/generate.py makes, which says what its fields are.</summary>
internal abstract record GoldenCase
{
    public required string Name { get; init; }
    public required int VocabularySize { get; init; }
    public required PtxLossOptions Options { get; init; }
    public required int[] Targets { get; init; }
    public required float[] Logits { get; init; }

    /// <summary>
    /// Where targets are shifted, the targets per sequence, the last dimension of their tensor; 0: all are one.
    /// </summary>
    public int SequenceLength { get; init; }

    /// <summary>What the gradient is added to where gradients accumulate, otherwise empty.</summary>
    public float[] InitialGradient { get; init; } = [];

    public required double[] LogSumExp { get; init; }
    public required double[] Entropy { get; init; }
    public required double[] Gradient { get; init; }

    /// <summary>What <see cref="Gradient"/> is the product with: of each output, one per token, or none.</summary>
    [JsonIgnore]
    public abstract GoldenOutputGradients ByOutput { get; }

    /// <summary>The size of the largest finite logit that is read: what the rounding of a log-sum-exp is relative to.</summary>
    [JsonIgnore]
    public double Magnitude => Options.LogitScale * Logits.Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();

    /// <summary>The target that the row of a token predicts, or null if it counts nowhere.</summary>
    public int? TargetOf(int token)
        => PredictedBy(token) is { } position && Targets[position] != Options.IgnoreIndex ? Targets[position] : null;

    /// <summary>The logit of an id, soft cap and scale included.</summary>
    public double LogitOf(int token, int id)
    {
        double logit = Logits[(token * VocabularySize) + id], cap = Options.LogitSoftCap;
        return Options.LogitScale * (cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap));
    }

    /// <summary>Where the target and the weight of the row of a token are, or null at the end of a shifted sequence.</summary>
    protected int? PredictedBy(int token)
    {
        int length = SequenceLength == 0 ? Targets.Length : SequenceLength;
        return !Options.ShiftTargets ? token : (token + 1) % length == 0 ? null : token + 1;
    }
}

/// <summary>A loss, its parts, and its gradient.</summary>
internal sealed record Golden : GoldenCase
{
    public required double RlLoss { get; init; }
    public required double PtxCoefficient { get; init; }

    /// <summary>One per target, or none.</summary>
    public float[] TokenWeights { get; init; } = [];

    public required double? SeedTotal { get; init; }
    public required long TokenCount { get; init; }
    public required double Total { get; init; }
    public required double LanguageModelLoss { get; init; }
    public double ZLoss { get; init; }
    public required double[] TokenLoss { get; init; }
    public required int[] ArgMax { get; init; }

    /// <summary>Σ of the weights of the tokens that count, or 1 if that is 0: what makes sums of losses the mean loss.</summary>
    [JsonIgnore]
    public double Weight => Enumerable.Range(0, Targets.Length).Sum(WeightOf) is var sum && sum == 0 ? 1 : sum;

    /// <summary>What the sum of the losses is divided by.</summary>
    [JsonIgnore]
    public double Divisor => Options.Reduction == LossReduction.Sum ? 1 : Options.Denominator ?? Weight;

    /// <summary>∂Total / ∂(the loss of each token), and the z-loss as a gradient of the log-sum-exp.</summary>
    [JsonIgnore]
    public override GoldenOutputGradients ByOutput
    {
        get
        {
            double[] scale = [.. Enumerable.Range(0, Targets.Length).Select(token => PtxCoefficient * WeightOf(token) / Divisor)];
            double beta = 2 * Options.ZLossCoefficient;
            return new GoldenOutputGradients
            {
                Loss = scale,
                LogSumExp = beta == 0 ? [] : [.. scale.Zip(LogSumExp, (s, logSumExp) => s == 0 ? 0 : s * beta * logSumExp)],
            };
        }
    }

    /// <summary>How often the row of a token counts, 0 where it is ignored.</summary>
    private double WeightOf(int token)
        => TargetOf(token) == null ? 0 : TokenWeights.Length == 0 ? 1 : TokenWeights[PredictedBy(token)!.Value];
}

/// <summary>A vector-Jacobian product of the cross-entropy's outputs.</summary>
internal sealed record GoldenProduct : GoldenCase
{
    public required GoldenOutputGradients OutputGradients { get; init; }

    [JsonIgnore]
    public override GoldenOutputGradients ByOutput => OutputGradients;
}

/// <summary>What <see cref="CrossEntropyOutputGradients"/> holds.</summary>
internal sealed record GoldenOutputGradients
{
    public double[] Loss { get; init; } = [];
    public double[] LogSumExp { get; init; } = [];
    public double[] Entropy { get; init; } = [];
}

/// <summary>Reads the goldens, which the test assembly embeds.</summary>
internal static class GoldenFile
{
    /// <summary>A field that this reader, or an option that the library, does not know is an error.</summary>
    private static readonly JsonSerializerOptions _format = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter() },
    };

    public static IReadOnlyDictionary<string, Golden> Cases { get; }
        = Read<Golden>(resource => !IsOfProducts(resource));

    public static IReadOnlyDictionary<string, GoldenProduct> Products { get; } = Read<GoldenProduct>(IsOfProducts);

    private static Dictionary<string, TCase> Read<TCase>(Func<string, bool> isOfThem)
        where TCase : GoldenCase
    {
        var assembly = typeof(GoldenFile).Assembly;
        var cases = new Dictionary<string, TCase>(StringComparer.Ordinal);
        foreach (string resource in assembly.GetManifestResourceNames().Where(IsGolden).Where(isOfThem))
        {
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            foreach (TCase golden in JsonSerializer.Deserialize<TCase[]>(stream, _format)!)
            {
                cases.Add(golden.Name, golden);
            }
        }

        return cases;
    }

    private static bool IsGolden(string resource) => resource.Contains(".Goldens.", StringComparison.Ordinal);

    private static bool IsOfProducts(string resource) => resource.EndsWith(".backward.json", StringComparison.Ordinal);
}
