using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

/// <summary>Nothing piles up: neither handles nor memory.</summary>
public sealed class LifetimeTests : IDisposable
{
    private const int Steps = 1000, Tokens = 16, Vocabulary = 2048, Size = 8; // logits and their gradient are 128 KB each

    private readonly Tensor _hidden = torch.randn(Tokens, Size).DetachFromDisposeScope().requires_grad_();
    private readonly Tensor _weight = torch.randn(Vocabulary, Size).DetachFromDisposeScope().requires_grad_();
    private readonly Tensor _targets = torch.randint(0, Vocabulary, [Tokens]).DetachFromDisposeScope();
    private readonly Tensor _logits = torch.randn(Tokens, Vocabulary).DetachFromDisposeScope().requires_grad_();

    public static TheoryData<string> Lives => ["backward", "no backward", "disposed early", "in place", "linear", "tokens", "linear tokens", "kept losses", "failing"];

    public void Dispose()
    {
        _hidden.Dispose();
        _weight.Dispose();
        _targets.Dispose();
        _logits.Dispose();
    }

    [TorchTheory]
    [MemberData(nameof(Lives))]
    public void Within_scopes(string life)
    {
        var kept = new List<Tensor>();
        CheckFlat(life == "kept losses", () =>
        {
            using var scope = torch.NewDisposeScope();
            foreach (Tensor tensor in Step(life))
            {
                if (life == "kept losses")
                {
                    kept.Add(tensor.MoveToOuterDisposeScope());
                }
            }
        });
        kept.ForEach(tensor => tensor.Dispose());
    }

    [TorchTheory]
    [MemberData(nameof(Lives))]
    public void Without_scopes(string life)
    {
        var kept = new List<Tensor>();
        CheckFlat(life == "kept losses", () =>
        {
            foreach (Tensor tensor in Step(life))
            {
                if (life == "kept losses")
                {
                    kept.Add(tensor);
                }
                else
                {
                    tensor.Dispose();
                }
            }
        });
        kept.ForEach(tensor => tensor.Dispose());
    }

    /// <summary>One step, which disposes all that it makes itself, but for what it returns.</summary>
    private Tensor[] Step(string life)
    {
        switch (life)
        {
            case "in place":
                using (Tensor logits = F.linear(_hidden, _weight))
                {
                    Tensor loss = ptx.cross_entropy(logits, _targets, inplace: true);
                    Backward(loss);
                    return [loss];
                }

            case "linear":
                {
                    Tensor loss = ptx.linear_cross_entropy(_hidden, _weight, _targets);
                    Backward(loss);
                    return [loss];
                }

            case "tokens" or "linear tokens":
                {
                    (Tensor logProbabilities, Tensor entropy) = life == "tokens" ? ptx.token_log_probs(_logits, _targets)
                        : ptx.linear_token_log_probs(_hidden, _weight, _targets);
                    using Tensor both = logProbabilities.add(entropy);
                    using Tensor sum = both.sum();
                    Backward(sum);
                    return [logProbabilities, entropy];
                }

            case "failing":
                FluentActions.Invoking(() => ptx.cross_entropy(_logits, _targets, new() { LabelSmoothing = 2 })).Should().Throw<ArgumentException>();
                return [];

            default:
                {
                    Tensor loss = ptx.cross_entropy(_logits, _targets);
                    if (life is "backward" or "kept losses")
                    {
                        Backward(loss);
                    }
                    else if (life == "disposed early")
                    {
                        using Tensor twice = loss.mul(loss);
                        loss.Dispose();
                        Backward(twice);
                    }

                    return [loss];
                }
        }
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

    /// <summary>Checks that neither the tensors nor the memory of the process grow: of a kept loss there are two handles.</summary>
    private static void CheckFlat(bool keepsLosses, Action step)
    {
        for (int i = 0; i < 50; i++)
        {
            step();
        }

        (long bytes, long handles) = (ProcessMemory.Resident(), Tensor.TotalCount);
        for (int i = 0; i < Steps; i++)
        {
            step();
        }

        // Before the garbage collector could help: whatever a step made is disposed.
        (Tensor.TotalCount - handles).Should().BeLessThan(keepsLosses ? (2 * Steps) + 10 : 10);
        (ProcessMemory.Resident() - bytes).Should().BeLessThan(24 << 20, "the gradients of all steps are 128 MB");
    }
}
