using PtxLosses.Tests;
using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Losses over logits against torch's own in float64, values and gradients.</summary>
public class CrossEntropyTests : TorchTest
{
    private const long Vocabulary = 37;

    public static TheoryData<torch.ScalarType, long[], torch.ScalarType, bool> Shapes
    {
        get
        {
            var cases = new TheoryData<torch.ScalarType, long[], torch.ScalarType, bool>();
            foreach (torch.ScalarType type in new[] { torch.float32, torch.float64, torch.float16, torch.bfloat16 })
            {
                foreach (bool byOperators in new[] { false, true })
                {
                    cases.Add(type, [], torch.int64, byOperators);
                    cases.Add(type, [6], torch.int64, byOperators);
                    cases.Add(type, [2, 5], torch.int32, byOperators);
                    cases.Add(type, [2, 3, 2], torch.int64, byOperators);
                }
            }

            return cases;
        }
    }

    public static TheoryData<string, bool> Options
    {
        get
        {
            var names = new TheoryData<string, bool>();
            foreach (string name in OptionCases.Names)
            {
                names.Add(name, false);
                names.Add(name, true);
            }

            return names;
        }
    }

    [TorchTheory]
    [MemberData(nameof(Shapes))]
    public void Losses_and_gradients_are_those_of_torch(torch.ScalarType type, long[] shape, torch.ScalarType targetType, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor logits = Normal(type, [.. shape, Vocabulary]).requires_grad_(), judged = Judged(logits);
        Tensor targets = Ids(Vocabulary, shape).to_type(targetType);

        Tensor loss = ptx.cross_entropy(logits, targets);
        Tensor expected = F.cross_entropy(judged.reshape(-1, Vocabulary), targets.to_type(torch.int64).reshape(-1));
        loss.backward();
        expected.backward();

        loss.dtype.Should().Be(type == torch.float64 ? torch.float64 : torch.float32);
        loss.dim().Should().Be(0);
        CheckLoss(loss, expected);
        CheckGradient(logits.grad, judged.grad);
        logits.grad!.dtype.Should().Be(type);
    }

