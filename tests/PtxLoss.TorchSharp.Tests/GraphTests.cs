using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Losses as parts of a graph.</summary>
public class GraphTests : TorchTest
{
    private const long Vocabulary = 23;

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void The_rl_loss_keeps_its_graph_and_the_result_has_the_parts(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor policy = Normal(torch.float32, 5).requires_grad_(), logits = Normal(torch.float32, 4, Vocabulary).requires_grad_();
        Tensor targets = Ids(Vocabulary, 4), judged = Judged(logits), rl = (policy * policy).sum();

        Tensor total = ptx.loss(rl, logits, targets, 0.3, out PtxLossResult result);
        total.backward();
        (F.cross_entropy(judged, targets) * 0.3).backward();

        CheckGradient(logits.grad, judged.grad);
        CheckClose(policy.grad, policy.detach() * 2, 1e-6, 0);
        result.RlLoss.Should().Be(rl.item<float>());
        result.PtxCoefficient.Should().Be(0.3);
        result.Total.Should().BeApproximately(total.item<float>(), 1e-5);
        CheckClose(ptx.loss(rl, logits, targets, 0.3), total, 0, 0);
    }

    [TorchFact]
    public void The_total_is_promoted_as_torch_promotes()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_(), targets = Ids(Vocabulary, 4);
        foreach (torch.ScalarType type in new[] { torch.float32, torch.float64, torch.float16, torch.int64 })
        {
            Tensor rl = torch.tensor(2.0).to_type(type);
            Tensor total = ptx.loss(rl, logits, targets, 1);
            total.dtype.Should().Be((rl + torch.tensor(1f)).dtype);
            total.backward();
        }

        ptx.loss(torch.zeros(1, 1), logits, targets, 1).dim().Should().Be(0);
        ptx.loss(torch.tensor(0f), Normal(torch.float64, 4, Vocabulary), targets, 1).dtype.Should().Be(torch.float64);
    }

    [TorchFact]
    public void Only_the_rl_loss_may_require_a_gradient()
    {
        Tensor rl = torch.tensor(2f).requires_grad_();

        Tensor total = ptx.loss(rl * 3, Normal(torch.float32, 4, Vocabulary), Ids(Vocabulary, 4), 1);
        total.backward();

        rl.grad!.item<float>().Should().Be(3);
    }

    [TorchFact]
    public void A_weight_of_many_losses_is_the_sum_of_their_gradients()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_(), targets = Ids(Vocabulary, 4);
        Tensor judged = Judged(logits);

        ptx.cross_entropy(logits, targets).backward();
        (ptx.cross_entropy(logits, targets) + (2 * ptx.cross_entropy(logits, targets))).backward();
        (4 * F.cross_entropy(judged, targets)).backward();

        CheckGradient(logits.grad, judged.grad);
    }

    [TorchFact]
    public void Gradients_can_be_asked_for_and_outlive_the_loss()
    {
        Tensor leaf = Normal(torch.float32, 4, Vocabulary).requires_grad_(), logits = leaf * 2, targets = Ids(Vocabulary, 4);
        Tensor judged = Judged(logits);
        Tensor loss = ptx.cross_entropy(logits, targets);

        Tensor asked = torch.autograd.grad([loss], [logits])[0];
        loss.Dispose();
        ptx.cross_entropy(logits, targets, inplace: true).backward();
        F.cross_entropy(judged, targets).backward();

        CheckGradient(asked, judged.grad);
        CheckClose(leaf.grad, 2 * asked!, 1e-6, 0);
    }

    [TorchTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_second_backward_pass_is_refused_by_torch(bool inplace)
    {
        Tensor leaf = Normal(torch.float32, 4, Vocabulary).requires_grad_(), targets = Ids(Vocabulary, 4), judged = Judged(leaf);

        Tensor released = ptx.cross_entropy(leaf * 1, targets, inplace: inplace);
        released.backward();
        released.Invoking(x => x.backward()).Should().Throw<Exception>().WithMessage(
            "*backward through the graph a second time*");

        Tensor retained = ptx.cross_entropy(leaf * 1, targets, inplace: inplace);
        retained.backward(retain_graph: true);
        retained.Invoking(x => x.backward()).Should().Throw<Exception>().WithMessage("*modified by an inplace operation*");

        F.cross_entropy(judged, targets).backward();
        CheckGradient(leaf.grad, judged.grad! * 2, "the refused ones add nothing");
    }

    [TorchFact]
    public void Second_derivatives_are_not_given()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_();
        Tensor gradient = torch.autograd.grad([ptx.cross_entropy(logits, Ids(Vocabulary, 4))], [logits], create_graph: true)[0];

        gradient.requires_grad.Should().BeFalse();
    }

    [TorchFact]
    public void Backward_passes_on_other_threads_find_what_they_need()
    {
        Tensor targets = Ids(Vocabulary, 4), values = Normal(torch.float32, 4, Vocabulary), judged = Judged(values);
        F.cross_entropy(judged, targets).backward();

        Parallel.For(0, 40, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            using var scope = torch.NewDisposeScope();
            Tensor leaf = values.clone().requires_grad_();
            Tensor loss = ptx.cross_entropy(leaf * 1, targets, inplace: i % 2 == 0);
            loss.backward();
            torch.allclose(leaf.grad!.to_type(torch.float64), judged.grad!, 1e-5, 1e-7).Should().BeTrue();
        });
    }
}
