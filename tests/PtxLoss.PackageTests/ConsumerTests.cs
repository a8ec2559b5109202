using PtxLosses.Torch.Tests;

namespace PtxLosses.PackageTests;

/// <summary>Programs that know nothing but a package, as its users write them.</summary>
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

    /// <summary>Those of the same logits from TorchSharp; and the weight after a step of gradient descent, by hand.</summary>
    private const string TorchNumbers = """
        loss: 0.3185
        with the RL loss: 1.5319
        weight: 2.1705 0.4457 0.8788 2.5988 0.0507 0.2555
        in place: 2.1705 0.4457 0.8788 2.5988 0.0507 0.2555
        from hidden states: 2.1705 0.4457 0.8788 2.5988 0.0507 0.2555
        torch: 2.1705 0.4457 0.8788 2.5988 0.0507 0.2555
        per token: -0.4170 -0.2200
        targets is of type Float32, but must be Int64 or Int32. (Parameter 'targets')

        """;

    [Fact]
    public async Task It_restores_builds_and_gets_the_right_numbers()
        => (await packed.Built).Output.ReplaceLineEndings("\n").Should().Be(Numbers);

    [Fact]
    public async Task Trimmed_and_self_contained_it_gets_them_too_without_a_warning_for_trimming_or_native_code()
        => (await packed.Trimmed).Output.ReplaceLineEndings("\n").Should().Be(Numbers);

    [NativeFact]
    public async Task As_native_code_it_gets_them_too()
    {
        Consumer native = (await packed.Native)!;

        native.Output.ReplaceLineEndings("\n").Should().Be(Numbers);
        Directory.GetFiles(native.OutputFolder, "*.dll").Should().BeEmpty("all of it is in the program");
    }

    [TorchFact]
    public async Task On_TorchSharp_a_step_moves_the_weight_as_torch_itself_does()
        => (await packed.OnTorch)!.Output.ReplaceLineEndings("\n").Should().Be(TorchNumbers);

    [Fact]
    public async Task What_it_has_is_the_package_and_all_that_the_package_brings()
    {
        Consumer built = await packed.Built;

        Directory.GetFiles(built.OutputFolder, "*.dll").Select(Path.GetFileName)
            .Should().BeEquivalentTo("Consumer.dll", "PtxLoss.dll", "System.Numerics.Tensors.dll");
        await CheckPackages(built, "PtxLoss");
    }

    [TorchFact]
    public async Task So_it_is_on_TorchSharp() => await CheckPackages((await packed.OnTorch)!, "PtxLoss", "PtxLoss.TorchSharp");

    private async Task CheckPackages(Consumer consumer, params string[] ids)
    {
        Directory.GetDirectories(consumer.Packages, "ptxloss*").Select(Path.GetFileName)
            .Should().BeEquivalentTo(ids.Select(id => id.ToLowerInvariant()));
        foreach (string id in ids)
        {
            byte[] used = await File.ReadAllBytesAsync(Path.Combine(consumer.OutputFolder, $"{id}.dll"));
            used.Should().Equal((await packed.Package(id)).Entries[$"lib/net10.0/{id}.dll"]);
        }
    }
}
