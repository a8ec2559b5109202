using F = TorchSharp.torch.nn.functional;

namespace PtxLosses.Torch.Tests;

public class SmokeTests
{
    [TorchFact]
    public void Cross_entropy_is_torchs()
    {
        using var scope = torch.NewDisposeScope();
        Tensor x = torch.randn(6, 11, requires_grad: true), y = torch.randint(0, 11, [6]);
        Tensor mine = ptx.cross_entropy(x, y);
        mine.backward();
        Tensor x2 = x.detach().clone().requires_grad_();
        Tensor other = F.cross_entropy(x2, y);
        other.backward();
        torch.allclose(mine, other).Should().BeTrue();
        torch.allclose(x.grad!, x2.grad!, atol: 1e-7).Should().BeTrue();
    }

    [TorchFact]
    public void In_place()
    {
        using var scope = torch.NewDisposeScope();
        Tensor h = torch.randn(6, 5, requires_grad: true), w = torch.randn(11, 5, requires_grad: true), y = torch.randint(0, 11, [6]);
        Tensor x = F.linear(h, w);
        Tensor mine = ptx.cross_entropy(x, y, inplace: true) * 3;
        mine.backward();
        Tensor h2 = h.detach().clone().requires_grad_(), w2 = w.detach().clone().requires_grad_();
        Tensor other = F.cross_entropy(F.linear(h2, w2), y) * 3;
        other.backward();
        torch.allclose(mine, other).Should().BeTrue();
        torch.allclose(h.grad!, h2.grad!, atol: 1e-6).Should().BeTrue();
        torch.allclose(w.grad!, w2.grad!, atol: 1e-6).Should().BeTrue();
        Tensor t = torch.tanh(F.linear(h, w));
        Action act = () => ptx.cross_entropy(t, y, inplace: true).backward();
        act.Should().Throw<Exception>().WithMessage("*modified by an inplace*");
        Tensor twice = ptx.cross_entropy(F.linear(h, w), y);
        twice.backward(retain_graph: true);
        Action again = () => twice.backward(retain_graph: true);
        again.Should().Throw<Exception>().WithMessage("*modified by an inplace*");
    }
}
