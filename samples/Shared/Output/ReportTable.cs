using System.Text;
using Spectre.Console;

namespace PtxLosses.Samples;

/// <summary>A table for the console and for a Markdown file, with what there is to say about it.</summary>
/// <param name="Columns">Their heads.</param>
/// <param name="Rows">A text for each column.</param>
/// <param name="Legend">What the numbers are.</param>
internal sealed record ReportTable(IReadOnlyList<string> Columns, IReadOnlyList<string[]> Rows, string Legend)
{
    public void WriteTo(IAnsiConsole console)
    {
        if (Rows.Count > 0)
        {
            var table = new Table { Border = console.Profile.Capabilities.Unicode ? TableBorder.Rounded : TableBorder.Ascii };
            foreach (string column in Columns)
            {
                table.AddColumn(new TableColumn(column).RightAligned());
            }

            foreach (string[] row in Rows)
            {
                table.AddRow(row);
            }

            console.Write(table);
        }

        console.WriteLine(Legend);
    }

    public void AppendTo(StringBuilder markdown)
    {
        if (Rows.Count > 0)
        {
            markdown.AppendLine($"| {string.Join(" | ", Columns)} |");
            markdown.AppendLine($"|{string.Concat(Columns.Select(_ => " ---: |"))}");
            foreach (string[] row in Rows)
            {
                markdown.AppendLine($"| {string.Join(" | ", row)} |");
            }

            markdown.AppendLine();
        }

        markdown.AppendLine(Legend);
    }
}
