using PtxLosses;
using PtxLosses.Torch;
using TorchSharp;
using TorchSharp.Modules;
using F = TorchSharp.torch.nn.functional;
using Tensor = TorchSharp.torch.Tensor;

OlderLinux.Prepare();

// A step of gradient descent by each way, with numbers that ConsumerTests knows.
Tensor hidden = torch.eye(2), targets = torch.tensor(new long[] { 0, 1 }), rl = torch.tensor(1.5f);
var options = new PtxLossOptions { Statistics = LossStatistics.Accuracy };

using (Linear head = Head())
{
    Tensor total = ptx.loss(rl, head.forward(hidden), targets, 0.1, out PtxLossResult result, options);
    Print("loss", (float)result.LanguageModelLoss);
    Print("with the RL loss", total.item<float>());
}

Step("weight", head => ptx.cross_entropy(head.forward(hidden), targets, options));
Step("in place", head => ptx.cross_entropy(head.forward(hidden), targets, inplace: true));
Step("from hidden states", head => ptx.linear_cross_entropy(hidden, head.weight, targets));
Step("torch", head => F.cross_entropy(head.forward(hidden), targets));

using (Linear head = Head())
{
    (Tensor log_probs, Tensor entropy) = ptx.token_log_probs(head.forward(hidden), targets);
    Print("per token", log_probs.data<float>().ToArray());
}

try
{
    ptx.cross_entropy(hidden, targets.to_type(torch.float32));
}
catch (ArgumentException exception)
{
    Console.WriteLine(exception.Message);
}

static void Step(string name, Func<Linear, Tensor> loss)
{
    using var scope = torch.NewDisposeScope();
    using Linear head = Head();
    using var optimizer = torch.optim.SGD(head.parameters(), 1);
    loss(head).backward();
    optimizer.step();
    Print(name, head.weight.data<float>().ToArray());
}

static Linear Head()
{
    Linear head = torch.nn.Linear(2, 3, hasBias: false);
    using var noGrad = torch.no_grad();
    head.weight.copy_(torch.tensor(new[,] { { 2, 0.5f }, { 1, 2.5f }, { 0.1f, 0.3f } }));
    return head;
}

static void Print(string name, params float[] numbers)
    => Console.WriteLine($"{name}: {string.Join(" ", numbers.Select(number => $"{number:F4}"))}");
