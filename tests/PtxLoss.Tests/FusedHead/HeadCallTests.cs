using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>
/// Every entry that takes hidden states, with any options together, on any type, however few tokens at a time: against the reference on all
/// logits in double. FsCheck draws the calls, shrinks those that fail and prints their seed.
/// </summary>
public class HeadCallTests
{
    [Fact]
    public void Every_call_matches_the_reference_and_has_the_same_bits_on_more_threads()
        => Check.One(Drawn.Times(250), Prop.ForAll(Arb.From(HeadDraw.All, failed => failed.Simpler()), Holds));

    internal static void Holds(HeadDraw drawn) => Holds(drawn, Referee.Scalar);

    internal static void Holds(HeadDraw drawn, Referee referee)
    {
        using ArrayMemories memories = new(), others = new();
        var call = HeadCall.Of(drawn with { Threads = 1 }, memories, referee);
        var other = HeadCall.Of(drawn, others, referee);

        call.Run();
        other.Run();

        call.Judge();
        memories.InputsAreUntouched().Should().BeTrue("inputs are only read");
        other.Results().Should().Equal(call.Results(), "results must not differ in a bit");
    }
}