    [TorchTheory]
    [MemberData(nameof(Options))]
    public void Every_option_means_what_the_definition_says(string name, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        (PtxLossOptions options, bool hasWeights, bool hasMasks) = OptionCases.Of(name);
        foreach (torch.ScalarType type in new[] { torch.float32, torch.float64 })
        {
            Tensor values = Normal(type, 3, 5, Vocabulary) * 2, targets = Ids(Vocabulary, 3, 5);
            targets[1, 2] = torch.tensor(options.IgnoreIndex ?? 3L);
            if (hasMasks)
            {
                Tensor predicted = (options.ShiftTargets ? targets.roll(-1, 1) : targets).clamp(0).unsqueeze(-1);
                Tensor isMasked = (Normal(torch.float32, 3, 5, Vocabulary) > 0.5).scatter(-1, predicted, torch.zeros(3, 5, 1, torch.@bool));
                values = values.masked_fill(isMasked, double.NegativeInfinity);
            }

            Tensor logits = values.requires_grad_(), judged = Judged(logits);
            Tensor? weights = hasWeights ? Normal(torch.float32, 3, 5).abs() : null;
            if (hasWeights)
            {
                weights![0, 1] = torch.tensor(0f);
            }

            Tensor loss = ptx.cross_entropy(logits, targets, out PtxLossResult result, options, weights);
            Tensor expected = Judge.CrossEntropy(judged, targets, options, weights);
            (loss * 0.7).backward();
            (expected * 0.7).backward();

            CheckLoss(loss, expected, name);
            CheckGradient(logits.grad, judged.grad, name);
            result.Total.Should().BeApproximately(expected.item<double>(), 1e-6 * Math.Max(1, expected.item<double>()));
            Tensor places = options.ShiftTargets ? targets.narrow(1, 1, 4) : targets;
            result.TokenCount.Should().Be(options.IgnoreIndex is { } id ? (places != id).sum().item<long>() : places.numel());
            if (options.Statistics != LossStatistics.None)
            {
                (double entropy, double accuracy) = Judge.Statistics(judged.detach(), targets, options, weights);
                result.Entropy.Should().BeApproximately(entropy, 1e-6);
                result.Accuracy.Should().BeApproximately(accuracy, 1e-9);
            }

            CheckClose(
                ptx.cross_entropy(logits.detach(), targets, out PtxLossResult again, options, weights), loss, 0, 0, "no gradient is wanted");
            again.Should().Be(result);
        }
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Parts_of_the_tokens_are_as_all_at_once(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor logits = Normal(torch.float32, 3, 7, Vocabulary).requires_grad_(), judged = Judged(logits), targets = Ids(Vocabulary, 3, 7);
        var options = new PtxLossOptions { MaxScratchBytes = 1, ZLossCoefficient = 0.1 };

        ptx.cross_entropy(logits, targets, options).backward();
        Judge.CrossEntropy(judged, targets, options).backward();

        CheckGradient(logits.grad, judged.grad);
    }

    [TorchTheory]
    [InlineData("rows apart", false)]
    [InlineData("rows apart", true)]
    [InlineData("without the last of each sequence", false)]
    [InlineData("without the last of each sequence", true)]
    [InlineData("sequence before batch", false)]
    [InlineData("sequence before batch", true)]
    [InlineData("vocabulary first", false)]
    [InlineData("vocabulary first", true)]
    [InlineData("expanded", false)]
    [InlineData("expanded", true)]
    public void Logits_may_have_any_strides(string layout, bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor leaf = layout switch
        {
            "rows apart" => Normal(torch.float32, 3, 4, Vocabulary + 3),
            "without the last of each sequence" => Normal(torch.float32, 3, 5, Vocabulary),
            "sequence before batch" => Normal(torch.float32, 4, 3, Vocabulary),
            "vocabulary first" => Normal(torch.float32, Vocabulary, 3, 4),
            _ => Normal(torch.float32, 1, 4, Vocabulary),
        };
        Tensor logits = leaf.requires_grad_(), judged = Judged(leaf), targets = Ids(Vocabulary, 4, 3).t();

        ptx.cross_entropy(View(logits), targets).backward();
        Judge.CrossEntropy(View(judged), targets, new()).backward();

        CheckGradient(logits.grad, judged.grad);

        Tensor View(Tensor tensor) => layout switch
        {
            "rows apart" => tensor.narrow(-1, 2, Vocabulary),
            "without the last of each sequence" => tensor.narrow(1, 0, 4),
            "sequence before batch" => tensor.transpose(0, 1),
            "vocabulary first" => tensor.movedim([0], [2]),
            _ => tensor.expand(3, 4, Vocabulary),
        };
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Without_tokens_that_count_the_loss_and_its_gradient_are_0(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor ignored = Normal(torch.float32, 4, Vocabulary).requires_grad_(), none = torch.zeros(2, 0, Vocabulary).requires_grad_();

        ptx.cross_entropy(ignored, torch.full([4], -100L)).backward();
        ptx.cross_entropy(none, torch.zeros([2, 0], torch.int64)).backward();

        ignored.grad!.count_nonzero().item<long>().Should().Be(0);
        none.grad!.Lengths().Should().Equal(2, 0, Vocabulary);
        ptx.cross_entropy(ignored, torch.full([4], -100L)).item<float>().Should().Be(0);
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Rows_without_a_softmax_make_the_loss_NaN_and_a_masked_target_makes_it_infinite(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        foreach (float special in new[] { float.NaN, float.PositiveInfinity })
        {
            Tensor logits = Normal(torch.float32, 2, Vocabulary);
            logits[1, 3] = torch.tensor(special);
            ptx.cross_entropy(logits, torch.tensor([1L, 2])).item<float>().Should().Be(float.NaN);
            ptx.cross_entropy(logits, torch.tensor([1L, -100])).item<float>().Should().BeGreaterThan(0);
        }

        Tensor masked = Normal(torch.float32, 2, Vocabulary);
        masked[1] = torch.full([Vocabulary], float.NegativeInfinity);
        ptx.cross_entropy(masked, torch.tensor([1L, 2])).item<float>().Should().Be(float.NaN);
        masked[1, 4] = torch.tensor(0f);
        ptx.cross_entropy(masked, torch.tensor([1L, 2])).item<float>().Should().Be(float.PositiveInfinity);
        Tensor leaf = masked.detach().clone().requires_grad_();
        ptx.cross_entropy(leaf, torch.tensor([-100L, 2])).backward();
        leaf.grad![1, 2].item<float>().Should().Be(-1);
        leaf.grad![1, 4].item<float>().Should().Be(1);
        leaf.grad![1, 3].item<float>().Should().Be(0);
    }

    [TorchFact]
    public void Both_ways_are_one()
    {
        Tensor logits = Normal(torch.float32, 4, 6, Vocabulary), targets = Ids(Vocabulary, 4, 6);
        var options = new PtxLossOptions { LogitSoftCap = 3, LogitScale = 0.7, LabelSmoothing = 0.1, ZLossCoefficient = 0.01, ShiftTargets = true };
        Tensor core = logits.clone().requires_grad_(), operators = logits.clone().requires_grad_();

        ptx.cross_entropy(core, targets, out PtxLossResult ofCore, options).backward();
        Route.IsForcedToOperators = true;
        ptx.cross_entropy(operators, targets, out PtxLossResult ofOperators, options).backward();

        CheckClose(operators.grad, core.grad, 1e-5, 1e-8);
        ofOperators.Total.Should().BeApproximately(ofCore.Total, 1e-6);
        ofOperators.ZLoss.Should().BeApproximately(ofCore.ZLoss, 1e-5);
        ofOperators.Perplexity.Should().BeApproximately(ofCore.Perplexity, 1e-4);
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void The_variance_of_a_target_that_is_almost_sure_is_not_below_0(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        var options = new PtxLossOptions { TargetWeighting = TargetWeighting.ProbabilityVariance, ZLossCoefficient = 0.1 };
        foreach (torch.ScalarType type in new[] { torch.float32, torch.float64, torch.float16 })
        {
            Tensor logits = torch.tensor(TestData.AlmostSure).to_type(type).unsqueeze(0).requires_grad_(), judged = Judged(logits);
            Tensor targets = torch.zeros([1], torch.int64);

            Tensor loss = ptx.cross_entropy(logits, targets, out PtxLossResult result, options);
            Tensor expected = Judge.CrossEntropy(judged, targets, options);
            loss.backward();
            expected.backward();

            // p(1 − p) is off by what the probability is off, and is multiplied by 0.1·lse², 48, and its slope, 4.
            double ofVariance = type == torch.float64 ? 1e-13 : 3e-7;
            result.ZLoss.Should().BeGreaterThanOrEqualTo(0);
            loss.to_type(torch.float64).item<double>().Should().BeApproximately(expected.item<double>(), 50 * ofVariance);
            CheckClose(logits.grad, judged.grad, 0, 8 * ofVariance);
        }
    }

    [TorchFact]
    public void More_than_2_GB_are_read_where_they_are()
    {
        // The memory is never touched but for the rows that count.
        const long tokens = 40_000, vocabulary = 30_000;
        Tensor logits = torch.empty([tokens, vocabulary], torch.float16), targets = torch.full([tokens], -100L);
        Tensor last = logits.narrow(0, tokens - 1, 1);
        last.copy_(Normal(torch.float16, 1, vocabulary));
        targets[tokens - 1] = torch.tensor(123L);

        Tensor loss = ptx.cross_entropy(logits, targets);

        CheckLoss(loss, F.cross_entropy(last.to_type(torch.float64), torch.tensor([123L])));
        (logits.numel() * logits.element_size()).Should().BeGreaterThan(int.MaxValue);
    }
}
