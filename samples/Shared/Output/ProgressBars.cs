using System.Collections.Concurrent;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace PtxLosses.Samples;

/// <summary>One bar per stage with the loss parts beside it, for a terminal.</summary>
internal sealed class ProgressBars : IProgressDisplay
{
    private const int WideTerminal = 110;

    // "seed 1 pretrain", "100%" and the spaces between columns.
    private const int WidthOfNames = 23;

    private readonly IAnsiConsole _console;
    private readonly ProgressContext _context;
    private readonly DetailColumn _details;

    private ProgressBars(IAnsiConsole console, ProgressContext context, DetailColumn details) =>
        (_console, _context, _details) = (console, context, details);

    public static T Run<T>(IAnsiConsole console, Func<IProgressDisplay, T> action)
    {
        int barWidth = console.Profile.Width < WideTerminal ? 8 : 24;
        var details = new DetailColumn(barWidth + WidthOfNames);
        return console.Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn { Width = barWidth },
                new PercentageColumn(),
                details)
            .Start(context => action(new ProgressBars(console, context, details)));
    }

    public void Announce(string line) => _console.WriteLine(line);

    public IProgressStage Begin(string name, int steps) =>
        new Bar(_context.AddTask(Markup.Escape(name), maxValue: steps), _details);

    private sealed class Bar(ProgressTask task, DetailColumn details) : IProgressStage
    {
        public void Report(int step, string detail)
        {
            details.Set(task, detail);
            task.Value = step;
        }
    }

    private sealed class DetailColumn(int reserved) : ProgressColumn
    {
        // The thread that draws is not the one that works.
        private readonly ConcurrentDictionary<int, string> _details = [];

        protected override bool NoWrap => true;

        public void Set(ProgressTask task, string detail) => _details[task.Id] = detail;

        /// <summary>A fixed width, or long details would squeeze the bars out of a narrow terminal.</summary>
        public override int? GetColumnWidth(RenderOptions options) => WidthIn(options);

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            string detail = _details.GetValueOrDefault(task.Id, "");
            return new Text(detail[..Math.Min(detail.Length, WidthIn(options))]);
        }

        private int WidthIn(RenderOptions options) => Math.Max(options.ConsoleSize.Width - reserved, 1);
    }
}
