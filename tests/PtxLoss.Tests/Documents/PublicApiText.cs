using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace PtxLosses.Tests;

/// <summary>
/// What others can use of an assembly, as text: a line for each type and each member, as C# declares them, in an order that nothing but
/// a change of the API can change. Members that the compiler adds, as to a record, are left out.
/// </summary>
internal static class PublicApiText
{
    private static readonly SymbolDisplayFormat _names = new(
        typeQualificationStyle: SymbolDisplayTypeQualificationStyle.NameAndContainingTypes,
        propertyStyle: SymbolDisplayPropertyStyle.ShowReadWriteDescriptor,
        genericsOptions: SymbolDisplayGenericsOptions.IncludeTypeParameters | SymbolDisplayGenericsOptions.IncludeVariance,
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.UseSpecialTypes
            | SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier
            | SymbolDisplayMiscellaneousOptions.AllowDefaultLiteral
            | SymbolDisplayMiscellaneousOptions.EscapeKeywordIdentifiers);

    private static readonly SymbolDisplayFormat _declarations = _names
        .AddGenericsOptions(SymbolDisplayGenericsOptions.IncludeTypeConstraints)
        .AddKindOptions(SymbolDisplayKindOptions.IncludeTypeKeyword)
        .WithMemberOptions(SymbolDisplayMemberOptions.IncludeAccessibility | SymbolDisplayMemberOptions.IncludeConstantValue
            | SymbolDisplayMemberOptions.IncludeExplicitInterface | SymbolDisplayMemberOptions.IncludeModifiers
            | SymbolDisplayMemberOptions.IncludeParameters | SymbolDisplayMemberOptions.IncludeRef | SymbolDisplayMemberOptions.IncludeType)
        .WithParameterOptions(SymbolDisplayParameterOptions.IncludeDefaultValue | SymbolDisplayParameterOptions.IncludeExtensionThis
            | SymbolDisplayParameterOptions.IncludeModifiers | SymbolDisplayParameterOptions.IncludeName
            | SymbolDisplayParameterOptions.IncludeType);

    /// <summary>Attributes that stand for something in the line already, or for nothing that a caller could notice.</summary>
    private static readonly string[] _silent =
        ["NullableAttribute", "NullableContextAttribute", "DefaultMemberAttribute", "SkipLocalsInitAttribute", "RequiredMemberAttribute"];

    public static IEnumerable<MetadataReference> Platform { get; }
        = [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
            .Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path))];

    public static string Of(MetadataReference assembly)
    {
        CSharpCompilation compilation = CSharpCompilation.Create("Reader", references: [.. Platform, assembly]);
        IEnumerable<INamedTypeSymbol> types = TypesIn(((IAssemblySymbol)compilation.GetAssemblyOrModuleSymbol(assembly)!).GlobalNamespace);
        return string.Join('\n', types.Where(IsVisible).OrderBy(type => type.ToString(), StringComparer.Ordinal).Select(Of));
    }

    private static IEnumerable<INamedTypeSymbol> TypesIn(INamespaceOrTypeSymbol container)
        => container.GetMembers().OfType<INamespaceOrTypeSymbol>()
            .SelectMany(member => TypesIn(member).Concat(member is INamedTypeSymbol type ? [type] : []));

    private static bool IsVisible(ISymbol symbol)
        => symbol.DeclaredAccessibility is Accessibility.Public or Accessibility.Protected or Accessibility.ProtectedOrInternal
            && (symbol.ContainingType is null || IsVisible(symbol.ContainingType))
            && !symbol.IsImplicitlyDeclared
            && !symbol.GetAttributes().Any(attribute => attribute.AttributeClass!.Name == "CompilerGeneratedAttribute");

    private static string Of(INamedTypeSymbol type)
    {
        string modifier = type switch
        {
            { TypeKind: not TypeKind.Class } => "",
            { IsStatic: true } => "static ",
            { IsAbstract: true } => "abstract ",
            _ => type.IsSealed ? "sealed " : "",
        };
        ITypeSymbol? parent = type.EnumUnderlyingType ?? (type.BaseType?.SpecialType == SpecialType.None ? type.BaseType : null);
        IEnumerable<string> bases = parent is null ? [] : [parent.ToDisplayString(_names)];
        bases = bases.Concat(type.Interfaces.Select(own => own.ToDisplayString(_names)).Order(StringComparer.Ordinal));
        IEnumerable<string> members = type.GetMembers()
            .Where(member => member is not INamedTypeSymbol && !IsAccessor(member) && IsVisible(member))
            .OrderBy(member => member.Kind switch { SymbolKind.Field => 0, SymbolKind.Property => 1, _ => 2 })
            .ThenBy(member => member.Name, StringComparer.Ordinal)
            .ThenBy(member => member.ToDisplayString(_declarations), StringComparer.Ordinal)
            .Select(member => $"    {Attributes(member)}{member.ToDisplayString(_declarations)}\n");
        return $"namespace {type.ContainingNamespace}: {Attributes(type)}public {modifier}{type.ToDisplayString(_declarations)}"
            + $"{(bases.Any() ? " : " + string.Join(", ", bases) : "")}\n{string.Concat(members)}";
    }

    private static bool IsAccessor(ISymbol member)
        => member is IMethodSymbol { MethodKind: MethodKind.PropertyGet or MethodKind.PropertySet or MethodKind.EventAdd or MethodKind.EventRemove };

    private static string Attributes(ISymbol symbol)
    {
        IEnumerable<string> of = Names(symbol.GetAttributes(), "");
        if (symbol is IMethodSymbol method)
        {
            of = of.Concat(Names(method.GetReturnTypeAttributes(), "return: "))
                .Concat(method.Parameters.SelectMany(parameter => Names(parameter.GetAttributes(), parameter.Name + ": ")));
        }

        return string.Concat(of.Select(attribute => $"[{attribute}] "));
    }

    private static IEnumerable<string> Names(IEnumerable<AttributeData> attributes, string target)
        => attributes.Where(attribute => !_silent.Contains(attribute.AttributeClass!.Name))
            .Select(attribute => target + attribute.ToString()!.Split('.')[^1])
            .Order(StringComparer.Ordinal);
}
