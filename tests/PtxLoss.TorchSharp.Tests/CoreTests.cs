using FsCheck;
using FsCheck.Fluent;
using PtxLosses.Tests;

namespace PtxLosses.Torch.Tests;

/// <summary>
/// The core, as the scalar reference judges it, judged by libtorch: every entry that takes logits or hidden states, with any options
/// together, on any types and any strides.
/// </summary>
public class CoreTests : TorchTest
{
    private static readonly TorchReferee _torch = new();

    /// <summary>Numbers as models have them: beyond those, a composition of torch's operators has not the digits to judge by.</summary>
    [TorchFact]
    public void Every_call_over_logits_is_as_libtorch_says()
        => Check.One(Drawn.Times(250), Prop.ForAll(
            Arb.From(CallDraw.All.Where(call => !call.IsFarOut), failed => failed.Simpler().Where(call => !call.IsFarOut)),
            call => SurfaceTests.Holds(call, _torch)));

    [TorchFact]
    public void Every_call_from_hidden_states_is_as_libtorch_says()
        => Check.One(Drawn.Times(200), Prop.ForAll(
            Arb.From(HeadDraw.All, failed => failed.Simpler()), call => HeadCallTests.Holds(call, _torch)));
}
