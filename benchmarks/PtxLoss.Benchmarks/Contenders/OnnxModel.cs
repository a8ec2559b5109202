using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;
using static Onnx.TensorProto.Types;

namespace PtxLosses.Benchmarks;

/// <summary>Parts of a model of ONNX, in short.</summary>
internal static class OnnxModel
{
    /// <summary>The model of a graph, as a file would hold it.</summary>
    public static byte[] Bytes(GraphProto graph) => new ModelProto
    {
        IrVersion = 8,
        OpsetImport = { new OperatorSetIdProto { Version = 18 } },
        Graph = graph,
    }.ToByteArray();

    /// <summary>An operation; attributes are whole numbers or texts.</summary>
    public static NodeProto Node(
        string type, string[] inputs, string output, params (string Name, object Value)[] attributes)
        => new()
        {
            OpType = type,
            Input = { inputs },
            Output = { output },
            Attribute = { attributes.Select(it => Attribute(it.Name, it.Value)) },
        };

    /// <summary>Name, type and shape of an input or output.</summary>
    public static ValueInfoProto Value(string name, DataType type, long[] shape)
    {
        var dimensions = new TensorShapeProto();
        dimensions.Dim.AddRange(shape.Select(size => new TensorShapeProto.Types.Dimension { DimValue = size }));
        return new()
        {
            Name = name,
            Type = new() { TensorType = new() { ElemType = (int)type, Shape = dimensions } },
        };
    }

    /// <summary>A constant of floats.</summary>
    public static TensorProto Constant(string name, long[] shape, float value)
        => new() { Name = name, DataType = (int)DataType.Float, Dims = { shape }, FloatData = { value } };

    /// <summary>A constant of whole numbers.</summary>
    public static TensorProto Constant(string name, long[] values)
        => new() { Name = name, DataType = (int)DataType.Int64, Dims = { values.LongLength }, Int64Data = { values } };

    private static AttributeProto Attribute(string name, object value) => value is int number
        ? new() { Name = name, Type = AttributeType.Int, I = number }
        : new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8((string)value) };
}
