using System.Diagnostics.CodeAnalysis;
using PtxLosses.Calls;
using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>What every function checks of its tensors, by the names of its parameters, before anything is computed.</summary>
internal static class Arguments
{
    /// <summary>Checks that logits are of a type and on a device that can be computed with.</summary>
    public static void CheckElements(Tensor tensor, string name)
    {
        CheckDense(tensor, name);
        if (!ElementTypes.AreLogits(tensor.dtype))
        {
            throw new ArgumentException(
                $"{name} is of type {tensor.dtype}, but must be Float32, Float64, Float16 or BFloat16.", name);
        }

        if (tensor.device_type == DeviceType.META)
        {
            throw new ArgumentException($"{name} is on the device meta, which holds no values.", name);
        }
    }

    /// <summary>Checks the logits and the ids that belong to them.</summary>
    public static void CheckLogits(Tensor logits, Tensor ids, PtxLossOptions options, string idsName)
    {
        CheckElements(logits, nameof(logits));
        CheckIds(ids, logits, nameof(logits), idsName);
        CheckShape(logits, nameof(logits), "the vocabulary");
        CheckLeading(ids, logits, nameof(logits), idsName);
        CheckShift(logits, nameof(logits), options);
    }

    /// <summary>Checks the hidden states, the output layer and the ids that belong to them.</summary>
    public static void CheckHead(Tensor hidden, Tensor weight, Tensor? bias, Tensor ids, PtxLossOptions options, string idsName)
    {
        CheckElements(hidden, nameof(hidden));
        CheckSameKind(weight, hidden, nameof(weight), nameof(hidden));
        CheckIds(ids, hidden, nameof(hidden), idsName);
        CheckShape(hidden, nameof(hidden), "the hidden size");
        if (weight.dim() != 2 || weight.size(1) != hidden.LastLength() || weight.size(0) is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"weight has the shape {Text(weight)}, but hidden of shape {Text(hidden)} needs [vocabulary, "
                    + $"{hidden.LastLength()}].",
                nameof(weight));
        }

        if (bias is not null)
        {
            CheckSameKind(bias, hidden, nameof(bias), nameof(hidden));
            if (bias.dim() != 1 || bias.size(0) != weight.size(0))
            {
                throw new ArgumentException(
                    $"bias has the shape {Text(bias)}, but weight of shape {Text(weight)} needs [{weight.size(0)}].",
                    nameof(bias));
            }
        }

