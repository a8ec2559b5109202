using System.Reflection;
using NetArchTest.Rules;

namespace PtxLosses.Tests;

/// <summary>The rooms of the library, each of which may use those above it only.</summary>
public class RoomTests
{
    private static readonly string[] _rooms = ["Common", "Simd", "Softmax", "Gemm", "Batch", "FusedHead", "Calls"];

    private static readonly Assembly _library = typeof(PtxLoss).Assembly;

    /// <summary>A room and one that it may not use.</summary>
    public static TheoryData<string, string> Forbidden
    {
        get
        {
            var pairs = new TheoryData<string, string> { { "Gemm", "Softmax" } }; // they stand beside each other
            for (int room = 0; room < _rooms.Length; room++)
            {
                foreach (string below in _rooms[(room + 1)..])
                {
                    pairs.Add(_rooms[room], below);
                }
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void A_room_does_not_use_what_stands_below_it(string room, string other)
        => Users(room, $"PtxLosses.{other}").Should().BeEmpty("{0} stands above {1}", room, other);

    [Fact]
    public void Only_Calls_knows_the_public_types()
    {
        string[] api = [.. _library.GetExportedTypes().Where(type => type != typeof(BFloat16)).Select(
            type => type.FullName!.Split('`')[0])];

        foreach (string room in _rooms.SkipLast(1))
        {
            Users(room, api).Should().BeEmpty("{0} computes, and knows no options", room);
        }
    }

    [Fact]
    public void Every_room_is_known()
        => _library.GetTypes().Select(type => type.Namespace ?? "").Where(
            name => name.StartsWith("PtxLosses.", StringComparison.Ordinal))
            .Distinct(StringComparer.Ordinal).Should().BeEquivalentTo(_rooms.Select(room => $"PtxLosses.{room}"));

    [Theory]
    [InlineData("FusedHead", "PtxLosses.Gemm")] // by its fields and its methods' bodies
    [InlineData("Batch", "PtxLosses.Softmax")] // by type arguments
    [InlineData("Calls", "PtxLosses.PtxLossOptions")]
    public void What_is_used_is_seen(string room, string used) => Users(room, used).Should().NotBeEmpty();

    private static IEnumerable<string> Users(string room, params string[] used)
        => Types.InAssembly(_library).That().ResideInNamespace($"PtxLosses.{room}")
            .Should().NotHaveDependencyOnAny(used).GetResult().FailingTypeNames ?? [];
}
