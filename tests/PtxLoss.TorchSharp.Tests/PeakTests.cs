using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>
/// A gradient of the size of the logits, 51 MB, is in memory no longer than torch itself would keep it: not for the rest of the
/// backward pass, and not behind it.
/// </summary>
public class PeakTests : TorchTest
{
    private const long Tokens = 256, Vocabulary = 50_304, Size = 16, Bytes = Tokens * Vocabulary * 4;

    public static TheoryData<string> Losses => ["logits", "in place", "tokens", "linear", "linear tokens"];

    [TorchTheory]
    [MemberData(nameof(Losses))]
    public void The_rest_of_the_backward_pass_has_its_memory(string name)
    {
        long ofTorch = Measured("torch"), ofOurs = Measured(name);

        (ofOurs - ofTorch).Should().BeLessThan(Bytes / 4);

        // What a step holds once the backward pass is through with the output layer.
        long Measured(string which)
        {
            using DisposeScope scope = torch.NewDisposeScope();
            (Tensor states, Tensor weight, Tensor targets) = Model();
            Step(which, Probe.apply(states), weight, targets).Dispose();
            long before = Idle();
            Step(which, Probe.apply(states), weight, targets).Dispose();
            return Probe.Held - before;
        }
    }

    [TorchTheory]
    [MemberData(nameof(Losses))]
    public void Nothing_waits_for_the_next_call(string name)
    {
        (Tensor states, Tensor weight, Tensor targets) = Model();
        Step(name, states, weight, targets).Dispose();
        long before = Idle();

        Step(name, states, weight, targets).Dispose();

        (ProcessMemory.Held() - before).Should().BeLessThan(Bytes / 4, "before any garbage is collected");
    }

    [TorchTheory]
    [MemberData(nameof(Losses))]
    public void Nothing_outlives_the_scope_of_a_gradient_that_was_asked_for(string name)
    {
        (Tensor states, Tensor weight, Tensor targets) = Model();
        Ask();
        long before = Idle();

        Ask();

        (ProcessMemory.Held() - before).Should().BeLessThan(Bytes * 3 / 4, "but for managed garbage");

        // Then no other node of the graph is visited.
        void Ask()
        {
            using DisposeScope scope = torch.NewDisposeScope();
            Tensor logits = F.linear(states, weight), loss = Loss(name, logits, states, weight, targets);
            torch.autograd.grad([loss], [name.StartsWith("linear", StringComparison.Ordinal) ? weight : logits]);
        }
    }

    /// <summary>What is held when nothing waits, whatever a step before has left.</summary>
    private static long Idle()
    {
        Returned.DisposeEarlier();
        return ProcessMemory.Resident();
    }

    private (Tensor States, Tensor Weight, Tensor Targets) Model() => (
        Normal(torch.float32, Tokens, Size).requires_grad_(),
        (Normal(torch.float32, Vocabulary, Size) / 4).detach().requires_grad_(),
        Ids(Vocabulary, Tokens));

    /// <summary>A forward and a backward pass that disposes what it makes, but for the loss.</summary>
    private static Tensor Step(string name, Tensor states, Tensor weight, Tensor targets)
    {
        using Tensor? logits = name.StartsWith("linear", StringComparison.Ordinal) ? null : F.linear(states, weight);
        Tensor loss = Loss(name, logits, states, weight, targets);
        loss.backward();
        weight.grad!.Dispose();
        weight.grad = null;
        return loss;
    }

    private static Tensor Loss(string name, Tensor? logits, Tensor states, Tensor weight, Tensor targets)
    {
        switch (name)
        {
            case "torch":
                return F.cross_entropy(logits!, targets);
            case "logits" or "in place":
                return ptx.cross_entropy(logits!, targets, inplace: name == "in place");
            case "linear":
                return ptx.linear_cross_entropy(states, weight, targets);
            default:
                (Tensor logProbabilities, Tensor entropy) = name == "tokens"
                    ? ptx.token_log_probs(logits!, targets) : ptx.linear_token_log_probs(states, weight, targets);
                using (logProbabilities)
                using (entropy)
                using (Tensor both = logProbabilities.add(entropy))
                {
                    return both.sum();
                }
        }
    }

    /// <summary>A layer below the output layer: its backward pass comes behind that of the output layer, and looks at the memory.</summary>
    private sealed class Probe : torch.autograd.SingleTensorFunction<Probe>
    {
        public static long Held { get; private set; }

        public override string Name => nameof(Probe);

        public override Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).clone();

        public override List<Tensor?> backward(torch.autograd.AutogradContext ctx, Tensor grad_output)
        {
            Held = ProcessMemory.Held();
            return [grad_output];
        }
    }
}
