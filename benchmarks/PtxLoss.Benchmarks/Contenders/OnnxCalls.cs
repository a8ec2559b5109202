using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Onnx;
using static Onnx.TensorProto.Types;

namespace PtxLosses.Benchmarks;

/// <summary>
/// ONNX Runtime, each model with outputs that it makes and with outputs that are there. Its inference package has no gradients:
/// the model of the gradient is composed of softmax and what follows from it.
/// </summary>
internal sealed class OnnxCalls
{
    private const string Logits = "logits", Targets = "targets", Loss = "loss", Gradient = "gradient";

    private static readonly string[] _inputNames = [Logits, Targets];

    private readonly LossProblem _problem;
    private readonly long[] _shape, _columnShape;
    private readonly OrtValue[] _inputs;
    private readonly int _threads;

    private OnnxCalls(PeerRequest request)
    {
        PeerMissingException.Load("ONNX Runtime", () => OrtEnv.Instance());
        _problem = LossProblem.Load(request.Shape, request.Folder);
        (_shape, _columnShape) = ([request.Shape.Tokens, request.Shape.VocabularySize], [request.Shape.Tokens, 1]);
        _inputs = [Value(_problem.Logits), OrtValue.CreateTensorValueFromMemory(TargetFile.Load(request.Folder), _columnShape)];
        _threads = request.Threads;
    }

    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        var calls = new OnnxCalls(request);
        return calls.Both(Work.Forward, "LogSoftmax, GatherElements", calls.ForwardModel())
            .Concat(calls.Both(Work.Gradient, "Softmax, Mul, ScatterElements", calls.GradientModel()));
    }

    private IEnumerable<PeerCall> Both(Work work, string name, GraphProto graph)
    {
        string by = $"ONNX Runtime {OrtEnv.Instance().GetVersionString()}";
        using var options = new SessionOptions { IntraOpNumThreads = _threads, InterOpNumThreads = 1 };
        options.AddSessionConfigEntry("session.force_spinning_stop", "1"); // or its threads would spin into the turn of the next
        var session = new InferenceSession(OnnxModel.Bytes(graph), options);
        var runOptions = new RunOptions();
        string[] outputNames = [.. graph.Output.Select(output => output.Name)];

        float[] loss = new float[1];
        OrtValue[] there = [OrtValue.CreateTensorValueFromMemory(loss, [1, 1])];
        if (work == Work.Gradient)
        {
            there = [.. there, Value(_problem.Gradient)];
        }

        yield return new(work, OutputMemory.Fresh, by, name, () =>
        {
            using IDisposableReadOnlyCollection<OrtValue> made = session.Run(runOptions, _inputNames, _inputs, outputNames);
            return made[0].GetTensorDataAsSpan<float>()[0];
        })
        {
            GradientAnswers = () =>
            {
                using IDisposableReadOnlyCollection<OrtValue> made = session.Run(runOptions, _inputNames, _inputs, outputNames);
                return [.. made.Skip(1).Select(it => Sums.Dot(it.GetTensorDataAsSpan<float>(), _problem.Logits.Span))];
            },
        };
        yield return new(work, OutputMemory.Reused, by, name, () =>
        {
            session.Run(runOptions, _inputNames, _inputs, outputNames, there);
            return loss[0];
        })
        {
            GradientAnswers = () => work == Work.Forward ? [] : [Sums.Dot(_problem.Gradient.Span, _problem.Logits.Span)],
        };
    }

    private GraphProto ForwardModel() => new()
    {
        Name = Loss,
        Input = { InputsOfModel() },
        Output = { LossOfModel() },
        Node =
        {
            OnnxModel.Node("LogSoftmax", [Logits], "logProbabilities", ("axis", 1)),
            OnnxModel.Node("GatherElements", ["logProbabilities", Targets], "chosen", ("axis", 1)),
            OnnxModel.Node("ReduceMean", ["chosen"], "mean"),
            OnnxModel.Node("Neg", ["mean"], Loss),
        },
    };

    private GraphProto GradientModel() => new()
    {
        Name = Gradient,
        Input = { InputsOfModel() },
        Output = { LossOfModel(), OnnxModel.Value(Gradient, DataType.Float, _shape) },
        Initializer =
        {
            OnnxModel.Constant("scale", [1], (float)_problem.Scale),
            OnnxModel.Constant("minusScale", [1, 1], (float)-_problem.Scale),
            OnnxModel.Constant("columnShape", _columnShape),
        },
        Node =
        {
            OnnxModel.Node("Softmax", [Logits], "probabilities", ("axis", 1)),
            OnnxModel.Node("GatherElements", ["probabilities", Targets], "target", ("axis", 1)),
            OnnxModel.Node("Log", ["target"], "chosen"),
            OnnxModel.Node("ReduceMean", ["chosen"], "mean"),
            OnnxModel.Node("Neg", ["mean"], Loss),
            OnnxModel.Node("Mul", ["probabilities", "scale"], "scaled"),
            OnnxModel.Node("Expand", ["minusScale", "columnShape"], "updates"),
            OnnxModel.Node("ScatterElements", ["scaled", Targets, "updates"], Gradient, ("axis", 1), ("reduction", "add")),
        },
    };

    private ValueInfoProto[] InputsOfModel()
        => [OnnxModel.Value(Logits, DataType.Float, _shape), OnnxModel.Value(Targets, DataType.Int64, _columnShape)];

    private static ValueInfoProto LossOfModel() => OnnxModel.Value(Loss, DataType.Float, [1, 1]);

    private unsafe OrtValue Value(AlignedFloats matrix) => OrtValue.CreateTensorValueWithData(
        OrtMemoryInfo.DefaultInstance,
        TensorElementType.Float,
        _shape,
        (nint)matrix.Pointer,
        (long)matrix.Length * sizeof(float));
}
