using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace PtxLosses.PackageTests;

/// <summary>The XML documentation is that of what users can call: all of it, and nothing else.</summary>
[Collection(nameof(Packed))]
public partial class PackageDocumentationTests(Packed packed)
{
    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_documents_public_members_only(string id)
    {
        PackageFile package = await packed.Package(id);
        HashSet<string> visible = [.. VisibleNames(package, id)];

        foreach (string member in Members(package, id))
        {
            visible.Should().Contain(NameOf(member), "{0} is documented", member);
            RoomInSignature().IsMatch(member).Should().BeFalse("{0} takes an internal type", member);
        }
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_documents_all_of_them(string id)
    {
        string[] documented = [.. Members(await packed.Package(id), id).Select(NameOf)];
        string folder = Path.Combine(Repository.Root, "src", id);
        string[] api =
        [
            .. await File.ReadAllLinesAsync(Path.Combine(folder, "PublicAPI.Shipped.txt")),
            .. await File.ReadAllLinesAsync(Path.Combine(folder, "PublicAPI.Unshipped.txt")),
        ];
        string[] types = [.. api.Where(line => TypeLine().IsMatch(line)).Select(line => line.Split('<')[0])];
        string[] functions =
        [
            .. api.Select(line => FunctionLine().Match(line)).Where(match => match.Success)
                .Select(match => match.Groups["name"].Value),
        ];

        types.Should().HaveCountGreaterThan(3);
        functions.Should().HaveCountGreaterThan(6);
        documented.Select(name => name.Split('`')[0]).Should().Contain(types);
        foreach (IGrouping<string, string> overloads in functions.GroupBy(name => name, StringComparer.Ordinal))
        {
            documented.Count(name => name == overloads.Key)
                .Should().Be(overloads.Count(), "each overload of {0} has its own", overloads.Key);
        }
    }

    private static IEnumerable<string> Members(PackageFile package, string id)
        => XElement.Parse(package.Text($"lib/net10.0/{id}.xml")).Descendants("member")
            .Select(member => member.Attribute("name")!.Value);

    /// <summary>Without its kind, its arity, its parameters and what it is converted to.</summary>
    private static string NameOf(string member) => member[2..].Split('(', '~')[0].Split("``")[0];

    private static IEnumerable<string> VisibleNames(PackageFile package, string id)
    {
        using var file = new PEReader(new MemoryStream(package.Entries[$"lib/net10.0/{id}.dll"]));
        MetadataReader reader = file.GetMetadataReader();
        foreach (TypeDefinition type in reader.TypeDefinitions.Select(reader.GetTypeDefinition)
            .Where(type => type.Attributes.HasFlag(TypeAttributes.Public)))
        {
            string name = $"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}";
            yield return name;
            foreach (MethodDefinition method in type.GetMethods().Select(reader.GetMethodDefinition).Where(IsPublic))
            {
                string member = reader.GetString(method.Name);
                yield return $"{name}.{member.Replace('.', '#')}";
                if (member.StartsWith("get_", StringComparison.Ordinal))
                {
                    yield return $"{name}.{member[4..]}";
                }
            }

            foreach (FieldDefinition field in type.GetFields().Select(reader.GetFieldDefinition))
            {
                if ((field.Attributes & FieldAttributes.FieldAccessMask) == FieldAttributes.Public)
                {
                    yield return $"{name}.{reader.GetString(field.Name)}";
                }
            }
        }

        static bool IsPublic(MethodDefinition method)
            => (method.Attributes & MethodAttributes.MemberAccessMask) == MethodAttributes.Public;
    }

    /// <summary>Public types are flat.</summary>
    [GeneratedRegex(@"[(,{]PtxLosses\.\w+\.", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex RoomInSignature();

    [GeneratedRegex(@"^PtxLosses\.[\w.]+(<\w+>)?$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex TypeLine();

    [GeneratedRegex(
        @"^static (?<name>PtxLosses\.[\w.]+)(<[^(]*>)?\(", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex FunctionLine();
}
