namespace PtxLosses.Torch.Tests;

/// <summary>What does not fit is refused by the name of the parameter, before anything is computed.</summary>
public class BadInputTests : TorchTest
{
    private const long Vocabulary = 9, Size = 4;

    private readonly Tensor _rl = torch.tensor(1f), _targets = torch.zeros([2, 3], torch.int64);
    private readonly Tensor _logits = torch.zeros([2, 3, Vocabulary]).requires_grad_();
    private readonly Tensor _hidden = torch.zeros([2, 3, Size]).requires_grad_(), _weight = torch.zeros([Vocabulary, Size]);
    private readonly Tensor _bias = torch.zeros([Vocabulary]);

    [TorchFact]
    public void Missing_tensors()
    {
        Refused<ArgumentNullException>(() => ptx.cross_entropy(null!, _targets), "logits");
        Refused<ArgumentNullException>(() => ptx.cross_entropy(_logits, null!), "targets");
        Refused<ArgumentNullException>(() => ptx.loss(null!, _logits, _targets, 1), "rl_loss");
        Refused<ArgumentNullException>(() => ptx.loss(_rl, null!, _targets, 1), "logits");
        Refused<ArgumentNullException>(() => ptx.token_log_probs(_logits, null!), "ids");
        Refused<ArgumentNullException>(() => ptx.linear_cross_entropy(null!, _weight, _targets), "hidden");
        Refused<ArgumentNullException>(() => ptx.linear_cross_entropy(_hidden, null!, _targets), "weight");
        Refused<ArgumentNullException>(() => ptx.linear_loss(_rl, null!, _weight, _targets, 1), "hidden");
        Refused<ArgumentNullException>(() => ptx.linear_token_log_probs(_hidden, _weight, null!), "ids");
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Shapes(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Refused(
            () => ptx.cross_entropy(_logits, torch.zeros([3, 2], torch.int64)),
            "targets",
            "*targets has the shape [3, 2], but logits of shape [2, 3, 9] needs [2, 3].*");
        Refused(() => ptx.cross_entropy(torch.tensor(1f), torch.tensor(1L)), "logits", "*scalar*");
        Refused(
            () => ptx.cross_entropy(torch.zeros(2, 0), torch.zeros([2], torch.int64)), "logits", "*vocabulary, must be from 1*");
        Refused(() => ptx.token_log_probs(_logits, torch.zeros([6], torch.int64)), "ids", "*ids has the shape [6]*");
        Refused(
            () => ptx.linear_cross_entropy(_hidden, torch.zeros(Vocabulary, 5), _targets),
            "weight",
            "*weight has the shape [9, 5], but hidden of shape [2, 3, 4] needs [vocabulary, 4].*");
        Refused(() => ptx.linear_cross_entropy(_hidden, torch.zeros(Size), _targets), "weight");
        Refused(() => ptx.linear_cross_entropy(_hidden, _weight, _targets, torch.zeros(5)), "bias", "*bias has the shape [5]*");
        Refused(() => ptx.linear_cross_entropy(_hidden, _weight, torch.zeros([2], torch.int64)), "targets");
        Refused(
            () => ptx.loss(torch.zeros(2), _logits, _targets, 1),
            "rl_loss",
            "*rl_loss has the shape [2], but must be a scalar.*");
        Refused(
            () => ptx.cross_entropy(_logits, _targets, token_weights: torch.zeros(6)),
            "token_weights",
            "*token_weights has the shape [6], but targets has [2, 3].*");
        Refused(
            () => ptx.cross_entropy(torch.zeros(9), torch.tensor(1L), new() { ShiftTargets = true }),
            "options",
            "*ShiftTargets*no sequence*");
    }

    [TorchFact]
    public void Types()
    {
        Refused(
            () => ptx.cross_entropy(torch.zeros([2, 9], torch.int64), torch.zeros([2], torch.int64)),
            "logits",
            "*of type Int64*");
        Refused(() => ptx.cross_entropy(torch.zeros([2, 9], torch.complex64), torch.zeros([2], torch.int64)), "logits");
        Refused(
            () => ptx.cross_entropy(_logits, torch.zeros([2, 3], torch.int16)),
            "targets",
            "*targets is of type Int16, but must be Int64 or Int32.*");
        Refused(() => ptx.cross_entropy(_logits, torch.zeros(2, 3)), "targets");
        Refused(() => ptx.token_log_probs(_logits, torch.zeros(2, 3)), "ids");
        Refused(
            () => ptx.linear_cross_entropy(_hidden, torch.zeros([Vocabulary, Size], torch.bfloat16), _targets),
            "weight",
            "*one type*");
        Refused(
            () => ptx.linear_cross_entropy(_hidden, _weight, _targets, torch.zeros([Vocabulary], torch.float64)),
            "bias",
            "*one type*");
        Refused(
            () => ptx.cross_entropy(_logits, _targets, token_weights: torch.ones([2, 3], torch.float64)),
            "token_weights",
            "*Float32*");
        Refused(
            () => ptx.cross_entropy(_logits, _targets, token_weights: torch.ones(2, 3).requires_grad_()),
            "token_weights",
            "*requires a gradient*");
        Refused(() => ptx.loss(torch.zeros([], torch.complex64), _logits, _targets, 1), "rl_loss", "*real*");
        Refused(() => ptx.cross_entropy(torch.zeros(2, 9).to_sparse(), torch.zeros([2], torch.int64)), "logits", "*sparse*");
    }

    [TorchFact]
    public void Devices()
    {
        torch.Device meta = torch.META;
        Refused(
            () => ptx.cross_entropy(torch.zeros([2, 9], device: meta), torch.zeros([2], torch.int64, meta)), "logits", "*meta*");
        Refused(
            () => ptx.cross_entropy(_logits, torch.zeros([2, 3], torch.int64, meta)),
            "targets",
            "*targets is on the device meta, but logits is on cpu.*");
        Refused(() => ptx.token_log_probs(_logits, torch.zeros([2, 3], torch.int64, meta)), "ids");
        Refused(() => ptx.cross_entropy(_logits, _targets, token_weights: torch.ones([2, 3], device: meta)), "token_weights");
        Refused(() => ptx.linear_cross_entropy(_hidden, torch.zeros([Vocabulary, Size], device: meta), _targets), "weight");
        Refused(() => ptx.linear_cross_entropy(_hidden, _weight, _targets, torch.zeros([Vocabulary], device: meta)), "bias");
        Refused(() => ptx.loss(torch.zeros([], device: meta), _logits, _targets, 1), "rl_loss");
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Values(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        Tensor targets = torch.zeros([2, 3], torch.int64), weights = torch.ones(2, 3);
        targets[1, 2] = torch.tensor(9L);
        weights[1, 0] = torch.tensor(-1f);

        Refused<ArgumentOutOfRangeException>(
            () => ptx.cross_entropy(_logits, targets), "targets", "*targets[1, 2] is 9, which is outside [0, 9)*");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.cross_entropy(_logits, targets, new() { ShiftTargets = true }), "targets", "*targets[1, 2] is 9*");
        Refused<ArgumentOutOfRangeException>(() => ptx.token_log_probs(_logits, targets), "ids", "*ids[1, 2] is 9*");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.linear_cross_entropy(_hidden, _weight, targets), "targets", "*targets[1, 2] is 9*");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.linear_token_log_probs(_hidden, _weight, targets), "ids", "*ids[1, 2] is 9*");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.cross_entropy(_logits, _targets, token_weights: weights), "token_weights", "*token_weights[3] is -1*");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.linear_cross_entropy(_hidden, _weight, _targets, token_weights: weights), "token_weights");
        Refused<ArgumentOutOfRangeException>(() => ptx.loss(_rl, _logits, _targets, double.NaN), "ptx_coefficient");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.linear_loss(_rl, _hidden, _weight, _targets, double.PositiveInfinity), "ptx_coefficient");
        Refused<ArgumentOutOfRangeException>(
            () => ptx.cross_entropy(_logits, torch.full([2, 3], -100L), new() { IgnoreIndex = null }), "targets", "*-100*");
    }

    [TorchTheory]
    [MemberData(nameof(Ways))]
    public void Options(bool byOperators)
    {
        Route.IsForcedToOperators = byOperators;
        RefusedByAll(new() { VocabularyStart = 0 }, "VocabularyStart");
        RefusedByAll(new() { LabelSmoothing = 1 }, "LabelSmoothing");
        RefusedByAll(new() { LogitScale = 0 }, "LogitScale");
        RefusedByAll(new() { MaxDegreeOfParallelism = 0 }, "MaxDegreeOfParallelism");
        RefusedByAll(new() { AccumulateGradient = true }, "AccumulateGradient");
        RefusedByLosses(new() { Denominator = 0 }, "Denominator");
        RefusedByLosses(new() { Denominator = 2, Reduction = LossReduction.Sum }, "Denominator");
        RefusedPerToken(new() { LabelSmoothing = 0.1 }, "LabelSmoothing");
        RefusedPerToken(new() { ZLossCoefficient = 0.1 }, "ZLossCoefficient");
        RefusedPerToken(new() { Reduction = LossReduction.Sum }, "Reduction");
        RefusedPerToken(new() { Denominator = 3 }, "Denominator");
        RefusedPerToken(new() { Statistics = LossStatistics.Entropy }, "Statistics");
        RefusedPerToken(new() { TargetWeighting = TargetWeighting.Probability }, "TargetWeighting");

        // Where no gradient is written, nothing is added to one.
        var accumulating = new PtxLossOptions { AccumulateGradient = true };
        ptx.cross_entropy(_logits.detach(), _targets, accumulating);
        ptx.linear_token_log_probs(_hidden.detach(), _weight, _targets, options: accumulating);
    }

    [TorchFact]
    public void No_room_for_a_token_from_hidden_states()
        => Refused(
            () => ptx.linear_cross_entropy(_hidden, _weight, _targets, options: new() { MaxScratchBytes = 1 }),
            "options",
            "*MaxScratchBytes*");

    private void RefusedByAll(PtxLossOptions options, string name)
    {
        RefusedByLosses(options, name);
        RefusedPerToken(options, name);
    }

    private void RefusedByLosses(PtxLossOptions options, string name)
    {
        string message = $"*options.{name} is *";
        Refused(() => ptx.loss(_rl, _logits, _targets, 1, options), "options", message);
        Refused(() => ptx.cross_entropy(_logits, _targets, options), "options", message);
        Refused(() => ptx.linear_loss(_rl, _hidden, _weight, _targets, 1, _bias, options), "options", message);
        Refused(() => ptx.linear_cross_entropy(_hidden, _weight, _targets, _bias, options), "options", message);
    }

    private void RefusedPerToken(PtxLossOptions options, string name)
    {
        string message = $"*options.{name} is *";
        Refused(() => ptx.token_log_probs(_logits, _targets, options), "options", message);
        Refused(() => ptx.linear_token_log_probs(_hidden, _weight, _targets, _bias, options), "options", message);
    }

    private static void Refused(Func<object> call, string parameter, string message = "*")
        => Refused<ArgumentException>(call, parameter, message);

    private static void Refused<TException>(Func<object> call, string parameter, string message = "*")
        where TException : ArgumentException
        => call.Should().Throw<TException>().WithParameterName(parameter).WithMessage(message);
}