        CheckLeading(ids, hidden, nameof(hidden), idsName);
        CheckShift(hidden, nameof(hidden), options);
    }

    /// <summary>Checks that there is a weight for each target, and that no gradient of the weights is expected.</summary>
    public static void CheckTokenWeights([NotNullIfNotNull(nameof(token_weights))] Tensor? token_weights, Tensor targets)
    {
        if (token_weights is null)
        {
            return;
        }

        const string name = nameof(token_weights);
        CheckDense(token_weights, name);
        CheckSameDevice(token_weights, targets, name, nameof(targets));
        if (token_weights.dtype != torch.ScalarType.Float32)
        {
            throw new ArgumentException($"{name} is of type {token_weights.dtype}, but must be Float32.", name);
        }

        if (token_weights.requires_grad)
        {
            throw new ArgumentException($"{name} requires a gradient, but no loss is differentiated by it: detach it.", name);
        }

        if (!token_weights.Lengths().AsSpan().SequenceEqual(targets.Lengths()))
        {
            throw new ArgumentException($"{name} has the shape {Text(token_weights)}, but targets has {Text(targets)}.", name);
        }
    }

    /// <summary>Checks that the RL loss is one number, which may be on the CPU or with the logits.</summary>
    public static void CheckRlLoss(Tensor rl_loss, Tensor logits, string logitsName)
    {
        const string name = nameof(rl_loss);
        CheckDense(rl_loss, name);
        if (rl_loss.numel() != 1)
        {
            throw new ArgumentException($"{name} has the shape {Text(rl_loss)}, but must be a scalar.", name);
        }

        if (rl_loss.is_complex())
        {
            throw new ArgumentException($"{name} is of type {rl_loss.dtype}, but must be real.", name);
        }

        if (rl_loss.device_type != DeviceType.CPU)
        {
            CheckSameDevice(rl_loss, logits, name, logitsName);
        }
    }

    public static void CheckCoefficient(double ptx_coefficient)
    {
        if (!double.IsFinite(ptx_coefficient))
        {
            throw new ArgumentOutOfRangeException(nameof(ptx_coefficient), ptx_coefficient, "ptx_coefficient must be finite.");
        }
    }

    /// <summary>Checks that the gradient may stand where the logits are.</summary>
    public static void CheckInPlace(Tensor logits)
    {
        const string name = "inplace";
        if (logits.is_leaf)
        {
            throw new ArgumentException(
                $"{name} is true, but logits is a leaf, whose values the gradient would replace: "
                    + "it is for the output of a layer.",
                name);
        }

        long[] shape = logits.Lengths(), strides = logits.Strides();
        for (int i = 0; i < shape.Length; i++)
        {
            if (shape[i] > 1 && strides[i] == 0)
            {
                throw new ArgumentException(
                    $"{name} is true, but logits of shape {Text(shape)} is expanded, with the strides {Text(strides)}: "
                        + "elements that share memory cannot hold a gradient each.",
                    name);
            }
        }

        if (!logits.IsLastDense())
        {
            throw new ArgumentException(
                $"{name} is true, but logits has the strides {Text(strides)}: in the last dimension, the vocabulary, "
                    + "it must be 1.",
                name);
        }
    }

    /// <summary>Checks the options of functions per token.</summary>
    public static void CheckPerToken(PtxLossOptions options)
    {
        OptionChecks.Check(options, HonouredOptions.Shift);
        if (options.LabelSmoothing != 0)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"options.LabelSmoothing is {options.LabelSmoothing}, but must be 0 here: a log-probability has none."),
                nameof(options));
        }
    }

    /// <summary>Refuses to add to a gradient: torch does that itself, with gradients that it is given.</summary>
    public static void CheckAccumulation(PtxLossOptions options)
    {
        if (options.AccumulateGradient)
        {
            throw new ArgumentException(
                "options.AccumulateGradient is true, but must be false here: torch adds up the gradients of its tensors itself.",
                nameof(options));
        }
    }

    public static string Text(Tensor tensor) => Text(tensor.Lengths());

    private static string Text(long[] numbers) => FormattableString.Invariant($"[{string.Join(", ", numbers)}]");

    private static void CheckDense(Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.is_sparse)
        {
            throw new ArgumentException($"{name} is sparse, but must be dense.", name);
        }
    }

    private static void CheckSameKind(Tensor tensor, Tensor other, string name, string otherName)
    {
        CheckDense(tensor, name);
        if (tensor.dtype != other.dtype)
        {
            throw new ArgumentException(
                $"{name} is of type {tensor.dtype}, but {otherName} is of type {other.dtype}; hidden, "
                    + "weight and bias need one type.",
                name);
        }

        CheckSameDevice(tensor, other, name, otherName);
    }

    private static void CheckSameDevice(Tensor tensor, Tensor other, string name, string otherName)
    {
        if (tensor.device_type != other.device_type || tensor.device_index != other.device_index)
        {
            throw new ArgumentException($"{name} is on the device {tensor.device}, but {otherName} is on {other.device}.", name);
        }
    }

    private static void CheckIds(Tensor ids, Tensor other, string otherName, string name)
    {
        CheckDense(ids, name);
        if (!ElementTypes.AreTargets(ids.dtype))
        {
            throw new ArgumentException($"{name} is of type {ids.dtype}, but must be Int64 or Int32.", name);
        }

        CheckSameDevice(ids, other, name, otherName);
    }

    private static void CheckShape(Tensor tensor, string name, string last)
    {
        if (tensor.dim() == 0)
        {
            throw new ArgumentException($"{name} is a scalar, but needs a last dimension, {last}.", name);
        }

        if (tensor.LastLength() is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"{name} has the shape {Text(tensor)}; its last dimension, {last}, must be from 1 to {int.MaxValue}.", name);
        }
    }

    private static void CheckLeading(Tensor ids, Tensor tensor, string tensorName, string name)
    {
        if (!ids.IsLeadingShapeOf(tensor))
        {
            throw new ArgumentException(
                $"{name} has the shape {Text(ids)}, but {tensorName} of shape {Text(tensor)} needs "
                    + $"{Text(tensor.Lengths()[..^1])}.",
                name);
        }
    }

    private static void CheckShift(Tensor tensor, string name, PtxLossOptions options)
    {
        if (options.ShiftTargets && tensor.dim() == 1)
        {
            throw new ArgumentException(
                $"options.ShiftTargets is true, but must be false where {name} has one dimension: it is no sequence.",
                nameof(options));
        }
    }
}
