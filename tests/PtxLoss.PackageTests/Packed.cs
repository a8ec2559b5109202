using System.Diagnostics.CodeAnalysis;
using PtxLosses.Torch.Tests;

namespace PtxLosses.PackageTests;

/// <summary>The packages, packed once for all tests, and whatever else takes seconds; it all runs at the same time.</summary>
public sealed class Packed : IAsyncLifetime
{
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("ptxloss-package-tests-");

    /// <summary>The packages, each after those that it depends on.</summary>
    internal static string[] Ids { get; } = ["PtxLoss", "PtxLoss.TorchSharp"];

    /// <summary>A folder feed with the packages and their symbols.</summary>
    internal Task<string> Feed { get; private set; } = null!;

    /// <summary>The same from a copy in another folder.</summary>
    internal Task<string> FeedFromElsewhere { get; private set; } = null!;

    /// <summary>The same where nobody knows where the repository is published.</summary>
    internal Task<string> FeedWithoutOrigin { get; private set; } = null!;

    /// <summary>The program in Consumer/, built.</summary>
    internal Task<Consumer> Built { get; private set; } = null!;

    /// <summary>The same, published trimmed and self-contained.</summary>
    internal Task<Consumer> Trimmed { get; private set; } = null!;

    /// <summary>The same, published as native code, where that can be.</summary>
    internal Task<Consumer?> Native { get; private set; } = null!;

    /// <summary>The program in TorchConsumer/, where libtorch can be loaded.</summary>
    internal Task<Consumer?> OnTorch { get; private set; } = null!;

    public ValueTask InitializeAsync()
    {
        Feed = Pack(new SourceCopy(Folder("clone")), "feed");
        var elsewhere = new SourceCopy(Folder("a/clone/somewhere/else"));
        FeedFromElsewhere = Pack(elsewhere, "feed-from-elsewhere");
        FeedWithoutOrigin = PackWithoutOrigin(elsewhere);
        Built = Use("Consumer", Ids[0], "built", consumer => consumer.Build());
        Trimmed = Use("Consumer", Ids[0], "trimmed", consumer => consumer.Publish("-p:PublishTrimmed=true"));
        Native = Unless(
            NativeToolchain.ReasonToSkip,
            () => Use("Consumer", Ids[0], "native", consumer => consumer.Publish("-p:PublishAot=true")));
        OnTorch = Unless(
            Libtorch.ReasonToSkip, () => Use("TorchConsumer", Ids[1], "on-torch", consumer => consumer.Build()));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Feed, FeedFromElsewhere, FeedWithoutOrigin, Built, Trimmed, Native, OnTorch)
            .ContinueWith(_ => { }, TaskScheduler.Default);
        _work.Delete(recursive: true);
    }

    internal async Task<PackageFile> Package(string id) => new(await Feed, id, ".nupkg");

    internal async Task<PackageFile> Symbols(string id) => new(await Feed, id, ".snupkg");

    internal string Folder(string name) => Path.Combine(_work.FullName, name);

    private static async Task<Consumer?> Unless(string? reasonToSkip, Func<Task<Consumer>> use)
        => reasonToSkip is null ? await use() : null;

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

    private async Task<Consumer> Use(string program, string id, string folder, Func<Consumer, Task> run)
    {
        var consumer = new Consumer(program, Folder(folder), await Package(id));
        await run(consumer);
        return consumer;
    }
}

/// <summary>The tests that share one <see cref="Packed"/>.</summary>
[CollectionDefinition(nameof(Packed))]
[SuppressMessage("Naming", "CA1711:Identifiers should not have incorrect suffix", Justification = "xunit calls it a collection.")]
public class PackedCollection : ICollectionFixture<Packed>;

/// <summary>A test of each package.</summary>
public sealed class PackageIds : TheoryData<string>
{
    public PackageIds() => AddRange(Packed.Ids);
}
