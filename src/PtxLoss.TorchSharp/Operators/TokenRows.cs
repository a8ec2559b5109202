using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>The softmax of some rows, as the core defines it, in torch's operators: for devices, and types, that the core does not know.</summary>
internal sealed class TokenRows
{
    private readonly PtxLossOptions _options;
    private readonly Tensor _x;
    private readonly Tensor _isInVocabulary;
    private readonly Tensor _ids;

    /// <param name="x">The logits, [tokens, vocabulary].</param>
    /// <param name="ids">The target of each, [tokens]; any id where it is ignored.</param>
    /// <param name="options">The options.</param>
    public TokenRows(Tensor x, Tensor ids, PtxLossOptions options)
    {
        (_x, _options, _ids) = (x, options, ids.unsqueeze(1));
        _isInVocabulary = x.isneginf().logical_not();
        Tensor z = Transform(x);
        Tensor logSumExp = z.logsumexp(1, keepdim: true);

        // A row of only −inf, or with +inf, has no softmax.
        logSumExp = logSumExp.Fill(logSumExp.isinf(), double.NaN);
        TargetLogit = z.gather(1, _ids).squeeze(1);
        LogProbabilities = z - logSumExp;
        LogSumExp = logSumExp.squeeze(1);
        Z = z;
    }

    public Tensor Z { get; }

    public Tensor LogSumExp { get; }

    public Tensor TargetLogit { get; }

    /// <summary>[tokens, vocabulary].</summary>
    public Tensor LogProbabilities { get; }

    /// <summary>The cross-entropy without smoothing.</summary>
    public Tensor Surprisal => LogSumExp - TargetLogit;

    /// <summary>The cross-entropy with smoothing.</summary>
    public Tensor Loss
    {
        get
        {
            double smoothing = _options.LabelSmoothing;
            if (smoothing == 0)
            {
                return Surprisal;
            }

            Tensor mean = Z.Fill(_isInVocabulary.logical_not(), 0).sum(dim: 1) / Size;
            return Surprisal.Times(1 - smoothing) + (LogSumExp - mean).Times(smoothing);
        }
    }

    public Tensor Entropy => (LogProbabilities.exp() * LogProbabilities).Fill(_isInVocabulary.logical_not(), 0).sum(dim: 1).neg();

    /// <summary>1 where the largest logit is the target's, the lowest id on a tie, else 0.</summary>
    public Tensor IsCorrect => (_x.argmax(1) == _ids.squeeze(1)).to_type(Z.dtype);

    /// <summary>How many ids of each row are in the vocabulary.</summary>
    private Tensor Size => _isInVocabulary.sum(1, type: Z.dtype);

    /// <summary>The gradient of a loss with respect to x, by the constants of each token.</summary>
    /// <param name="a">A of the definition: p_i · (A − B·log p_i) − U − [i = y]·C.</param>
    /// <param name="b">B, or none for 0.</param>
    /// <param name="ofLoss">∂L/∂loss of the token, from which U and C follow.</param>
    /// <param name="counts">Where there is a gradient; elsewhere it is 0, whatever the row holds.</param>
    public Tensor Gradient(Tensor a, Tensor? b, Tensor ofLoss, Tensor counts)
    {
        double smoothing = _options.LabelSmoothing;
        Tensor factor = a.unsqueeze(1);
        if (b is not null)
        {
            factor = factor - (b.unsqueeze(1) * LogProbabilities);
        }

        Tensor gradient = LogProbabilities.exp() * factor;
        if (smoothing > 0)
        {
            gradient = gradient - (ofLoss.Times(smoothing) / Size).unsqueeze(1);
        }

        gradient = gradient.Fill(_isInVocabulary.logical_not(), 0);
        gradient.scatter_add_(1, _ids, ofLoss.Times(smoothing - 1).unsqueeze(1));
        if (_options.LogitSoftCap > 0)
        {
            Tensor tanh = _x.With(_options.LogitSoftCap, static (x, cap) => x.div(cap)).tanh();
            gradient = gradient * (tanh * tanh).neg().Plus(1).Fill(_x.isinf(), 1);
        }

        if (_options.LogitScale != 1)
        {
            gradient = gradient.Times(_options.LogitScale);
        }

        return gradient.Fill(counts.logical_not().unsqueeze(1), 0);
    }

    private Tensor Transform(Tensor x)
    {
        double cap = _options.LogitSoftCap;
        Tensor z = cap == 0 ? x : torch.where(x.isinf(), x, x.With(cap, static (logits, c) => logits.div(c)).tanh().Times(cap));
        return _options.LogitScale == 1 ? z : z.Times(_options.LogitScale);
    }
}
