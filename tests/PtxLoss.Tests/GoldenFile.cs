using System.Text.Json;
using System.Text.Json.Serialization;

namespace PtxLosses.Tests;

/// <summary>One case of the goldens that Goldens/generate.py makes, which says what its fields are.</summary>
internal sealed record Golden
{
    public required string Name { get; init; }
    public required double RlLoss { get; init; }
    public required double PtxCoefficient { get; init; }
    public required int VocabularySize { get; init; }
    public required PtxLossOptions Options { get; init; }
    public required int[] Targets { get; init; }
    public required float[] Logits { get; init; }

    public required double? SeedTotal { get; init; }
    public required long TokenCount { get; init; }
    public required double Total { get; init; }
    public required double LanguageModelLoss { get; init; }
    public required double[] TokenLoss { get; init; }
    public required double[] LogSumExp { get; init; }
    public required double[] Entropy { get; init; }
    public required int[] ArgMax { get; init; }
    public required double[] Gradient { get; init; }

    /// <summary>What the sum of the losses is divided by.</summary>
    [JsonIgnore]
    public double Divisor => Options.Reduction == LossReduction.Sum ? 1 : Options.Denominator ?? Math.Max(TokenCount, 1);

    /// <summary>∂Total / ∂(the loss of a token that counts).</summary>
    [JsonIgnore]
    public double GradientScale => PtxCoefficient / Divisor;

    /// <summary>The size of the largest finite logit that is read: what the rounding of a log-sum-exp is relative to.</summary>
    [JsonIgnore]
    public double Magnitude => Logits.Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
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

    public static IReadOnlyDictionary<string, Golden> Cases { get; } = Read();

    private static Dictionary<string, Golden> Read()
    {
        var assembly = typeof(GoldenFile).Assembly;
        var cases = new Dictionary<string, Golden>(StringComparer.Ordinal);
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.Contains(".Goldens.", StringComparison.Ordinal)))
        {
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            foreach (Golden golden in JsonSerializer.Deserialize<Golden[]>(stream, _format)!)
            {
                cases.Add(golden.Name, golden);
            }
        }

        return cases;
    }
}
