using System.Diagnostics.CodeAnalysis;

namespace PtxLosses.PackageTests;

/// <summary>The package, packed once for all tests, and whatever else takes seconds; it all runs at the same time.</summary>
public sealed class Packed : IAsyncLifetime
{
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("ptxloss-package-tests-");

    /// <summary>A folder feed with the package and its symbols.</summary>
    internal Task<string> Feed { get; private set; } = null!;

    /// <summary>The same from a copy in another folder.</summary>
    internal Task<string> FeedFromElsewhere { get; private set; } = null!;

    /// <summary>The same where nobody knows where the repository is published.</summary>
    internal Task<string> FeedWithoutOrigin { get; private set; } = null!;

    internal Task<Consumer> Consumer { get; private set; } = null!;

    public ValueTask InitializeAsync()
    {
        Feed = Pack(new SourceCopy(Folder("clone")), "feed");
        var elsewhere = new SourceCopy(Folder("a/clone/somewhere/else"));
        FeedFromElsewhere = Pack(elsewhere, "feed-from-elsewhere");
        FeedWithoutOrigin = PackWithoutOrigin(elsewhere);
        Consumer = Use();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Feed, FeedFromElsewhere, FeedWithoutOrigin, Consumer).ContinueWith(_ => { }, TaskScheduler.Default);
        _work.Delete(recursive: true);
    }

    internal async Task<PackageFile> Package() => new(await Feed, ".nupkg");

    internal async Task<PackageFile> Symbols() => new(await Feed, ".snupkg");

    internal string Folder(string name) => Path.Combine(_work.FullName, name);

    private async Task<string> Pack(SourceCopy copy, string name, params string[] options)
    {
        await copy.Pack(Folder(name), options);
        return Folder(name);
    }

    private async Task<string> PackWithoutOrigin(SourceCopy copy)
    {
        await FeedFromElsewhere;
        copy.ForgetOrigin();
        return await Pack(copy, "feed-without-origin", "--no-build");
    }

    private async Task<Consumer> Use()
        => await PtxLosses.PackageTests.Consumer.Build(Folder("consumer"), new PackageFile(await Feed, ".nupkg"));
}

/// <summary>The tests that share one <see cref="Packed"/>.</summary>
[CollectionDefinition(nameof(Packed))]
[SuppressMessage("Naming", "CA1711:Identifiers should not have incorrect suffix", Justification = "xunit calls it a collection.")]
public class PackedCollection : ICollectionFixture<Packed>;
