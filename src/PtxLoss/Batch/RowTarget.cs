namespace PtxLosses.Batch;

/// <summary>An id of a row's target distribution: one, or those of a teacher.</summary>
internal struct RowTarget
{
    /// <summary>Where its logit stands in the row.</summary>
    public int Place;

    /// <summary>Its probability, without the part that smoothing spreads: C is G times this.</summary>
    public double Share;

    /// <summary>Its logit x, which a gradient in place overwrites before it is needed.</summary>
    public double Logit;

    /// <summary>What its gradient is added to: 0, or what was there.</summary>
    public double Earlier;

    /// <summary>Sorts by place, and makes one of those at the same place.</summary>
    /// <returns>How many there are then.</returns>
    public static int Unite(Span<RowTarget> targets)
    {
        bool ascends = true;
        for (int i = 1; i < targets.Length; i++)
        {
            ascends &= targets[i - 1].Place < targets[i].Place;
        }

        if (ascends)
        {
            return targets.Length;
        }

        targets.Sort(static (left, right) => left.Place.CompareTo(right.Place));
        int count = 1;
        for (int i = 1; i < targets.Length; i++)
        {
            if (targets[i].Place == targets[count - 1].Place)
            {
                targets[count - 1].Share += targets[i].Share;
            }
            else
            {
                targets[count++] = targets[i];
            }
        }

        return count;
    }
}
