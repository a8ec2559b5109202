namespace PtxLosses.Tests;

/// <summary>No read or write outside the spans, at either end, for any length of a row: it would end the test process.</summary>
public class GuardPageTests
{
    public static TheoryData<string> Kernels => KernelTests.Kernels;

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernels_stay_inside(string name)
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        SoftmaxKernel<float> kernel = KernelTests.Find(name);
        foreach (int length in Lengths())
        {
            float[] values = TestData.Logits(length, seed: length);
            foreach (bool atEnd in new[] { false, true })
            {
                using var logits = new GuardedMemory<float>(values, atEnd);
                using var gradient = new GuardedMemory<float>(values, atEnd);
                using var runs = new GuardedMemory<Run>(kernel.MakeRuns(length), atEnd);

                kernel.Reduce(logits.Span, RowStatistics.Entropy | RowStatistics.ArgMax, 0, out _);
                foreach (bool streams in new[] { true, false })
                {
                    kernel.WriteGradient(new()
                    {
                        Row = logits.Span,
                        Gradient = gradient.Span,
                        Reference = 3,
                        Factor = 1,
                        Transform = LogitTransform.Identity,
                        Method = streams ? GradientMethod.NonTemporal : GradientMethod.Recompute,
                    });
                    kernel.WriteGradient(logits.Span, gradient.Span, 1, streams, runs.Span);
                }

                kernel.WriteGradient(logits.Span, logits.Span, 1, streams: false, runs.Span);
            }
        }
    }

    /// <summary>What changes how a call reads or writes.</summary>
    private static readonly (string Name, Func<CallDraw, CallDraw> Of)[] _variations =
    [
        ("plain", call => call),
        ("in place", call => call with { IsInPlace = true }),
        ("smoothed", call => call with { LabelSmoothing = 0.1 }),
        ("capped", call => call with { LogitSoftCap = 30 }),
        ("capped, in place", call => call with { LogitSoftCap = 30, IsInPlace = true }),
        ("accumulated", call => call with { Accumulates = true }),
        ("weighed, with a z-loss", call => call with { HasWeights = true, ZLossCoefficient = 1e-4, Accumulates = true }),
        ("masked", call => call with { HasMasks = true, LabelSmoothing = 0.1 }),
        ("one that is no number", call => call with { Special = float.NaN }),
        ("a shard", call => call with { VocabularyStart = 20 }),
        ("shifted, of three dimensions",
            call => call with { Shifts = true, Rank = 3, Batch = 2, Sequence = 2, HasWeights = true }),
        ("log-sum-exps only", call => call with { Outputs = 2 }),
        ("weighed by its target",
            call => call with
            {
                Weighting = TargetWeighting.Probability,
                Statistics = LossStatistics.Accuracy | LossStatistics.Entropy,
            }),
        ("soft", call => call with { IdsPerToken = 13, HasWeights = true }),
        ("soft, in place",
            call => call with
            {
                IdsPerToken = 1,
                IsInPlace = true,
                ZLossCoefficient = 1e-4,
                Statistics = LossStatistics.Entropy,
            }),
        ("soft, with more ids than the stack has room for", call => call with { IdsPerToken = 1030, Accumulates = true }),
        ("soft, on all cores", call => call with { IdsPerToken = 70, Threads = -1, VocabularySize = 13 * call.VocabularySize }),
        ("all cores", call => call with { Threads = -1, VocabularySize = 13 * call.VocabularySize }),
    ];

    public static TheoryData<Entry, string> Entries
    {
        get
        {
            var data = new TheoryData<Entry, string>();
            foreach (Entry entry in Enum.GetValues<Entry>())
            {
                foreach (string element in new[] { "float", "double", "half", "bfloat16" })
                {
                    data.Add(entry, element);
                }
            }

            return data;
        }
    }

    /// <summary>
    /// Nor a write to what is only read, nor a read of the logits of tokens that count nowhere. What is right all the same is
    /// judged by the way.
    /// </summary>
    [Theory]
    [MemberData(nameof(Entries))]
    public void Every_call_stays_inside(Entry entry, string element)
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        foreach ((string name, Func<CallDraw, CallDraw> of) in _variations)
        {
            foreach (int vocabularySize in new[] { 1, 7, 257, 1025, 5003 })
            {
                int seed = name.Length + vocabularySize;
                var drawn = new CallDraw(entry, element, "long", vocabularySize, seed) { Sequence = 5 };
                foreach (bool atEnd in new[] { false, true })
                {
                    using var memories = new GuardedMemories(atEnd);
                    var call = LogitCall.Of(of(drawn).Valid(), memories);
                    call.Run();
                    call.Judge();
                }
            }
        }
    }

    /// <summary>Tokens, hidden size and vocabulary of calls from hidden states.</summary>
    private static readonly (int, int, int)[] _heads =
    [
        (1, 2, 2),
        (13, 17, 33),
        (25, 400, 65),
        (7, 64, 1003),
        (6, 2500, 40), // some pages for each hidden state: those that do not count are not read
    ];

    private static readonly (string Name, Func<HeadDraw, HeadDraw> Of)[] _headVariations =
    [
        ("plain", call => call),
        ("all cores", call => call with { Threads = -1, HasBias = true }),
        ("one token at a time", call => call with { TokensAtATime = 1, Gap = 3 }),
        ("with options", call => call with
        {
            HasBias = true,
            HasWeights = true,
            LabelSmoothing = 0.1,
            LogitSoftCap = 30,
            ZLossCoefficient = 1e-4,
            Accumulates = true,
            Weighting = TargetWeighting.Probability,
            Statistics = LossStatistics.Accuracy | LossStatistics.Entropy,
        }),
        ("soft", call => call with { IdsPerToken = 13, HasWeights = true, Gap = 3 }),
        ("a shard", call => call with { IsShard = true, HasBias = true, HasMasks = true, Gap = 3, Accumulates = true }),
        ("one gradient", call => call with { Gradients = 1 << (call.VocabularySize % 3), Outputs = 2 }),
    ];

    public static TheoryData<HeadEntry, string> HeadEntries
    {
        get
        {
            var data = new TheoryData<HeadEntry, string>();
            foreach (HeadEntry entry in Enum.GetValues<HeadEntry>())
            {
                foreach (string element in new[] { "float", "half", "bfloat16" })
                {
                    data.Add(entry, element);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(HeadEntries))]
    public void Every_call_from_hidden_states_stays_inside(HeadEntry entry, string element)
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        foreach ((string name, Func<HeadDraw, HeadDraw> of) in _headVariations)
        {
            foreach ((int tokens, int hiddenSize, int vocabularySize) in _heads)
            {
                var drawn = new HeadDraw(entry, element, tokens, hiddenSize, vocabularySize, Seed: name.Length + vocabularySize);
                foreach (bool atEnd in new[] { false, true })
                {
                    using var memories = new GuardedMemories(atEnd);
                    var call = HeadCall.Of(of(drawn).Valid(), memories);
                    call.Run();
                    call.Judge();
                }
            }
        }
    }

    private static IEnumerable<int> Lengths()
        => Enumerable.Range(1, 258).Concat([1023, 1024, 1025, 1039, 2047, 2048, 2049, 4095, 5003, 32_768, 32_769, 50_257]);
}
