using TorchSharp.Modules;
using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Training steps through real modules and optimizers end where torch's own loss ends.</summary>
public class ModuleTests : TorchTest
{
    private const long Vocabulary = 50, Size = 16;
    private const int Steps = 20;

    private enum Way
    {
        Torch,
        Logits,
        InPlace,
        Layer,
        Function,
    }

    [TorchFact]
    public void Every_way_trains_to_the_same_parameters()
    {
        float[][] curves = [.. Enum.GetValues<Way>().Select(Train)];

        foreach (float[] curve in curves)
        {
            curve[^1].Should().BeLessThan(curve[0] - 0.5f);
            for (int i = 0; i < Steps; i++)
            {
                curve[i].Should().BeApproximately(curves[0][i], 2e-4f);
            }
        }
    }

    [TorchFact]
    public void A_layer_of_its_own_is_among_the_parameters_and_is_moved()
    {
        using var owner = new LinearPtxLossModule(Size, Vocabulary, 0.5, has_bias: true);
        using Linear layer = torch.nn.Linear(Size, Vocabulary, hasBias: false);
        using var guest = new LinearPtxLossModule(layer, 0.5);

        owner.named_parameters().Select(parameter => parameter.name).Should().Equal("output_layer.weight", "output_layer.bias");
        guest.parameters().Should().BeEmpty();
        owner.to(torch.float64);
        layer.to(torch.float64);
        owner.weight.dtype.Should().Be(torch.float64);
        guest.weight.dtype.Should().Be(torch.float64);
        guest.bias.Should().BeNull();
        Tensor hidden = Normal(torch.float64, 3, Size), targets = Ids(Vocabulary, 3);
        CheckClose(
            guest.forward(torch.tensor(1.0), hidden, targets),
            1 + (0.5 * F.cross_entropy(layer.forward(hidden), targets)), 1e-9, 1e-9);
    }

    [TorchFact]
    public void A_module_keeps_what_it_was_given()
    {
        var options = new PtxLossOptions { LabelSmoothing = 0.1 };
        using var module = new PtxLossModule(0.5, options, inplace: true);
        using var linear = new LinearPtxLossModule(Size, Vocabulary, 0.25, options);

        (module.ptx_coefficient, module.options, module.inplace).Should().Be((0.5, options, true));
        (linear.ptx_coefficient, linear.options).Should().Be((0.25, options));
        FluentActions.Invoking(() => new PtxLossModule(double.NaN)).Should().Throw<ArgumentOutOfRangeException>()
            .WithParameterName("ptx_coefficient");
    }

    private float[] Train(Way way)
    {
        torch.manual_seed(3);
        using Embedding embedding = torch.nn.Embedding(Vocabulary, Size);
        using LayerNorm norm = torch.nn.LayerNorm(Size);
        using Linear head = torch.nn.Linear(Size, Vocabulary);
        using var loss = new PtxLossModule(0.8, inplace: way == Way.InPlace);
        using var layer = new LinearPtxLossModule(head, 0.8);
        using var optimizer = torch.optim.AdamW(
            [.. embedding.parameters(), .. norm.parameters(), .. head.parameters()], lr: 0.02);
        using Tensor ids = torch.randint(0, Vocabulary, [4, 7]);
        var curve = new List<float>();
        for (int step = 0; step < Steps; step++)
        {
            using var scope = torch.NewDisposeScope();
            optimizer.zero_grad();
            Tensor hidden = norm.forward(embedding.forward(ids)), rl = hidden.square().mean() * 0.01;
            Tensor total = way switch
            {
                Way.Torch => rl + (0.8 * F.cross_entropy(head.forward(hidden).reshape(-1, Vocabulary), ids.reshape(-1))),
                Way.Layer => layer.forward(rl, hidden, ids),
                Way.Function => ptx.linear_loss(rl, hidden, head.weight, ids, 0.8, head.bias),
                _ => loss.forward(rl, head.forward(hidden), ids),
            };
            total.backward();
            optimizer.step();
            curve.Add(total.item<float>());
        }

        return [.. curve];
    }
}
