namespace PtxLosses.Torch.Tests;

/// <summary>Nothing piles up: neither handles nor memory.</summary>
public sealed class LifetimeTests : IDisposable
{
    private const int Steps = 1000, Tokens = 64, Vocabulary = 4160, HiddenTokens = 4, Size = 64;

    /// <summary>Of logits and of their gradient, and of the weight and of its: those of all steps would be more than 1 GB.</summary>
    private const int Bytes = Tokens * Vocabulary * 4;

    private readonly Tensor _hidden = torch.randn(HiddenTokens, Size).DetachFromDisposeScope().requires_grad_();
    private readonly Tensor _weight = torch.randn(Vocabulary, Size).DetachFromDisposeScope().requires_grad_();
    private readonly Tensor _targets = torch.randint(0, Vocabulary, [Tokens]).DetachFromDisposeScope();
    private readonly Tensor _hiddenTargets = torch.randint(0, Vocabulary, [HiddenTokens]).DetachFromDisposeScope();
    private readonly Tensor _logits = torch.randn(Tokens, Vocabulary).DetachFromDisposeScope().requires_grad_();

    /// <summary>What is computed, and what becomes of it.</summary>
    public static TheoryData<string, string> Lives
    {
        get
        {
            var lives = new TheoryData<string, string>
            {
                { "logits", "failing" }, { "logits", "kept" }, { "tokens", "kept" }, { "linear tokens", "backward" },
            };
            foreach (string name in new[] { "logits", "in place", "linear", "tokens" })
            {
                foreach (string life in new[] { "backward", "no backward", "disposed early" })
                {
                    lives.Add(name, life);
                }
            }

            return lives;
        }
    }

    public void Dispose()
    {
        _hidden.Dispose();
        _weight.Dispose();
        _targets.Dispose();
        _hiddenTargets.Dispose();
        _logits.Dispose();
    }

    [TorchTheory]
    [MemberData(nameof(Lives))]
    public void Within_scopes(string name, string life)
    {
        var kept = new List<Tensor>();
        CheckFlat(kept, () =>
        {
            using var scope = torch.NewDisposeScope();
            foreach (Tensor tensor in Step(name, life))
            {
                if (life == "kept")
                {
                    kept.Add(tensor.MoveToOuterDisposeScope());
                }
            }
        });
    }

    [TorchTheory]
    [MemberData(nameof(Lives))]
    public void Without_scopes(string name, string life)
    {
        var kept = new List<Tensor>();
        CheckFlat(kept, () =>
        {
            foreach (Tensor tensor in Step(name, life))
            {
                if (life == "kept")
                {
                    kept.Add(tensor);
                }
                else
                {
                    tensor.Dispose();
                }
            }
        });
    }

    /// <summary>One step, which disposes all that it makes itself, but for what it returns.</summary>
    private Tensor[] Step(string name, string life)
    {
        if (life == "failing")
        {
            FluentActions.Invoking(() => ptx.cross_entropy(_logits, _targets, new() { LabelSmoothing = 2 })).Should().Throw<ArgumentException>();
            return [];
        }

        using Tensor? output = name == "in place" ? _logits.neg() : null;
        Tensor[] made = name switch
        {
            "logits" => [ptx.cross_entropy(_logits, _targets)],
            "in place" => [ptx.cross_entropy(output!, _targets, inplace: true)],
            "linear" => [ptx.linear_cross_entropy(_hidden, _weight, _hiddenTargets)],
            "tokens" => Both(ptx.token_log_probs(_logits, _targets)),
            _ => Both(ptx.linear_token_log_probs(_hidden, _weight, _hiddenTargets)),
        };
        if (life == "no backward")
        {
            return made;
        }

        if (made.Length == 1 && life != "disposed early")
        {
            Backward(made[0]);
            return made;
        }

        using Tensor both = made[0].add(made[^1]);
        using Tensor sum = both.sum();
        if (life == "disposed early")
        {
            Array.ForEach(made, tensor => tensor.Dispose());
        }

        Backward(sum);
        return made;

        static Tensor[] Both((Tensor LogProbabilities, Tensor Entropy) values) => [values.LogProbabilities, values.Entropy];
    }

    private void Backward(Tensor loss)
    {
        loss.backward();
        foreach (Tensor leaf in new[] { _hidden, _weight, _logits })
        {
            leaf.grad?.Dispose();
            leaf.grad = null;
        }
    }

    /// <summary>Checks that neither the tensors nor the memory of the process grow, but for handles of what is kept.</summary>
    private static void CheckFlat(List<Tensor> kept, Action step)
    {
        for (int i = 0; i < 20; i++)
        {
            step();
        }

        (long bytes, long handles, int before) = (ProcessMemory.Resident(), Tensor.TotalCount, kept.Count);
        for (int i = 0; i < Steps; i++)
        {
            step();
        }

        // Before the garbage collector could help: whatever a step made is disposed. Nodes have a handle for each of their results.
        int results = kept.Count - before, releases = results == 0 ? 0 : Steps;
        (Tensor.TotalCount - handles).Should().BeLessThan((2 * results) + releases + 10);
        (ProcessMemory.Resident() - bytes).Should().BeLessThan(100L * Bytes, "the gradients of all steps are ten times as much");
        kept.ForEach(tensor => tensor.Dispose());
    }
}
