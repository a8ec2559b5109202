using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>
/// Any options together, on any element type, by any kernel, on any number of threads, in place or not, against the reference.
/// FsCheck draws the cases, shrinks those that fail and prints their seed.
/// </summary>
public class OptionPropertyTests
{
    /// <summary>A drawn case; its text is what a failure prints, and all that it takes to repeat it.</summary>
    public sealed record Draw(string Element, int Kernel, int Tokens, int VocabularySize, int Seed)
    {
        public double Spread { get; init; } = 3;
        public double Offset { get; init; }
        public bool HasMasks { get; init; }

        /// <summary>How many logits of each row are masked in front.</summary>
        public int MaskedPrefix { get; init; }
        public double Coefficient { get; init; } = 1;
        public double LabelSmoothing { get; init; }
        public double ZLossCoefficient { get; init; }
        public double LogitSoftCap { get; init; }
        public double LogitScale { get; init; } = 1;
        public bool HasWeights { get; init; }
        public LossReduction Reduction { get; init; }
        public double? Denominator { get; init; }
        public TargetWeighting Weighting { get; init; }
        public LossStatistics Statistics { get; init; }
        public int IdsPerToken { get; init; }
        public bool Accumulates { get; init; }
        public bool IsInPlace { get; init; }
        public int Threads { get; init; } = 1;

        public bool IsFarOut => Drawn.IsFarOut(Spread, Offset, LogitSoftCap, LogitScale, Coefficient);

        public double[] Logits(double largest)
        {
            var random = new Random(Seed);
            double[] logits = [.. TestData.Logits(Tokens * VocabularySize, Seed, Spread, Offset).Select(x => Finite(x))];
            return [.. logits.Select(
                (x, i) => i % VocabularySize < MaskedPrefix || (HasMasks && random.Next(8) == 0) ? double.NegativeInfinity : x)];

            double Finite(double x) => Math.Clamp(x, -largest, largest);
        }

        public int[] Targets()
        {
            var random = new Random(Seed + 1);
            if (IdsPerToken > 0)
            {
                return [.. SoftDraw.Ids(random, Tokens, IdsPerToken, VocabularySize, Ignored).Select(id => (int)id)];
            }

            return [.. TestData.Targets(Tokens, VocabularySize, Seed + 2).Select(
                target => random.Next(6) == 0 ? Ignored : target)];
        }

        public float[] Probabilities(int[] ids, double[] logits) => IdsPerToken == 0
            ? []
            : SoftDraw.Probabilities(
                new Random(Seed + 5),
                [.. ids.Select(id => (long)id)],
                IdsPerToken,
                Ignored,
                (token, id) => double.IsNegativeInfinity(logits[(token * VocabularySize) + id]));

        /// <summary>Without the options that soft targets refuse.</summary>
        public Draw Valid() => IdsPerToken == 0 ? this : this with
        {
            LabelSmoothing = 0,
            Weighting = TargetWeighting.Uniform,
            Statistics = Statistics & ~LossStatistics.Accuracy,
        };

        public PtxLossOptions Options() => new()
        {
            LabelSmoothing = LabelSmoothing,
            ZLossCoefficient = ZLossCoefficient,
            LogitSoftCap = LogitSoftCap,
            LogitScale = LogitScale,
            Reduction = Reduction,
            Denominator = Denominator,
            TargetWeighting = Weighting,
            Statistics = Statistics,
            AccumulateGradient = Accumulates,
            MaxDegreeOfParallelism = 1,
        };

