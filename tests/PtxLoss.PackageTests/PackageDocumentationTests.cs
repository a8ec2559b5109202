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
    [Fact]
    public async Task It_documents_public_members_only()
    {
        PackageFile package = await packed.Package();
        HashSet<string> visible = [.. VisibleNames(package)];

        foreach (string id in Ids(package))
        {
            visible.Should().Contain(NameOf(id), "{0} is documented", id);
            RoomInSignature().IsMatch(id).Should().BeFalse("{0} takes an internal type", id);
        }
    }

    [Fact]
    public async Task It_documents_all_of_them()
    {
        PackageFile package = await packed.Package();
        string[] documented = [.. Ids(package).Select(NameOf)];
        string api = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "src", "PtxLoss", "PublicAPI.Unshipped.txt"))
            + await File.ReadAllTextAsync(Path.Combine(Repository.Root, "src", "PtxLoss", "PublicAPI.Shipped.txt"));

        documented.Should().Contain(["PtxLosses.PtxLoss", "PtxLosses.PtxLossResult.Total", "PtxLosses.BFloat16.op_Explicit"]);
        foreach (string method in new[]
        {
            "PtxLoss.Compute", "PtxLoss.ComputeWithGradient", "PtxLoss.Denominator", "CrossEntropy.Backward",
        })
        {
            documented.Count(name => name == $"PtxLosses.{method}").Should().Be(
                api.Split($"static PtxLosses.{method}<").Length - 1, "each overload of {0} has its own", method);
        }
    }

    private static IEnumerable<string> Ids(PackageFile package)
        => XElement.Parse(package.Text("lib/net10.0/PtxLoss.xml")).Descendants("member").Select(
            member => member.Attribute("name")!.Value);

    /// <summary>Without its kind, its arity, its parameters and what it is converted to.</summary>
    private static string NameOf(string id) => id[2..].Split('(', '~')[0].Split("``")[0];

    private static IEnumerable<string> VisibleNames(PackageFile package)
    {
        using var file = new PEReader(new MemoryStream(package.Entries["lib/net10.0/PtxLoss.dll"]));
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
}
