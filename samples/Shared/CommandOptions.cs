using System.CommandLine;
using System.Globalization;

namespace PtxLosses.Samples;

/// <summary>Options whose mistakes are said in one clear line.</summary>
internal static class CommandOptions
{
    public static Option<int> Integer(
        string name, string description, int defaultValue, int lowest, int highest = int.MaxValue)
    {
        return new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => defaultValue,
            CustomParser = argument =>
            {
                string text = argument.Tokens[0].Value;
                if (!int.TryParse(text, out int value) || value < lowest || value > highest)
                {
                    argument.AddError($"{name} must be a whole number from {lowest} to {highest}, but is '{text}'.");
                }

                return value;
            },
        };
    }

    public static Option<string?> Text(string name, string helpName, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = helpName };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => string.IsNullOrWhiteSpace(token.Value)))
            {
                result.AddError($"{name} must not be empty.");
            }
        });
        return option;
    }

    /// <summary>A finite number that is not negative.</summary>
    public static bool TryParseCoefficient(string text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)
        && double.IsFinite(value) && value >= 0;
}