        public float[] Weights()
        {
            if (!HasWeights)
            {
                return [];
            }

            var random = new Random(Seed + 3);
            return [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(4) == 0 ? 0 : 3 * random.NextSingle())];
        }
    }

    private const int Ignored = -100;

    [Fact]
    public void Every_case_matches_the_reference_and_has_the_same_bits_on_more_threads_and_in_place()
        => Check.One(Drawn.Times(300), Prop.ForAll(Arb.From(Cases(), Shrink), Holds));

    internal static void Holds(Draw drawn) => ElementNames.Run(drawn.Element, new Property(drawn));

    private sealed record Property(Draw Drawn) : IElementCase<bool>
    {
        public bool Run<TElement>()
            where TElement : unmanaged
        {
            Holds<TElement>(Drawn);
            return true;
        }
    }

    private static void Holds<TLogit>(Draw drawn)
        where TLogit : unmanaged
    {
        IReadOnlyList<SoftmaxKernel<TLogit>> kernels = SoftmaxKernels.Available<TLogit>();
        SoftmaxKernel<TLogit> kernel = kernels[drawn.Kernel % kernels.Count];
        Bounds bounds = Bounds.Of<TLogit>();
        TLogit[] logits = [.. drawn.Logits(Math.Min(bounds.Largest, float.MaxValue)).Select(ElementConvert.FromDouble<TLogit>)];
        TLogit[] initial = TestData.EarlierGradient<TLogit>(logits.Length, drawn.Seed + 4);
        int[] targets = drawn.Targets();
        double[] exact = [.. logits.Select(ElementConvert.ToDouble)];
        float[] weights = drawn.Weights(), probabilities = drawn.Probabilities(targets, exact);
        PtxLossOptions options = drawn.Options();

        TLogit[] gradient = [.. initial];
        PtxLossResult result = Run(logits, gradient, options);
        TLogit[] other = drawn.IsInPlace ? [.. logits] : [.. initial];
        Run(drawn.IsInPlace ? other : logits, other, options with { MaxDegreeOfParallelism = drawn.Threads }).Should().Be(result);
        other.AsSpan().SequenceEqual(gradient.AsSpan(), BitsComparer<TLogit>.Instance).Should().BeTrue(
            "results must not differ in a bit");

        ScalarReference expected = ScalarReference.Compute<double, int>(
            0, exact, targets, drawn.VocabularySize, drawn.Coefficient, options, weights, 0, probabilities, drawn.IdsPerToken);
        double doubtful = Bounds.DoubtfulAccuracy(exact, drawn.VocabularySize, token => IdsOf(token)[0], WeightOf, options);
        bounds.CheckLosses(result, expected, drawn.Coefficient, options, ShareOf, doubtful);
        bounds.CheckGradient(
            [.. gradient.Select(ElementConvert.ToDouble)],
            drawn.Accumulates
                ? [.. expected.Gradient.Zip(initial, (added, x) => ElementConvert.ToDouble(x) + added)]
                : expected.Gradient,
            i =>
            {
                (int token, int id) = Math.DivRem(i, drawn.VocabularySize);
                double size = Math.Abs(expected.Gradient[i])
                    + (drawn.Accumulates ? Math.Abs(ElementConvert.ToDouble(initial[i])) : 0);
                return bounds.OfGradient(
                    exact[i],
                    IdsOf(token).Contains(id),
                    expected.LogSumExp[token],
                    expected.GradientScale * WeightOf(token),
                    size,
                    drawn.VocabularySize,
                    options,
                    share: ShareOf(token));
            });

        PtxLossResult Run(TLogit[] from, TLogit[] to, PtxLossOptions by)
            => BatchPassCalls.Run(kernel, from, targets, drawn.Coefficient, to, by, weights, probabilities, drawn.IdsPerToken);

        double WeightOf(int token) => drawn.HasWeights ? weights[token] : 1;

        ReadOnlySpan<int> IdsOf(int token)
            => targets.AsSpan(token * Math.Max(1, drawn.IdsPerToken), Math.Max(1, drawn.IdsPerToken));

        TargetShare ShareOf(int token) => bounds.ShareOf(expected, token, options, drawn.IdsPerToken == 0 ? 1 : Sum(token));

        double Sum(int token)
            => probabilities.AsSpan(token * drawn.IdsPerToken, drawn.IdsPerToken).ToArray().Where(q => !float.IsNaN(q))
            .Sum(q => (double)q);
    }

    internal static Gen<Draw> Cases()
        => from element in Drawn.Element
           from kernel in Gen.Choose(0, 3)
           from tokens in Gen.Choose(1, 6)
           from vocabularySize in Gen.Frequency(
               (5, Gen.Choose(1, 40)), (5, Gen.Choose(41, 3000)), (2, Gen.Choose(20_000, 70_000)))
           from seed in Gen.Choose(0, 1_000_000)
           from spread in Drawn.Spread
           from offset in Drawn.Offset
           from prefix in Drawn.MaskedPrefix
           from coefficient in Drawn.Coefficient
           from smoothing in Drawn.LabelSmoothing
           from zLoss in Drawn.ZLossCoefficient
           from cap in Drawn.LogitSoftCap
           from scale in Drawn.LogitScale
           from divisor in Drawn.ReductionAndDenominator
           from weighting in Drawn.Weighting
           from statistics in Drawn.Statistics
           from idsPerToken in Drawn.IdsPerToken
           from threads in Drawn.Threads
           from flags in Gen.Choose(0, 15)
           select new Draw(element, kernel, tokens, vocabularySize, seed)
           {
               Spread = spread,
               Offset = offset,
               MaskedPrefix = prefix,
               Coefficient = coefficient,
               LabelSmoothing = smoothing,
               ZLossCoefficient = zLoss,
               LogitSoftCap = cap,
               LogitScale = scale,
               Reduction = divisor.Item1,
               Denominator = divisor.Item2,
               Weighting = weighting,
               Statistics = statistics,
               IdsPerToken = idsPerToken,
               Threads = threads,
               HasMasks = (flags & 1) != 0,
               HasWeights = (flags & 2) != 0,
               Accumulates = (flags & 4) != 0,
               IsInPlace = (flags & 12) == 8,
           }.Valid();

    /// <summary>Each option off in turn, then fewer tokens and ids.</summary>
    private static IEnumerable<Draw> Shrink(Draw failed)
    {
        Draw[] simpler =
        [
            failed with { Element = "double" },
            failed with { Kernel = 0 },
            failed with { HasMasks = false },
            failed with { MaskedPrefix = 0 },
            failed with { HasWeights = false },
            failed with { LabelSmoothing = 0 },
            failed with { Weighting = TargetWeighting.Uniform },
            failed with { Statistics = LossStatistics.None },
            failed with { IdsPerToken = failed.IdsPerToken / 2 },
            failed with { ZLossCoefficient = 0 },
            failed with { LogitSoftCap = 0 },
            failed with { LogitScale = 1 },
            failed with { Accumulates = false },
            failed with { IsInPlace = false },
            failed with { Threads = 1 },
            failed with { Reduction = LossReduction.Sum, Denominator = null },
            failed with { Coefficient = 1 },
            failed with { Offset = 0 },
            failed with { Spread = 1 },
            failed with { Tokens = (failed.Tokens + 1) / 2 },
            failed with { Tokens = Math.Max(1, failed.Tokens - 1) },
            failed with { VocabularySize = (failed.VocabularySize + 1) / 2 },
            failed with { VocabularySize = Math.Max(1, failed.VocabularySize - 1) },
        ];
        return simpler.Where(candidate => candidate != failed);
    }

    private sealed class BitsComparer<TLogit> : IEqualityComparer<TLogit>
        where TLogit : unmanaged
    {
        public static BitsComparer<TLogit> Instance { get; } = new();

        public bool Equals(TLogit x, TLogit y)
            => Bits(x) == Bits(y);

        public int GetHashCode(TLogit obj) => Bits(obj).GetHashCode();

        /// <summary>Which NaN it is, where there are several, is not promised.</summary>
        private static long Bits(TLogit value)
            => BitConverter.DoubleToInt64Bits(ElementConvert.ToDouble(value) is var x && double.IsNaN(x) ? double.NaN : x);
    }
}
