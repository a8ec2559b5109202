using System.Numerics.Tensors;
using PtxLosses;

// Each part of the API once, with numbers that ConsumerTests knows.
float[] logits = [2.0f, 1.0f, 0.1f, 0.5f, 2.5f, 0.3f];
int[] targets = [0, 1];

Print("spans", PtxLoss.Compute(rlLoss: 1.5, logits, targets, vocabularySize: 3, ptxCoefficient: 0.1).Total);

float[] gradient = new float[6];
PtxLossResult result = PtxLoss.ComputeWithGradient(1.5, logits, targets, 3, ptxCoefficient: 1, gradient);
Print("result", result.RlLoss, result.PtxCoefficient, result.LanguageModelLoss, result.ZLoss, result.PtxTerm);
Print("tokens", result.TokenCount, result.Perplexity);
Print("gradient", gradient);

Print("double", PtxLoss.Compute(0, Convert(x => (double)x), new long[] { 0, 1 }, 3, 1).Total);
Print("Half", PtxLoss.Compute(0, Convert(x => (Half)x), new byte[] { 0, 1 }, 3, 1).Total);
Print("BFloat16", PtxLoss.Compute(0, Convert(x => (BFloat16)x), new ulong[] { 0, 1 }, 3, 1).Total);

Tensor<float> tensor = Tensor.Create(logits, [1, 2, 3]), tensorGradient = Tensor.CreateFromShape<float>([1, 2, 3]);
Tensor<int> targetTensor = Tensor.Create(targets, [1, 2]);
Print("tensors", PtxLoss.ComputeWithGradient(1.5, tensor, targetTensor, ptxCoefficient: 0.1, tensorGradient).Total);
var padded = new ReadOnlyTensorSpan<float>([2.0f, 1.0f, 0.1f, 99, 0.5f, 2.5f, 0.3f, 99], [2, 3], [4, 1]);
Print("strides", PtxLoss.Compute(1.5, padded, new ReadOnlyTensorSpan<int>(targets, [2]), ptxCoefficient: 0.1).Total);
Print("shifted", PtxLoss.Compute(0, tensor, targetTensor, ptxCoefficient: 1, new PtxLossOptions { ShiftTargets = true }).Total);
Print("counts", PtxLoss.Denominator([0, -100, 1]), PtxLoss.Denominator(targetTensor));

Tensor<float> hidden = Tensor.Create<float>([0.5f, -1, 0.2f, 0.8f], [2, 2]);
Tensor<float> weight = Tensor.Create<float>([1, -2, 0.3f, 0.4f, -1, 1.5f], [3, 2]);
Tensor<float> hiddenGradient = Tensor.CreateFromShape<float>([2, 2]), weightGradient = Tensor.CreateFromShape<float>([3, 2]);
Print("hidden", PtxLoss.ComputeFromHidden(1.5, hidden, weight, [0, 2], 0.1).Total);
PtxLoss.ComputeFromHiddenWithGradient(
    1.5, hidden, weight, [0, 2], 0.1, new() { Hidden = hiddenGradient, Weight = weightGradient });
Print("weight gradient", [.. weightGradient]);

double[] loss = new double[2], entropy = new double[2], logSumExp = new double[2];
CrossEntropy.Forward(logits, [0, 2], 3, new CrossEntropyOutputs { Loss = loss, Entropy = entropy, LogSumExp = logSumExp });
CrossEntropy.Backward(logits, [0, 2], 3, new() { LogSumExp = logSumExp }, new() { Loss = [0.5, -1.0] }, logitsGradient: gradient);
Print("per token", [.. loss, .. entropy]);
Print("policy gradient", gradient);

var accumulator = new PtxLossAccumulator();
var rest = new PtxLossAccumulator();
accumulator.Add(PtxLoss.Compute(0, logits[..3], targets[..1], 3, 1));
rest.Add(PtxLoss.Compute(0, logits[3..], targets[1..], 3, 1));
accumulator.Merge(rest);
Print("accumulator", accumulator.ToResult(1.5, 0.1).Total);

PtxLossOptions sum = PtxLossOptions.Default with { Reduction = LossReduction.Sum, ZLossCoefficient = 1e-4 };
sum = sum with { LogitSoftCap = 30, LabelSmoothing = 0.1 };
Print("options", PtxLoss.Compute(0, logits, targets, 3, 1, sum).Total);

float[] many = new float[64 * 4096]; // enough for several threads and for vectors
Print("threads", PtxLoss.Compute(0, many, new int[64], 4096, 1).Total, Math.Log(4096));

try
{
    PtxLoss.Compute(0, logits, [0, 3], 3, 1);
}
catch (ArgumentException exception)
{
    Console.WriteLine(exception.Message.Split('\n')[0]);
}

T[] Convert<T>(Func<float, T> converter) => [.. logits.Select(converter)];

static void Print<T>(string name, params ReadOnlySpan<T> numbers)
    => Console.WriteLine($"{name}: {string.Join(" ", numbers.ToArray().Select(number => $"{number:F4}"))}");
