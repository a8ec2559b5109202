using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>
/// <see cref="Thread.Interrupt"/> at any time of a call: it ends as ever, the interrupt comes at the thread's next wait, and no
/// thread touches the call's memory any more, which is taken away as soon as the call is over.
/// </summary>
public unsafe class InterruptTests
{
    private const int Rows = 16, RowLength = 60_000, LongRows = 2, LongRowLength = 300_000, HeadRowLength = 20_000;
    private const int HiddenSize = 7;

    /// <summary>
    /// How often each call is interrupted; without an instruction set fewer times, for nothing of it depends on one.
    /// </summary>
    private static readonly int _times = InstructionSetTests.IsChild ? 50 : 1000;

    /// <summary>What a call reads and writes.</summary>
    private sealed record Arena(
        GuardedMemory<float> Logits, GuardedMemory<float> Gradient, GuardedMemory<int> Targets, GuardedMemory<double> Outputs)
        : IDisposable
    {
        public void Take() => Each(memory => memory.MakeInaccessible());

        public void GiveBack() => Each(memory => memory.MakeWritable());

        public void Dispose() => Each(memory => memory.Free());

        private void Each(Action<IPages> action)
        {
            action(Logits);
            action(Gradient);
            action(Targets);
            action(Outputs);
        }
    }

    private static readonly Dictionary<string, Func<Arena, int, int, double>> _calls = new(StringComparer.Ordinal)
    {
        ["Compute"] = (x, _, vocabulary) => PtxLoss.Compute(
            0, (ReadOnlySpan<float>)x.Logits.Span, x.Targets.Span, vocabulary, 1).Total,
        ["ComputeWithGradient"] = (x, _, vocabulary) => Sum(
            PtxLoss.ComputeWithGradient(
                0, (ReadOnlySpan<float>)x.Logits.Span, x.Targets.Span, vocabulary, 1, x.Gradient.Span).Total,
            x),
        ["ComputeWithGradient over tensors"] = (x, tokens, vocabulary) => Sum(
            PtxLoss.ComputeWithGradient(
                0,
                new ReadOnlyTensorSpan<float>(x.Logits.Span, [tokens, vocabulary], []),
                new ReadOnlyTensorSpan<int>(x.Targets.Span, [tokens], []),
                1,
                new TensorSpan<float>(x.Gradient.Span, [tokens, vocabulary], [])).Total,
            x),
        ["Forward"] = (x, tokens, vocabulary) =>
        {
            CrossEntropy.Forward<float, int>(x.Logits.Span, x.Targets.Span, vocabulary, new() { Loss = x.Outputs.Span });
            return TensorPrimitives.Sum<double>(x.Outputs.Span);
        },
        ["Backward"] = (x, tokens, vocabulary) =>
        {
            x.Outputs.Span.Fill(3);
            CrossEntropy.Backward<float, int>(
                x.Logits.Span,
                x.Targets.Span,
                vocabulary,
                new() { LogSumExp = x.Outputs.Span },
                new() { Loss = x.Outputs.Span },
                x.Gradient.Span);
            return Sum(0, x);
        },
        ["ComputeWithGradient of soft targets"] = (x, tokens, vocabulary) => Sum(
            PtxLoss.ComputeWithGradient(
                0,
                (ReadOnlySpan<float>)x.Logits.Span,
                new SoftTargets<int>(x.Targets.Span, _probabilities.AsSpan(0, tokens), 1),
                vocabulary,
                1,
                x.Gradient.Span,
                new() { Statistics = LossStatistics.Entropy }).Total,
            x),
        ["ComputeWithGradient with a weighting and statistics"] = (x, tokens, vocabulary) => Sum(
            PtxLoss.ComputeWithGradient(
                0,
                (ReadOnlySpan<float>)x.Logits.Span,
                x.Targets.Span,
                vocabulary,
                1,
                x.Gradient.Span,
                new()
                {
                    TargetWeighting = TargetWeighting.Probability,
                    Statistics = LossStatistics.Accuracy | LossStatistics.Entropy,
                }).Total,
            x),
        ["ComputeFromHiddenWithGradient"] = (x, tokens, vocabulary) => Sum(
            PtxLoss.ComputeFromHiddenWithGradient<float, int>(
                0,
                Hidden(x.Logits, tokens),
                Weight(x.Logits, tokens, vocabulary),
                x.Targets.Span,
                1,
                Gradients(x, tokens, vocabulary)).Total,
            x),
        ["ForwardFromHidden"] = (x, tokens, vocabulary) =>
        {
            CrossEntropy.ForwardFromHidden<float, int>(
                Hidden(x.Logits, tokens),
                Weight(x.Logits, tokens, vocabulary),
                x.Targets.Span,
                new() { Entropy = x.Outputs.Span });
            return TensorPrimitives.Sum<double>(x.Outputs.Span);
        },
        ["BackwardFromHidden"] = (x, tokens, vocabulary) =>
        {
            x.Outputs.Span.Fill(12);
            CrossEntropy.BackwardFromHidden<float, int>(
                Hidden(x.Logits, tokens),
                Weight(x.Logits, tokens, vocabulary),
                x.Targets.Span,
                new() { LogSumExp = x.Outputs.Span, Entropy = x.Outputs.Span },
                new() { Loss = x.Outputs.Span, Entropy = x.Outputs.Span },
                Gradients(x, tokens, vocabulary));
            return Sum(0, x);
        },
    };

