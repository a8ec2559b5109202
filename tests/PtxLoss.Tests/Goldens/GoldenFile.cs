using System.Text.Json;
using System.Text.Json.Serialization;

namespace PtxLosses.Tests;

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

    private static readonly IReadOnlyList<Golden> _losses = Read<Golden>(isOfProducts: false);
    private static readonly IReadOnlyList<GoldenProduct> _products = Read<GoldenProduct>(isOfProducts: true);

    public static IReadOnlyDictionary<string, Golden> Cases { get; } = ByName(_losses.Where(golden => golden.Head == null));

    public static IReadOnlyDictionary<string, GoldenProduct> Products { get; }
        = ByName(_products.Where(golden => golden.Head == null));

    public static IReadOnlyDictionary<string, Golden> HeadCases { get; } = ByName(_losses.Where(golden => golden.Head != null));

    public static IReadOnlyDictionary<string, GoldenProduct> HeadProducts { get; }
        = ByName(_products.Where(golden => golden.Head != null));

    private static Dictionary<string, TCase> ByName<TCase>(IEnumerable<TCase> cases)
        where TCase : GoldenCase
        => cases.ToDictionary(golden => golden.Name, StringComparer.Ordinal);

    private static List<TCase> Read<TCase>(bool isOfProducts)
    {
        var assembly = typeof(GoldenFile).Assembly;
        var cases = new List<TCase>();
        foreach (string resource in assembly.GetManifestResourceNames().Where(IsGolden))
        {
            if (resource.Contains("backward", StringComparison.Ordinal) == isOfProducts)
            {
                using Stream stream = assembly.GetManifestResourceStream(resource)!;
                cases.AddRange(JsonSerializer.Deserialize<TCase[]>(stream, _format)!);
            }
        }

        return cases;
    }

    private static bool IsGolden(string resource) => resource.Contains(".Goldens.", StringComparison.Ordinal);
}
