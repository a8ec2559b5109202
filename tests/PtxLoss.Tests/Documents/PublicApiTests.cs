using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace PtxLosses.Tests;

/// <summary>The public API is what src/PtxLoss/PublicApi.txt says, so that no change of it goes unseen in a review.</summary>
public class PublicApiTests
{
    private const string Accept = "PTXLOSS_ACCEPT_API";

    private const string SpecimenSource = """
        using System;
        using System.Collections.Generic;
        using System.Diagnostics.CodeAnalysis;
        namespace A;
        public abstract class Specimen<T, U> : List<T>, IEquatable<Specimen<T, U>>, IDisposable where T : unmanaged, IEquatable<T> where U : class, new()
        {
            [Obsolete("gone")] public const int Seven = 7;
            protected readonly string? Text;
            internal int Hidden;
            private protected int HiddenToo;
            protected Specimen(params int[] numbers) { }
            public required string Name { get; init; }
            public int? Set { protected get; set; }
            public int ReadOnly { get; }
            public abstract bool Equals(Specimen<T, U>? other);
            public override string ToString() => "";
            public virtual void Dispose() { }
            public ref readonly double Find(in double a, ref readonly double b, ref double c, out double d, [NotNullWhen(true)] object? e = null) => throw new Exception();
            public static long Optional<V>(scoped V value = default, DayOfWeek day = DayOfWeek.Monday, List<string?>? list = null) where V : struct, allows ref struct => 0;
            public static explicit operator int(Specimen<T, U> from) => 0;
        }
        public sealed record Options { public float Value { get; init; } = 3; }
        public readonly ref struct Spans { public readonly Span<int> Field; }
        public enum Order : byte { Last = 9, First = 1 }
        internal class Hidden { public class HiddenToo; }
        """;

    private const string SpecimenText = """
        namespace A: public sealed record Options : IEquatable<Options>
            public float Value { get; init; }
            public Options()

        namespace A: public enum Order : byte
            First = 1
            Last = 9

        namespace A: public readonly ref struct Spans
            public readonly Span<int> Field

        namespace A: public abstract class Specimen<T, U> where T : unmanaged, IEquatable<T> where U : class, new() : List<T>, IDisposable, IEquatable<Specimen<T, U>>
            [ObsoleteAttribute("gone")] public const int Seven = 7
            protected readonly string? Text
            public required string Name { get; init; }
            public int ReadOnly { get; }
            public int? Set { protected get; set; }
            protected Specimen(params int[] numbers)
            public virtual void Dispose()
            public abstract bool Equals(Specimen<T, U>? other)
            [e: NotNullWhenAttribute(true)] public ref readonly double Find(in double a, ref readonly double b, ref double c, out double d, object? e = null)
            public static long Optional<V>(scoped V value = default, DayOfWeek day = Monday, List<string?>? list = null) where V : struct, allows ref struct
            public override string ToString()
            public static explicit operator int(Specimen<T, U> from)

        """;

    private static readonly string _file = Path.Combine(Repository.Root, "src", "PtxLoss", "PublicApi.txt");

    [Fact]
    public void It_is_the_one_that_was_reviewed()
    {
        string actual = PublicApiText.Of(MetadataReference.CreateFromFile(typeof(PtxLoss).Assembly.Location));
        if (Environment.GetEnvironmentVariable(Accept) == "1")
        {
            File.WriteAllText(_file, actual);
        }

        string reviewed = File.ReadAllText(_file);

        if (actual != reviewed)
        {
            Assert.Fail($"""
                The public API is no longer the one in src/PtxLoss/PublicApi.txt:

                {Difference(reviewed, actual)}

                If that is what you want, and CHANGELOG.md says so, write the file anew and commit it:

                    {Accept}=1 dotnet test -c Release tests/PtxLoss.Tests --filter {nameof(PublicApiTests)}
                """);
        }
    }

    [Fact]
    public void A_difference_shows_the_lines_below_their_type()
        => Difference("struct A\n    int X\n    int Y\n\nstruct B\n    int X\n", "struct A\n    int Y\n    long X\n\nstruct B\n    int X\n")
            .Should().Be("  struct A\n-     int X\n+     long X");

    [Fact]
    public void The_text_has_everything_that_a_caller_may_notice()
    {
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Specimen",
            [CSharpSyntaxTree.ParseText(SpecimenSource, new CSharpParseOptions(LanguageVersion.CSharp14))],
            PublicApiText.Platform,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        using var image = new MemoryStream();
        compilation.Emit(image).Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Should().BeEmpty();

        PublicApiText.Of(MetadataReference.CreateFromImage(image.ToArray())).Should().Be(SpecimenText);
    }

    /// <summary>Lines that are gone with −, lines that are new with +, below the line of their type.</summary>
    private static string Difference(string before, string after)
    {
        (string Type, string Line)[] old = [.. WithTypes(before)], current = [.. WithTypes(after)];
        return string.Join('\n', old.Except(current).Select(member => (member.Type, Line: "- " + member.Line))
            .Concat(current.Except(old).Select(member => (member.Type, Line: "+ " + member.Line)))
            .GroupBy(member => member.Type, StringComparer.Ordinal)
            .SelectMany(type => type.Select(member => member.Line).Prepend("  " + type.Key)));

        static IEnumerable<(string Type, string Line)> WithTypes(string text)
        {
            string type = "";
            foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                type = line.StartsWith(' ') ? type : line;
                yield return (type, line);
            }
        }
    }
}