    private static readonly float[] _probabilities = [.. Enumerable.Repeat(0.5f, Rows)];

    // The states are the first of the logits, the weight those behind, and the gradients lie likewise.
    private static TensorSpan<float> Hidden(GuardedMemory<float> memory, int tokens)
        => new(memory.Span[..(tokens * HiddenSize)], [tokens, HiddenSize], []);

    private static TensorSpan<float> Weight(GuardedMemory<float> memory, int tokens, int vocabulary)
        => new(memory.Span.Slice(tokens * HiddenSize, vocabulary * HiddenSize), [vocabulary, HiddenSize], []);

    private static HiddenGradients<float> Gradients(Arena x, int tokens, int vocabulary)
        => new() { Hidden = Hidden(x.Gradient, tokens), Weight = Weight(x.Gradient, tokens, vocabulary) };

    public static TheoryData<string, int, int> Calls
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (string call in _calls.Keys)
            {
                if (call.Contains("Hidden", StringComparison.Ordinal))
                {
                    data.Add(call, Rows, HeadRowLength);
                    continue;
                }

                data.Add(call, Rows, RowLength);
                data.Add(call, LongRows, LongRowLength);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public void An_interrupted_call_ends_as_ever_and_lets_go_of_its_memory(string name, int tokens, int vocabularySize)
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        Func<Arena, int, int, double> call = _calls[name];
        using var arena = new Arena(
            new(TestData.Logits(tokens * vocabularySize, seed: 1), atEnd: true),
            new(new float[tokens * vocabularySize], atEnd: true),
            new(TestData.Targets(tokens, vocabularySize, seed: 2), atEnd: true),
            new(new double[tokens], atEnd: true));
        double expected = call(arena, tokens, vocabularySize);
        int begun = 0, interrupted = 0;
        var results = new List<double>();
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                for (int i = 0; i < _times; i++)
                {
                    arena.GiveBack();
                    Volatile.Write(ref begun, i + 1);
                    results.Add(call(arena, tokens, vocabularySize));
                    arena.Take();
                    try
                    {
                        Thread.Sleep(Timeout.Infinite);
                    }
                    catch (ThreadInterruptedException)
                    {
                        interrupted++;
                    }
                }
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        thread.Start();
        var random = new Random(1);
        for (int i = 0; i < _times && thread.IsAlive; i++)
        {
            SpinWait.SpinUntil(() => Volatile.Read(ref begun) > i || !thread.IsAlive);
            Thread.SpinWait(random.Next(2) * random.Next(3000));
            thread.Interrupt();
        }

        thread.Join();
        failure.Should().BeNull();
        interrupted.Should().Be(_times);
        results.Should().AllSatisfy(result => result.ShouldBeIdentical(expected));
    }

    private static double Sum(double total, Arena arena) => total + TensorPrimitives.Sum<float>(arena.Gradient.Span);
}
