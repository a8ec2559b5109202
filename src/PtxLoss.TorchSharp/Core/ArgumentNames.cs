namespace PtxLosses.Torch;

/// <summary>
/// What the core finds wrong, under the names of the parameters here: token_weights is tokenWeights there, and ids are targets.
/// </summary>
internal static class ArgumentNames
{
    public const string Targets = "targets", Ids = "ids";

    /// <summary>The exception to throw instead.</summary>
    /// <param name="exception">What the core threw.</param>
    /// <param name="idsName">What the targets are called.</param>
    public static ArgumentException Renamed(ArgumentException exception, string idsName)
    {
        string name = exception.ParamName ?? "", message = exception.Message.Split(" (Parameter '")[0];
        foreach ((string core, string here) in new[] { ("tokenWeights", "token_weights"), (Targets, idsName) })
        {
            name = name == core ? here : name;
            message = message.Replace(core, here, StringComparison.Ordinal);
        }

        return exception is ArgumentOutOfRangeException range
            ? new ArgumentOutOfRangeException(name, range.ActualValue, message)
            : new ArgumentException(message, name, exception);
    }
}
