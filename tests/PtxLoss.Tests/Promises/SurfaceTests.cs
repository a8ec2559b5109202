using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>
/// Every public entry that takes logits, with any options together, on any types and any strides: against the reference, or, with a
/// fault, refused by name. FsCheck draws the calls, shrinks those that fail and prints their seed.
/// </summary>
public class SurfaceTests
{
    /// <summary>A call that is right but for one thing.</summary>
    public sealed record BadDraw(CallDraw Call, Fault Fault);

    [Fact]
    public void Every_call_matches_the_reference_and_leaves_what_it_reads_alone()
        => Check.One(Drawn.Times(600), Prop.ForAll(Arb.From(CallDraw.All, Shrink), Holds));

    [Fact]
    public void Every_fault_is_named_and_nothing_is_written()
        => Check.One(Drawn.Times(2000), Prop.ForAll(Arb.From(BadCalls, Shrink), IsRefused));

    [Fact]
    public void Every_fault_is_drawn_in_some_call()
    {
        CallDraw[] calls = [.. BadCalls.Sample(250, new Rnd(1), 100).Select(bad => bad.Call)];
        foreach (Fault fault in Enum.GetValues<Fault>())
        {
            calls.Count(call => LogitCall.Of(call, new ArrayMemories()).Spoil(fault) != null).Should().BePositive("{0}", fault);
        }
    }

    internal static Gen<BadDraw> BadCalls
        => from call in CallDraw.All
           from fault in Gen.Elements(Enum.GetValues<Fault>())
           select new BadDraw(call with { VocabularySize = Math.Min(call.VocabularySize, 300) }, fault);

    internal static void Holds(CallDraw drawn) => Holds(drawn, Referee.Scalar);

    internal static void Holds(CallDraw drawn, Referee referee)
    {
        using var memories = new ArrayMemories();
        var call = LogitCall.Of(drawn, memories, referee);

        call.Run();

        call.Judge();
        memories.InputsAreUntouched().Should().BeTrue("inputs are only read");
    }

    internal static void IsRefused(BadDraw drawn)
    {
        using var memories = new ArrayMemories();
        var call = LogitCall.Of(drawn.Call, memories);
        if (call.Spoil(drawn.Fault) is { } parameter)
        {
            call.Invoking(bad => bad.Run()).Should().Throw<ArgumentException>().WithParameterName(parameter);
            memories.AllIsUntouched().Should().BeTrue("nothing is written by a call that is refused");
        }
    }

    private static IEnumerable<CallDraw> Shrink(CallDraw failed) => failed.Simpler();

    private static IEnumerable<BadDraw> Shrink(BadDraw failed) => failed.Call.Simpler().Select(call => failed with { Call = call });
}
