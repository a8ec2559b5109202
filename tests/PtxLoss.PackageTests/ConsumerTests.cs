namespace PtxLosses.PackageTests;

/// <summary>A program that knows nothing but the package, as its users write them.</summary>
[Collection(nameof(Packed))]
public class ConsumerTests(Packed packed)
{
    /// <summary>The numbers of the examples in README.md and docs/, and some worked out by hand.</summary>
    private const string Numbers = """
        spans: 1.5319
        result: 1.5000 1.0000 0.3185 0.0000 0.3185
        tokens: 2.0000 1.3751
        gradient: -0.1705 0.1212 0.0493 0.0543 -0.0988 0.0445
        double: 0.3185
        Half: 0.3185
        BFloat16: 0.3186
        tensors: 1.5319
        strides: 1.5319
        shifted: 1.4170
        counts: 2.0000 2.0000
        hidden: 1.5280
        weight gradient: -0.0012 0.0057 0.0048 0.0102 -0.0036 -0.0160
        per token: 0.4170 2.4200 0.8467 0.6329
        policy gradient: -0.1705 0.1212 0.0493 -0.1086 -0.8025 0.9111
        accumulator: 1.5319
        options: 0.8766
        threads: 8.3178 8.3178
        targets[1] is 3, which is outside [0, 3) and is not the ignored -100. (Parameter 'targets')

        """;

    [Fact]
    public async Task It_restores_builds_and_gets_the_right_numbers()
        => (await packed.Consumer).Output.ReplaceLineEndings("\n").Should().Be(Numbers);

    [Fact]
    public async Task Trimmed_and_self_contained_it_gets_them_too_without_a_warning_for_trimming_or_native_code()
        => (await packed.Consumer).TrimmedOutput.ReplaceLineEndings("\n").Should().Be(Numbers);

    [Fact]
    public async Task What_it_restored_is_the_package_and_all_that_the_package_brings()
    {
        string packages = (await packed.Consumer).Packages;

        Directory.GetDirectories(packages).Select(Path.GetFileName)
            .Where(name => !name!.StartsWith("microsoft.net", StringComparison.Ordinal)) // the runtime and the trimmer
            .Should().BeEquivalentTo("ptxloss", "system.numerics.tensors");
        byte[] restored = await File.ReadAllBytesAsync(
            Directory.GetFiles(Path.Combine(packages, "ptxloss"), "PtxLoss.dll", SearchOption.AllDirectories).Single());
        restored.Should().Equal((await packed.Package()).Entries["lib/net10.0/PtxLoss.dll"]);
    }
}
