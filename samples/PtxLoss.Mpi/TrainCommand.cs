namespace PtxLosses.Samples.Mpi;

/// <summary>
/// Starts MPI, trains, and sees to it that the whole job ends with one line if a rank cannot go on. Exit codes: 0 done and
/// right, 1 cannot run or came to other results than one process.
/// </summary>
internal static class TrainCommand
{
    public static int Execute(TrainingSettings settings)
    {
        MpiLibrary mpi;
        try
        {
            mpi = MpiLibrary.Start();
        }
        catch (MpiException problem)
        {
            Console.Error.WriteLine($"error: {problem.Message}");
            return 1;
        }

        Communicator world = mpi.World;
        try
        {
            bool within = new Training(settings, world).Run(world.Rank == 0 ? Console.Out : TextWriter.Null);
            if (!within)
            {
                Console.Error.WriteLine(
                    $"rank {world.Rank}: not what one process computes, within {Comparison.LossTolerance:0E-00} of its "
                    + $"loss and {Comparison.GradientTolerance:0E-00} of its largest gradient.");
            }

            MpiLibrary.Finish();
            return within ? 0 : 1;
        }
        catch (JobException problem) when (world.Rank != problem.Speaker)
        {
            // All ranks are here, and one of them says why. This one waits, so as not to end the job before it is said.
            world.Barrier();
            return 1;
        }
        catch (Exception problem)
        {
            // The others may be waiting for this rank, and would wait for ever if it just left.
            Console.Error.WriteLine($"rank {world.Rank}: {problem.Message.ReplaceLineEndings(" ")}");
            world.Abort(1);
            return 1;
        }
    }
}
