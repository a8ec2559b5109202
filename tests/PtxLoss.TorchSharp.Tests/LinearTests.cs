using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Losses from hidden states against torch's linear layer and cross-entropy in float64.</summary>
public class LinearTests : TorchTest
{
    private const long Vocabulary = 41, Size = 12;

    public static TheoryData<torch.ScalarType, string, bool> Cases
    {
        get
        {
            var cases = new TheoryData<torch.ScalarType, string, bool>();
            foreach (bool byOperators in new[] { false, true })
            {
                foreach (torch.ScalarType type in new[] { torch.float32, torch.float64, torch.float16, torch.bfloat16 })
                {
                    cases.Add(type, "none", byOperators);
                    cases.Add(type, "weights", byOperators);
                }

                string[] elsewhere = ["none", "weights", "masks", "smoothing over masks", "all"];
                foreach (string name in OptionCases.Names.Except(elsewhere, StringComparer.Ordinal))
                {
                    cases.Add(torch.float32, name, byOperators);
                }
            }

            return cases;
        }
    }

    [TorchTheory]
    [MemberData(nameof(Cases))]
    public void Losses_and_gradients_are_those_of_torch(torch.ScalarType type, string name, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        (PtxLossOptions options, bool hasWeights, _) = OptionCases.Of(name);
        Tensor hidden = Normal(type, 3, 4, Size).requires_grad_(), weight = (Normal(type, Vocabulary, Size) / 2).detach().requires_grad_();
        Tensor bias = Normal(type, Vocabulary).requires_grad_(), targets = Ids(Vocabulary, 3, 4);
        Tensor h = Judged(hidden), w = Judged(weight), b = Judged(bias);
        Tensor? weights = hasWeights ? Normal(torch.float32, 3, 4).abs() : null;

        Tensor loss = ptx.linear_cross_entropy(hidden, weight, targets, out PtxLossResult result, bias, options, weights);
        Tensor expected = Judge.CrossEntropy(F.linear(h, w, b), targets, options, weights);
        (loss * 0.7).backward();
        (expected * 0.7).backward();

        double of = type == torch.float64 ? 1e-10 : type == torch.float32 ? 2e-5 : type == torch.float16 ? 4e-3 : 3e-2;
        CheckClose(loss, expected, of, of, name);
        loss.dtype.Should().Be(type == torch.float64 ? torch.float64 : torch.float32);
        result.Total.Should().BeApproximately(loss.detach().to_type(torch.float64).item<double>(), 1e-5 * Math.Max(1, loss.detach().to_type(torch.float64).item<double>()));
        CheckClose(hidden.grad, h.grad, of, of, name);
        CheckClose(weight.grad, w.grad, of, of, name);
        CheckClose(bias.grad, b.grad, of, of, name);
        weight.grad!.dtype.Should().Be(type);
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void What_is_frozen_gets_no_gradient(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        for (int wanted = 0; wanted < 8; wanted++)
        {
            Tensor hidden = Normal(torch.float32, 5, Size).requires_grad_((wanted & 1) != 0);
            Tensor weight = Normal(torch.float32, Vocabulary, Size).requires_grad_((wanted & 2) != 0);
            Tensor bias = Normal(torch.float32, Vocabulary).requires_grad_((wanted & 4) != 0), targets = Ids(Vocabulary, 5);

            Tensor loss = ptx.linear_loss(torch.tensor(1f), hidden, weight, targets, 0.5, bias);
            (Tensor logProbabilities, _) = ptx.linear_token_log_probs(hidden, weight, targets, bias);

            loss.requires_grad.Should().Be(wanted != 0);
            logProbabilities.requires_grad.Should().Be(wanted != 0);
            if (wanted != 0)
            {
                (loss + logProbabilities.sum()).backward();
                Tensor h = hidden.detach().clone().requires_grad_(), w = weight.detach().clone().requires_grad_(), b = bias.detach().clone().requires_grad_();
                (F.cross_entropy(F.linear(h, w, b), targets) * (0.5 - 5)).backward();
                Check(hidden, h);
                Check(weight, w);
                Check(bias, b);
            }
        }

        static void Check(Tensor tensor, Tensor judge)
        {
            if (tensor.requires_grad)
            {
                CheckClose(tensor.grad, judge.grad, 1e-4, 1e-5);
            }
            else
            {
                tensor.grad.Should().BeNull();
            }
        }
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Any_strides_do(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor hidden = Normal(torch.float32, Size, 4, 3).requires_grad_(), weight = Normal(torch.float32, Size, Vocabulary).requires_grad_();
        Tensor targets = Ids(Vocabulary, 3, 4), h = Judged(hidden), w = Judged(weight);

        ptx.linear_cross_entropy(hidden.permute(2, 1, 0), weight.t(), targets).backward();
        F.cross_entropy(F.linear(h.permute(2, 1, 0), w.t()).reshape(-1, Vocabulary), targets.reshape(-1)).backward();

        CheckGradient(hidden.grad, h.grad);
        CheckGradient(weight.grad, w.grad);
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Without_tokens_all_gradients_are_0(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor hidden = torch.zeros(2, 0, Size).requires_grad_(), weight = Normal(torch.float32, Vocabulary, Size).requires_grad_();
        Tensor targets = torch.zeros([2, 0], torch.int64);

        Tensor total = ptx.linear_loss(torch.tensor(3f), hidden, weight, targets, 1, options: new() { ShiftTargets = true });
        (total + ptx.linear_token_log_probs(hidden, weight, targets).log_probs.sum()).backward();

        total.item<float>().Should().Be(3);
        weight.grad!.count_nonzero().item<long>().Should().Be(0);
    }

    [TorchFact]
    public void A_second_backward_pass_is_refused_by_torch()
    {
        Tensor hidden = Normal(torch.float32, 5, Size).requires_grad_(), weight = Normal(torch.float32, Vocabulary, Size).requires_grad_();

        Tensor loss = ptx.linear_cross_entropy(hidden, weight, Ids(Vocabulary, 5));
        loss.backward(retain_graph: true);

        loss.Invoking(x => x.backward()).Should().Throw<Exception>().WithMessage("*modified by an inplace operation*");
    }

    [TorchFact]
    public void The_gradient_of_a_parameter_is_kept_without_a_copy()
    {
        // As torch does it for its own gradients: where it was computed, 16 MB, would be there twice.
        Tensor hidden = Normal(torch.float32, 2, 64), weight = Normal(torch.float32, 65_536, 64).requires_grad_();
        Tensor loss = ptx.linear_cross_entropy(hidden, weight, Ids(65_536, 2));
        loss.backward();
        long before = ProcessMemory.Resident();
        loss.Dispose();
        Returned.DisposeEarlier();

        (before - ProcessMemory.Resident()).Should().BeLessThan(8 << 20);
    }
}
