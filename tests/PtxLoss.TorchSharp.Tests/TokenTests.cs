using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Log-probabilities and entropies per token against torch's in float64.</summary>
public class TokenTests : TorchTest
{
    private const long Vocabulary = 31;

    public static TheoryData<torch.ScalarType, string, bool> Cases
    {
        get
        {
            var cases = new TheoryData<torch.ScalarType, string, bool>();
            foreach (torch.ScalarType type in new[] { torch.float32, torch.float64, torch.float16, torch.bfloat16 })
            {
                foreach (string name in new[] { "none", "scale", "cap", "shift" })
                {
                    cases.Add(type, name, false);
                    cases.Add(type, name, true);
                }
            }

            return cases;
        }
    }

    [TorchTheory]
    [MemberData(nameof(Cases))]
    public void Over_logits(torch.ScalarType type, string name, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        PtxLossOptions options = OptionCases.Of(name).Options;
        Tensor logits = (Normal(type, 2, 4, Vocabulary) * 2).requires_grad_(), judged = Judged(logits);
        Tensor ids = Ids(Vocabulary, 2, 4);
        ids[0, 2] = torch.tensor(-100L);
        Tensor advantages = Normal(torch.float64, 2, 4), bonus = Normal(torch.float64, 2, 4);

        (Tensor logProbabilities, Tensor entropy) = ptx.token_log_probs(logits, ids, options);
        (Tensor expected, Tensor expectedEntropy) = Judge.Tokens(judged, ids, options);
        ((logProbabilities * advantages).sum() + (entropy * bonus).sum()).backward();
        ((expected * advantages).sum() + (expectedEntropy * bonus).sum()).backward();

        logProbabilities.dtype.Should().Be(type == torch.float64 ? torch.float64 : torch.float32);
        entropy.dtype.Should().Be(logProbabilities.dtype);
        CheckLoss(logProbabilities, expected);
        CheckLoss(entropy, expectedEntropy);
        double relative = type == torch.float64 ? 1e-9 : type == torch.float32 ? 1e-4 : type == torch.float16 ? 2e-3 : 1e-2;
        CheckClose(logits.grad, judged.grad, relative, relative / 100);
    }

    [TorchTheory]
    [MemberData(nameof(Cases))]
    public void From_hidden_states(torch.ScalarType type, string name, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        PtxLossOptions options = OptionCases.Of(name).Options;
        Tensor hidden = Normal(type, 2, 4, 8).requires_grad_();
        Tensor weight = (Normal(type, Vocabulary, 8) / 2).detach().requires_grad_();
        Tensor bias = Normal(type, Vocabulary).requires_grad_(), ids = Ids(Vocabulary, 2, 4);
        Tensor h = Judged(hidden), w = Judged(weight), b = Judged(bias);
        Tensor advantages = Normal(torch.float64, 2, 4), bonus = Normal(torch.float64, 2, 4);

        (Tensor logProbabilities, Tensor entropy) = ptx.linear_token_log_probs(hidden, weight, ids, bias, options);
        (Tensor expected, Tensor expectedEntropy) = Judge.Tokens(F.linear(h, w, b), ids, options);
        ((logProbabilities * advantages).sum() + (entropy * bonus).sum()).backward();
        ((expected * advantages).sum() + (expectedEntropy * bonus).sum()).backward();

        // torch rounds logits to 16 bits, the core does not.
        double of = type == torch.float64 ? 1e-10 : type == torch.float32 ? 2e-5 : type == torch.float16 ? 1e-2 : 8e-2;
        CheckClose(logProbabilities, expected, of, of);
        CheckClose(entropy, expectedEntropy, of, of);
        CheckClose(hidden.grad, h.grad, of, of);
        CheckClose(weight.grad, w.grad, of, 2 * of);
        CheckClose(bias.grad, b.grad, of, 2 * of);
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void One_of_the_two_is_enough(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_(), judged = Judged(logits), ids = Ids(Vocabulary, 4);

        ptx.token_log_probs(logits, ids).log_probs.sum().backward();
        (F.cross_entropy(judged, ids) * -4).backward();
        CheckGradient(logits.grad, judged.grad);

        logits.grad = null;
        ptx.token_log_probs(logits, ids).entropy.sum().backward();
        Tensor again = Judged(logits);
        Judge.Tokens(again, ids, new()).Entropy.sum().backward();
        CheckGradient(logits.grad, again.grad);
    }

    [TorchFact]
    public void A_second_pass_over_a_retained_graph_gives_the_same()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_(), ids = Ids(Vocabulary, 4);
        Tensor sum = ptx.token_log_probs(logits, ids).log_probs.sum();

        sum.backward(retain_graph: true);
        Tensor first = logits.grad!.clone();
        sum.backward();

        CheckClose(logits.grad, first * 2, 1e-6, 0);
    }

    [TorchFact]
    public void Without_a_gradient_nothing_is_differentiable()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_(), ids = Ids(Vocabulary, 4);
        using (torch.no_grad())
        {
            ptx.token_log_probs(logits, ids).log_probs.requires_grad.Should().BeFalse();
        }

        ptx.token_log_probs(logits.detach(), ids).entropy.requires_grad.Should().BeFalse();
    }

    [TorchFact]
    public void Logits_changed_in_between_are_reported_and_the_process_lives()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_() * 1, ids = Ids(Vocabulary, 4);
        Tensor sum = ptx.token_log_probs(logits, ids).log_probs.sum();
        using (torch.no_grad())
        {
            logits.mul_(torch.tensor(2f));
        }

        sum.Invoking(x => x.backward()).Should().Throw<Exception>().WithMessage("*invalid gradient*");
    }

    [TorchFact]
    public void Ids_may_be_changed_in_between()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_(), judged = Judged(logits), ids = Ids(Vocabulary, 4);
        Tensor before = ids.clone();
        Tensor sum = ptx.token_log_probs(logits, ids).log_probs.sum();
        ids.fill_(999);

        sum.backward();
        (F.cross_entropy(judged, before) * -4).backward();

        CheckGradient(logits.grad, judged.grad);
    }

    [TorchFact]
    public void A_scalar_id_stands_for_one_row()
    {
        Tensor logits = Normal(torch.float32, Vocabulary).requires_grad_();

        (Tensor logProbabilities, Tensor entropy) = ptx.token_log_probs(logits, torch.tensor(3L));
        logProbabilities.backward();

        (logProbabilities.dim() + entropy.dim()).Should().Be(0);
        CheckClose(logProbabilities, logits.detach().log_softmax(0)[3], 1e-6, 1e-6);
        logits.grad!.Lengths().Should().Equal(Vocabulary);
    }
}
