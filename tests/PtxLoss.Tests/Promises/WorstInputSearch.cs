namespace PtxLosses.Tests;

/// <summary>
/// Looks for the input with the largest error: some rows known to be hard, some at random, then small steps from the best.
/// </summary>
/// <param name="error">What is to be as large as can be.</param>
/// <param name="family">What all inputs have in common: their offset and options are those of the family.</param>
internal sealed class WorstInputSearch(Func<WorstInput, double> error, InputFamily family)
{
    // Around the bounds of short rows, of blocks and of segments.
    private static readonly int[] _lengths =
        [257, 300, 1000, 1024, 1025, 1100, 2048, 2816, 3000, 4096, 5003, 8192, 16_384, 32_768, 32_769, 40_000];
    private static readonly double[] _lows = [-15.9, -16.3, -16.6, -16.7, -17.3, -8, -3, -1];
    private readonly Random _random = new(1);
    private WorstInput _best = null!;
    private double _largest = -1;

    public (WorstInput Input, double Error) Run(int steps)
    {
        foreach (double low in _lows)
        {
            Try(Draw() with { Length = 3000, Low = low, Slope = 0, Spread = 0, Peaks = 0, Target = 0 });
            Try(Draw() with
            {
                Length = 4096,
                Low = low,
                Slope = 0,
                Spread = 0,
                Peaks = 1,
                Peak = 0.99,
                PeakAt = 1200,
                Target = 0,
            });
        }

        // A row of two segments, all of whose terms but the target's are rounded alike.
        Try(Draw() with
        {
            Length = 33_078,
            Offset = 66.69019739174283,
            Low = 0,
            Slope = 0,
            Spread = 0,
            Peaks = 1,
            Peak = 7.591739484067727,
            PeakAt = 132,
            Target = 132,
        });

        for (int step = 0; step < steps; step++)
        {
            Try(step < steps / 3 ? Draw() : Step());
        }

        return (_best, _largest);
    }

    private void Try(WorstInput input)
    {
        double found = error(input);
        if (found > _largest)
        {
            (_best, _largest) = (input, found);
        }
    }

    private WorstInput Draw() => family.Of(new(
        Length: _lengths[_random.Next(_lengths.Length)],
        Offset: Round(Uniform(-80, 80)),
        Low: Round(Uniform(-20, 0)),
        Slope: _random.Next(2) == 0 ? 0 : Round(Uniform(-1.5, 1.5)),
        Spread: _random.Next(2) == 0 ? 0 : Round(Math.Exp(Uniform(-7, 2))),
        Peaks: _random.Next(6),
        Peak: Round(Uniform(-1, 7)),
        PeakAt: _random.Next(8192),
        Target: 0,
        SoftCap: Round(Math.Exp(Uniform(0, 5))),
        Smoothing: Round(Uniform(0.05, 0.95)),
        Seed: _random.Next(1000)));

    /// <summary>The best with one or two of its numbers changed, a little or a lot.</summary>
    private WorstInput Step()
    {
        WorstInput input = _best, other = Draw();
        double size = Math.Exp(Uniform(-7, 1));
        for (int changes = _random.Next(1, 3); changes > 0; changes--)
        {
            input = _random.Next(10) switch
            {
                0 => input with { Length = Math.Max(257, input.Length + _random.Next(-40, 41)) },
                1 => input with { Length = other.Length },
                2 => input with { Offset = Round(input.Offset + (size * Uniform(-10, 10))) },
                3 => input with { Low = Round(input.Low + (size * Uniform(-1, 1))) },
                4 => input with { Slope = Round(input.Slope + (size * Uniform(-1, 1))) },
                5 => input with { Spread = _random.Next(3) == 0 ? other.Spread : SpreadNear(input.Spread) },
                6 => input with { Peaks = other.Peaks, PeakAt = other.PeakAt },
                7 => input with { Peak = Round(input.Peak + (size * Uniform(-1, 1))) },
                8 => input with { SoftCap = Math.Max(0.1, Round(input.SoftCap * (1 + (size * Uniform(-0.5, 0.5))))) },
                _ => input with { Smoothing = Math.Clamp(Round(input.Smoothing + (size * Uniform(-0.1, 0.1))), 0.01, 0.99) },
            };
        }

        return family.Of(
            input with { Target = _random.Next(8) == 0 ? input.Length - 1 : Math.Min(input.Target, input.Length - 1) });

        double SpreadNear(double spread) => Math.Abs(Round(spread * (1 + (size * Uniform(-1, 1)))));
    }

    private double Uniform(double from, double to) => from + ((to - from) * _random.NextDouble());

    /// <summary>To what a table can show.</summary>
    private static double Round(double x) => Math.Round(x, 5);
}

/// <summary>Inputs that meet the same options.</summary>
/// <param name="Name">What a table calls them.</param>
/// <param name="Of">Makes an input one of them.</param>
/// <param name="LossBound">What is promised of their losses.</param>
internal sealed record InputFamily(string Name, Func<WorstInput, WorstInput> Of, Func<WorstInput, double> LossBound)
{
    public static InputFamily[] All { get; } =
    [
        new("none", input => input with { SoftCap = 0, Smoothing = 0, Offset = Math.Clamp(input.Offset, -80, 80) }, _ => 1e-6),
        new(
            "none, rows offset by 10,000",
            input => input with { SoftCap = 0, Smoothing = 0, Offset = FarOut(input.Offset) },
            _ => 1e-6),
        new("smoothing", input => input with { SoftCap = 0, Offset = Math.Clamp(input.Offset, -80, 80) }, _ => 1e-6),
        new("cap", input => input with { Smoothing = 0, Offset = Math.Clamp(input.Offset, -80, 80) }, _ => 3e-6),
        new(
            "cap and smoothing",
            input => input with { Offset = Math.Clamp(input.Offset, -80, 80) },
            input => 3e-6 + (7e-6 * input.Smoothing)),
    ];

    private static double FarOut(double offset) => Math.Abs(offset) >= 9000 ? offset : Math.CopySign(10_000, offset) + offset;
}
