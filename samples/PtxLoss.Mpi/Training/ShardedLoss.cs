namespace PtxLosses.Samples.Mpi;

/// <summary>
/// The loss where each rank has a slice of the vocabulary, whether it holds the slice's logits or goes without them.
/// </summary>
/// <remarks>
/// A token's loss is lse − x[y]. The target's logit x[y] is on one shard only, which adds up the losses of its own targets.
/// The log-sum-exp takes all shards: log Σ_r exp(lse_r), two all-reduces of one double per token. The gradient of a slice is
/// exp(x − lse) − onehot there, so the loss exchanges nothing on the way back. A z-loss β·lse² adds the gradient 2·β·lse
/// of the log-sum-exp.
/// </remarks>
internal sealed class ShardedLoss
{
    private readonly Communicator _shards;
    private readonly VocabularySlice _slice;
    private readonly IShard _shard;
    private readonly PtxLossOptions _sum;
    private readonly Traffic _exchange;
    private readonly double[] _logSumExp;
    private readonly double[] _largest;
    private readonly double[] _targetLogit;
    private readonly double[] _lossGradient;
    private readonly double[] _logSumExpGradient;

    /// <param name="shards">The ranks whose slices make up the vocabulary.</param>
    /// <param name="slice">The ids of this rank.</param>
    /// <param name="shard">What computes with them.</param>
    /// <param name="tokens">Of each micro-batch.</param>
    /// <param name="zLossCoefficient">β of the z-loss.</param>
    /// <param name="exchange">Counts what the loss costs in exchange.</param>
    public ShardedLoss(
        Communicator shards, VocabularySlice slice, IShard shard, int tokens, double zLossCoefficient, Traffic exchange)
    {
        (_shards, _slice, _shard, _exchange) = (shards, slice, shard, exchange);
        _sum = new PtxLossOptions { ZLossCoefficient = zLossCoefficient };
        _logSumExp = new double[tokens];
        _largest = new double[tokens];
        _targetLogit = new double[tokens];
        _lossGradient = new double[tokens];
        _logSumExpGradient = new double[tokens];
    }

    /// <summary>Adds the losses of the tokens whose target is in this rank's slice to <paramref name="sum"/>.</summary>
    public void Forward(int[] targets, PtxLossAccumulator sum)
    {
        _shard.Forward(targets, new CrossEntropyOutputs { LogSumExp = _logSumExp, TargetLogit = _targetLogit });
        ExchangeLogSumExp();
        double loss = 0, squares = 0;
        long count = 0;
        for (int token = 0; token < targets.Length; token++)
        {
            // Of an ignored target too, which is negative, this is no id of the slice.
            if ((uint)(targets[token] - _slice.Start) < (uint)_slice.Length)
            {
                loss += _logSumExp[token] - _targetLogit[token];
                squares += _sum.ZLossCoefficient == 0 ? 0 : _logSumExp[token] * _logSumExp[token];
                count++;
            }
        }

        sum.Add(loss, count, squares, count, options: _sum);
    }

    /// <summary>The gradients of the last <see cref="Forward"/>, as far as they come of this slice.</summary>
    /// <param name="targets">Ids of the whole vocabulary, or ignored.</param>
    /// <param name="tokenScale">What each token counts: γ/N, where N counts the tokens of the whole step.</param>
    public void Backward(int[] targets, double tokenScale)
    {
        Array.Fill(_lossGradient, tokenScale);
        for (int token = 0; token < targets.Length; token++)
        {
            _logSumExpGradient[token] = tokenScale * (2 * _sum.ZLossCoefficient * _logSumExp[token]);
        }

        _shard.Backward(
            targets,
            new CrossEntropyOutputs { LogSumExp = _logSumExp },
            new CrossEntropyOutputGradients { Loss = _lossGradient, LogSumExp = _logSumExpGradient });
    }

    /// <summary>
    /// From the log-sum-exps of the slices, those of the whole rows: M + log Σ_r exp(lse_r − M), M the largest, so that
    /// nothing overflows. A NaN on one shard reaches all through the sum, whatever the maximum makes of it.
    /// </summary>
    private void ExchangeLogSumExp()
    {
        _logSumExp.CopyTo(_largest, 0);
        _shards.AllReduceMax(_largest, _exchange);
        for (int token = 0; token < _logSumExp.Length; token++)
        {
            _logSumExp[token] = Math.Exp(_logSumExp[token] - _largest[token]);
        }

        _shards.AllReduceSum(_logSumExp, _exchange);
        for (int token = 0; token < _logSumExp.Length; token++)
        {
            _logSumExp[token] = _largest[token] + Math.Log(_logSumExp[token]);
        }
    }
}
