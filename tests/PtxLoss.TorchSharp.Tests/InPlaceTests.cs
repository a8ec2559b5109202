using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Gradients where the logits were.</summary>
public class InPlaceTests : TorchTest
{
    private const long Vocabulary = 29;

    public static TheoryData<torch.ScalarType, bool, bool, bool> Layers
    {
        get
        {
            var cases = new TheoryData<torch.ScalarType, bool, bool, bool>();
            foreach (torch.ScalarType type in new[] { torch.float32, torch.float64, torch.bfloat16 })
            {
                foreach (bool hasBias in new[] { false, true })
                {
                    foreach (bool byOperators in new[] { false, true })
                    {
                        cases.Add(type, hasBias, true, byOperators);
                        cases.Add(type, hasBias, false, byOperators);
                    }
                }
            }

            return cases;
        }
    }

    [TorchTheory]
    [MemberData(nameof(Layers))]
    public void A_linear_layer_gets_its_gradients(torch.ScalarType type, bool hasBias, bool isOne, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor hidden = Normal(type, 2, 3, 7), weight = Normal(type, Vocabulary, 7), targets = Ids(Vocabulary, 2, 3);
        Tensor? bias = hasBias ? Normal(type, Vocabulary) : null;
        double factor = isOne ? 1 : 2.5;

        // Of the logits as they are, 16 bits included, so that only the gradient is judged.
        Tensor[] inPlace = Gradients(inplace: true), elsewhere = Gradients(inplace: false);

        for (int i = 0; i < inPlace.Length; i++)
        {
            CheckClose(inPlace[i], elsewhere[i], 0, 0);
        }

        Tensor[] Gradients(bool inplace)
        {
            Tensor h = hidden.clone().requires_grad_(), w = weight.clone().requires_grad_(), b = bias?.clone().requires_grad_()!;
            Tensor logits = F.linear(h, w, b); // of three dimensions and with a bias it is a view
            (ptx.cross_entropy(logits, targets, inplace: inplace) * factor).backward();
            return hasBias ? [h.grad!, w.grad!, b.grad!] : [h.grad!, w.grad!];
        }
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void The_logits_become_the_gradient_only_where_one_is_wanted(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor leaf = Normal(torch.float32, 4, Vocabulary), targets = Ids(Vocabulary, 4), before = leaf.clone();

        ptx.cross_entropy(leaf, targets, inplace: true).requires_grad.Should().BeFalse();
        CheckClose(leaf, before, 0, 0, "they require none");
        Tensor logits = leaf.requires_grad_() * 1;
        using (torch.no_grad())
        {
            ptx.cross_entropy(logits, targets, inplace: true);
        }

        CheckClose(logits, before, 0, 0, "gradients are off");
        Tensor loss = ptx.cross_entropy(logits, targets, inplace: true);
        Tensor judged = Judged(before);
        F.cross_entropy(judged, targets).backward();
        CheckGradient(logits, judged.grad);
        loss.backward();
        CheckGradient(leaf.grad, judged.grad);
    }

    [TorchFact]
    public void Views_of_a_layers_output_get_their_part()
    {
        Tensor hidden = Normal(torch.float32, 2, 4, 7).requires_grad_(), judged = Judged(hidden);
        Tensor weight = Normal(torch.float32, Vocabulary, 7);
        Tensor targets = Ids(Vocabulary, 2, 3);

        Tensor logits = F.linear(hidden, weight, torch.zeros(Vocabulary));
        (ptx.cross_entropy(logits.narrow(1, 0, 3), targets, inplace: true) * 2).backward();
        Tensor other = F.linear(judged, weight.to_type(torch.float64));
        (F.cross_entropy(other.narrow(1, 0, 3).reshape(-1, Vocabulary), targets.reshape(-1)) * 2).backward();

        CheckGradient(hidden.grad, judged.grad);

        // Of several views at once torch lets nobody change a second one, and says so before it is changed.
        Tensor[] halves = F.linear(hidden, weight).chunk(2, 1);
        ptx.cross_entropy(halves[0], targets.narrow(1, 0, 2), inplace: true);
        Tensor before = halves[1].detach().clone();
        FluentActions.Invoking(() => ptx.cross_entropy(halves[1], targets.narrow(1, 0, 2), inplace: true))
            .Should().Throw<Exception>().WithMessage("*function that returns multiple views*");
        CheckClose(halves[1], before, 0, 0);
    }

    [TorchFact]
    public void A_layer_that_needs_the_values_fails_with_torchs_message()
    {
        Tensor hidden = Normal(torch.float32, 4, 7).requires_grad_(), weight = Normal(torch.float32, Vocabulary, 7);
        Tensor targets = Ids(Vocabulary, 4);
        Tensor logits = F.linear(hidden, weight).tanh();

        Tensor loss = ptx.cross_entropy(logits, targets, inplace: true);

        loss.Invoking(x => x.backward()).Should().Throw<Exception>().WithMessage("*modified by an inplace operation*");
    }

    [TorchFact]
    public void Logits_that_are_changed_afterwards_are_noticed()
    {
        Tensor logits = Normal(torch.float32, 4, Vocabulary).requires_grad_() * 1, targets = Ids(Vocabulary, 4);
        Tensor loss = ptx.cross_entropy(logits, targets, inplace: true);
        using (torch.no_grad())
        {
            logits.mul_(torch.tensor(3f));
        }

        loss.Invoking(x => x.backward()).Should().Throw<Exception>().WithMessage("*invalid gradient*");
    }

    [TorchFact]
    public void Leaves_expanded_tensors_and_other_strides_are_refused_and_stay_as_they_are()
    {
        Tensor leaf = Normal(torch.float32, 4, Vocabulary).requires_grad_(), targets = Ids(Vocabulary, 4);
        Tensor before = leaf.detach().clone();

        Refused(leaf, "*inplace is true, but logits is a leaf*");
        Refused((leaf.narrow(0, 0, 1) * 1).expand(4, Vocabulary), "*inplace is true, but logits of shape * is expanded*");
        Refused((leaf * 1).t().contiguous().t(), "*inplace is true, but logits has the strides *");
        CheckClose(leaf, before, 0, 0);

        void Refused(Tensor logits, string message)
            => FluentActions.Invoking(() => ptx.cross_entropy(logits, targets, inplace: true))
                .Should().Throw<ArgumentException>().WithParameterName("inplace").WithMessage(message);
    }

    [TorchFact]
    public void Bad_input_leaves_the_logits_and_their_graph_alone()
    {
        Tensor leaf = Normal(torch.float32, 4, Vocabulary).requires_grad_(), logits = leaf.tanh();
        Tensor before = logits.detach().clone();

        FluentActions.Invoking(
            () => ptx.cross_entropy(logits, torch.full([4], 99L), inplace: true)).Should().Throw<ArgumentException>();

        CheckClose(logits, before, 0, 0);
        logits.sum().backward();
    }
}
