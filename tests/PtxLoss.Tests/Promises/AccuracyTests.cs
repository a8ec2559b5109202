using System.Globalization;
using static System.FormattableString;

namespace PtxLosses.Tests;

/// <summary>
/// The worst that a search has found is in docs/accuracy.md, and nothing has become worse. <c>PTXLOSS_SEARCH</c> searches
/// again, so many steps for each row of the table, and writes the page.
/// </summary>
public class AccuracyTests(ITestOutputHelper output)
{
    private const string Steps = "PTXLOSS_SEARCH", Loss = "loss", Gradient = "gradient";
    private static readonly string _page = Path.Combine(Repository.Root, "docs", "accuracy.md");

    private sealed record Finding(string What, string Logits, string Options, string Kernel, double Error, WorstInput Input)
    {
        public string Key => string.Join('|', What, Logits, Options, Kernel);

        public static Finding Parse(string line)
        {
            string[] cells = [.. line.Trim('|', ' ').Split('|', StringSplitOptions.TrimEntries)];
            return new(
                cells[0],
                cells[1],
                cells[2],
                cells[3],
                double.Parse(cells[4], CultureInfo.InvariantCulture),
                WorstInput.Parse(cells[5]));
        }

        public override string ToString()
            => string.Create(
                CultureInfo.InvariantCulture, $"| {What} | {Logits} | {Options} | {Kernel} | {Error:0.00E+0} | {Input} |");
    }

    [Fact]
    public void The_worst_inputs_are_no_worse_than_the_table_says()
    {
        Finding[] findings = [.. ReadPage()];
        Dictionary<string, Finding> now = new(StringComparer.Ordinal);
        AddErrors<float>(now, findings);
        AddErrors<Half>(now, findings);
        AddErrors<BFloat16>(now, findings);

        now.Should().NotBeEmpty();
        foreach (Finding recorded in findings.Where(finding => now.ContainsKey(finding.Key)))
        {
            now[recorded.Key].Error.Should().BeLessThanOrEqualTo((1.02 * recorded.Error) + 1e-9, "{0}", recorded);
        }
    }

    [Fact]
    public void The_worst_inputs_keep_the_promise()
    {
        foreach (Finding finding in ReadPage().Where(finding => finding.What == Loss))
        {
            InputFamily family = InputFamily.All.Single(family => family.Name == finding.Options);
            finding.Error.Should().BeLessThan(family.LossBound(finding.Input), "{0}", finding);
        }
    }

