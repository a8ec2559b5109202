using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>What holds for every batch: FsCheck draws the batches, shrinks those that fail and prints their seed.</summary>
public class PropertyTests
{
    /// <summary>A drawn batch; its text is what a failure prints.</summary>
    public sealed record Batch(int VocabularySize, float[] Logits, int[] Targets)
    {
        public override string ToString()
            => $"{VocabularySize} ids, targets [{string.Join(", ", Targets)}], logits [{string.Join(", ", Logits)}]";

        public ReadOnlySpan<float> Row(int token) => Logits.AsSpan(token * VocabularySize, VocabularySize);

        public double Loss() => PtxLoss.Compute(0, Logits, Targets, VocabularySize, 1, _sum).Total;
    }

    private static readonly PtxLossOptions _sum = new() { Reduction = LossReduction.Sum };

    [Fact]
    public void A_shift_of_a_row_changes_nothing()
        => ForAllBatches(batch =>
        {
            // Shifts that float adds exactly: the logits are multiples of 1/64.
            double loss = batch.Loss();
            float[] shifted = [.. batch.Logits.Select((x, i) => x + (1024 * ((i / batch.VocabularySize) - 2)))];
            (batch with { Logits = shifted }).Loss().Should().BeApproximately(loss, 1e-6 * Math.Max(1, loss));
        });

    [Fact]
    public void A_permutation_of_the_vocabulary_changes_nothing()
        => ForAllBatches(batch =>
        {
            int[] from = [.. Enumerable.Range(0, batch.VocabularySize)];
            new Random(1).Shuffle(from);
            float[] logits = [.. Enumerable.Range(0, batch.Targets.Length).SelectMany(
                t => from.Select(id => batch.Logits[(t * from.Length) + id]))];
            int[] targets = [.. batch.Targets.Select(id => id < 0 ? id : Array.IndexOf(from, id))];
            double loss = batch.Loss();
            new Batch(batch.VocabularySize, logits, targets).Loss().Should().BeApproximately(loss, 1e-6 * Math.Max(1, loss));
        });

    [Fact]
    public void Gradient_rows_sum_to_0()
        => ForAllBatches(batch =>
        {
            float[] gradient = new float[batch.Logits.Length];
            PtxLoss.ComputeWithGradient(0, batch.Logits, batch.Targets, batch.VocabularySize, 1, gradient, _sum);
            for (int token = 0; token < batch.Targets.Length; token++)
            {
                (batch with { Logits = gradient }).Row(token).ToArray().Sum(x => (double)x).Should().BeApproximately(0, 1e-5);
            }
        });

    [Fact]
    public void A_split_has_the_loss_of_the_whole()
        => ForAllBatches(batch =>
        {
            int split = batch.Targets.Length / 3;
            var head = new Batch(batch.VocabularySize, batch.Logits[..(split * batch.VocabularySize)], batch.Targets[..split]);
            var tail = new Batch(batch.VocabularySize, batch.Logits[(split * batch.VocabularySize)..], batch.Targets[split..]);
            (head.Loss() + tail.Loss()).Should().BeApproximately(batch.Loss(), 1e-12 * Math.Max(1, batch.Loss()));
        });

    [Fact]
    public void Losses_are_not_negative_and_entropy_is_at_most_that_of_the_uniform_distribution()
        => ForAllBatches(batch =>
        {
            double[] loss = new double[batch.Targets.Length], entropy = new double[batch.Targets.Length];
            CrossEntropy.Forward(batch.Logits, batch.Targets, batch.VocabularySize, new() { Loss = loss, Entropy = entropy });
            loss.Should().OnlyContain(x => x >= 0);
            entropy.Should().OnlyContain(x => x >= 0 && x <= Math.Log(batch.VocabularySize) + 1e-6);
        });

    [Fact]
    public void Every_batch_matches_the_reference()
        => ForAllBatches(batch =>
        {
            float[] gradient = new float[batch.Logits.Length];
            PtxLossResult result = PtxLoss.ComputeWithGradient(
                1, batch.Logits, batch.Targets, batch.VocabularySize, 0.5, gradient);
            ScalarReference expected = ScalarReference.Compute<float, int>(
                1, batch.Logits, batch.Targets, batch.VocabularySize, 0.5);
            result.Total.ShouldBeTheLoss(expected.Total);
            gradient.ShouldBeTheGradient(expected.Gradient, expected.GradientScale);
        });

    private static void ForAllBatches(Action<Batch> holds)
    {
        Gen<Batch> batches =
            from vocabularySize in Gen.OneOf(Gen.Choose(1, 40), Gen.Choose(1, 3000))
            from tokens in Gen.Choose(1, 6)
            from logits in Gen.Choose(-30 * 64, 30 * 64).Select(x => x / 64f).ArrayOf(tokens * vocabularySize)
            from targets in Gen.Frequency((9, Gen.Choose(0, vocabularySize - 1)), (1, Gen.Constant(-100))).ArrayOf(tokens)
            select new Batch(vocabularySize, logits, targets);

        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Arb.From(batches, Shrink), holds));
    }

    /// <summary>Fewer tokens, then all logits towards 0.</summary>
    private static IEnumerable<Batch> Shrink(Batch batch)
    {
        if (batch.Targets.Length > 1)
        {
            int half = batch.Targets.Length / 2;
            yield return new(batch.VocabularySize, batch.Logits[..(half * batch.VocabularySize)], batch.Targets[..half]);
            yield return new(batch.VocabularySize, batch.Logits[(half * batch.VocabularySize)..], batch.Targets[half..]);
        }

        if (batch.Logits.Any(x => x != 0))
        {
            yield return batch with { Logits = [.. batch.Logits.Select(x => MathF.Truncate(x / 2))] };
        }
    }
}