    [Fact]
    public void Search()
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable(Steps), CultureInfo.InvariantCulture, out int steps))
        {
            return;
        }

        Dictionary<string, Finding> all = File.Exists(_page)
            ? ReadPage().ToDictionary(finding => finding.Key, StringComparer.Ordinal)
            : new(StringComparer.Ordinal);
        Finding[] found = [.. Find<float>(steps), .. Find<Half>(steps), .. Find<BFloat16>(steps)];
        foreach (Finding finding in found)
        {
            bool isWorst = !all.TryGetValue(finding.Key, out Finding? before) || finding.Error > before.Error;
            all[finding.Key] = isWorst ? finding : before!;
            output.WriteLine($"{finding}");
        }

        WritePage(all.Values);
    }

    private static Finding[] Find<TLogit>(int steps)
        where TLogit : unmanaged
        =>
        [
            .. (from kernel in SoftmaxKernels.Available<TLogit>()
                from family in InputFamily.All
                from what in typeof(TLogit) == typeof(float) ? new[] { Loss, Gradient } : [Loss] // beyond 16 bits nothing is off
                select (kernel, family, what)).AsParallel().AsOrdered().Select(search =>
                {
                    (WorstInput input, double error) = new WorstInputSearch(
                        x => Error(search.kernel, x, search.what), search.family).Run(steps);
                    return new Finding(search.what, typeof(TLogit).Name, search.family.Name, NameOf(search.kernel), error, input);
                }),
        ];

    private static void AddErrors<TLogit>(Dictionary<string, Finding> errors, Finding[] findings)
        where TLogit : unmanaged
    {
        foreach (SoftmaxKernel<TLogit> kernel in SoftmaxKernels.Available<TLogit>())
        {
            foreach (Finding finding in findings.Where(x => x.Logits == typeof(TLogit).Name && x.Kernel == NameOf(kernel)))
            {
                errors[finding.Key] = finding with { Error = Error(kernel, finding.Input, finding.What) };
            }
        }
    }

    private static double Error<TLogit>(SoftmaxKernel<TLogit> kernel, WorstInput input, string what)
        where TLogit : unmanaged
    {
        (double loss, double gradient) = input.ErrorsOf(kernel);
        return what == Loss ? loss : gradient;
    }

    /// <summary>Without fused multiplication and addition, a kernel's roundings are others.</summary>
    private static string NameOf<TLogit>(SoftmaxKernel<TLogit> kernel)
        where TLogit : unmanaged
        => KernelTests.Name(kernel) is nameof(SimdFloat128) && !SimdFloat128.Fuses
            ? "SimdFloat128, not fused"
            : KernelTests.Name(kernel);

    private static IEnumerable<Finding> ReadPage()
        => File.ReadLines(_page)
            .Where(line => line.StartsWith($"| {Loss} |", StringComparison.Ordinal)
                || line.StartsWith($"| {Gradient} |", StringComparison.Ordinal))
            .Select(Finding.Parse);

    private static void WritePage(IEnumerable<Finding> findings)
    {
        Finding[] all = [.. findings.OrderByDescending(finding => finding.What, StringComparer.Ordinal)];
        string[] table = [.. all.Select(finding => finding.ToString())];
        File.WriteAllText(_page, $"""
            # Accuracy

            [PtxLoss](../README.md) · [all pages](README.md)

            {Summary(all)}

            These are the worst inputs that a search has found, over all kernels with vectors. A loss is off in nats from the same
            sum in double precision; above 100, divide by a hundredth of the loss. A probability in a gradient is off relative to
            itself; in gradients of 16 bits only their rounding shows. `double` logits, and machines without vectors, are computed
            in double: losses are off by less than 1e-9. What is promised is in the [README](../README.md), and where the errors
            come from in [design.md](design.md#numerics).

            All this holds for finite logits of any size, of every type. Beyond ±100 the double that holds a log-sum-exp or a loss
            adds its own rounding, 1e-16 of itself: 1e-6 nats for logits of 1e10, and nothing but the largest logit is left at
            1e16; probabilities in a gradient do not suffer from it, except those that `CrossEntropy.Backward` makes of such a
            log-sum-exp.

            ## How they were found

            The search tries rows that are known to be hard, some of them with terms that are half lost beside a large one and
            some that fall into many runs, then others at random, then small steps from the worst. A worse input replaces the row
            of the table:

                PTXLOSS_SEARCH=1200 dotnet test -c Release --filter FullyQualifiedName~AccuracyTests
                DOTNET_EnableAVX2=0 PTXLOSS_SEARCH=1200 dotnet test -c Release --filter FullyQualifiedName~AccuracyTests

            The tests compute each row of the table again: none may have become worse. An input is, as
            [`WorstInput`](../tests/PtxLoss.Tests/Promises/WorstInput.cs) explains, made of

                {WorstInput.Columns}

            | what | logits | options | kernel | off by | input |
            | --- | --- | --- | --- | --: | --- |
            {string.Join('\n', table)}

            """.ReplaceLineEndings("\n"));
    }

    /// <summary>The worst of all kernels with vectors: a row for what is off, a column for the options.</summary>
    private static string Summary(Finding[] findings)
    {
        string[] options = [.. InputFamily.All.Select(family => family.Name)];
        IEnumerable<string> rows = findings.Where(finding => finding.Kernel != "DoubleSoftmax")
            .GroupBy(finding => $"{finding.What}, {finding.Logits}", StringComparer.Ordinal)
            .Select(row => $"| {row.Key} | {string.Join(" | ", options.Select(name => Worst(row, name)))} |");
        return $"""
            | off by at most | {string.Join(" | ", options)} |
            | --- |{string.Concat(options.Select(_ => " --: |"))}
            {string.Join('\n', rows)}
            """;

        static string Worst(IEnumerable<Finding> row, string options)
            => Invariant($"{row.Where(finding => finding.Options == options).Max(finding => finding.Error):0.0e-0}");
    }
}
