"""`torch.utils.checkpoint`: the same numbers, in less memory."""

import tracemalloc

import pytest

import flambeau as torch
from flambeau.core.config import config
from flambeau.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.ReLU(), torch.nn.Linear(8, 4)
    )


def gradients(net, x, f):
    torch.manual_seed(5)
    for t in (x, *net.parameters()):
        t.grad = None
    y = f()
    y.pow(2).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in net.parameters())]


@pytest.mark.parametrize("use_reentrant", [True, False, None])
def test_the_same_numbers_with_the_same_random_ones(use_reentrant):
    net, x = network(), torch.randn(3, 4, requires_grad=True)
    want = gradients(net, x, lambda: net(x))
    got = gradients(net, x, lambda: checkpoint(net, x, use_reentrant=use_reentrant))
    parts = gradients(net, x, lambda: checkpoint_sequential(net, 2, x, use_reentrant=use_reentrant))
    assert all(map(torch.equal, got, want)) and all(map(torch.equal, parts, want))


def test_the_function_runs_again_and_draws_nothing_from_the_stream():
    runs = []

    def function(x):
        runs.append(torch.rand(1).item())
        return x * 2

    x = torch.ones(2, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False)
    state = torch.get_rng_state()
    y.sum().backward()
    assert len(runs) == 2 and runs[0] == runs[1]
    assert torch.equal(torch.get_rng_state(), state)
    checkpoint(function, x, use_reentrant=False, preserve_rng_state=False).sum().backward()
    assert runs[2] != runs[3]


def test_gradients_of_what_the_function_uses_besides_its_arguments():
    w = torch.tensor(3.0, requires_grad=True)
    h = w * 2
    checkpoint(lambda x: x * h * w, torch.ones(2), use_reentrant=False).sum().backward()
    assert w.grad.item() == 2 * 4 * 3
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not checkpoint(lambda x: x * w, torch.ones(2), use_reentrant=True).requires_grad


def test_hooks_run_once():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g * 10)
    h = x * 3
    h.register_hook(lambda g: g + 1)
    checkpoint(lambda t: t * h * t, x, use_reentrant=False).sum().backward()
    assert x.grad.tolist() == [10 * (6 + 3 * 2), 10 * (24 + 3 * 5)]


def test_second_derivatives_and_autograd_grad():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(checkpoint(lambda t: t**3, x, use_reentrant=False).sum(), x, create_graph=True)
    g.sum().backward()
    assert g.tolist() == [3, 12] and x.grad.tolist() == [6, 12]


def test_nested_results_and_keyword_arguments():
    x = torch.ones(2, requires_grad=True)
    out = checkpoint(lambda a, *, c: {"u": (a * c, 3), "v": [a.long()]}, x, c=2.0, use_reentrant=False)
    assert out["u"][1] == 3 and not out["v"][0].requires_grad
    out["u"][0].sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_checkpoints_inside_of_checkpoints():
    x = torch.tensor(2.0, requires_grad=True)
    inner = lambda t: checkpoint(torch.exp, t * t, use_reentrant=False)  # noqa: E731
    y = checkpoint(inner, x, use_reentrant=False)
    y.backward()
    assert torch.isclose(x.grad, 4 * y)


def test_without_gradients_nothing_is_kept():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not checkpoint(torch.exp, x, use_reentrant=False).requires_grad
    assert checkpoint(torch.exp, torch.ones(2), use_reentrant=False).requires_grad is False


def test_errors():
    x, calls = torch.ones(3, requires_grad=True), []

    def fickle(t):
        calls.append(0)
        return t[: len(calls)] * 2

    with pytest.raises(CheckpointError, match=r"must do the same each time"):
        checkpoint(fickle, x, use_reentrant=False).sum().backward()
    with pytest.raises(ValueError, match="Unexpected keyword arguments: c"):
        checkpoint(lambda t, c: t, x, c=1, use_reentrant=True)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(torch.exp, x, use_reentrant=False, determinism_check="x")
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo"):
        checkpoint_sequential([torch.exp], 1, x, foo=1)


def test_it_takes_less_memory(monkeypatch):
    monkeypatch.setattr(config, "mode", "interpret")  # whose arrays Python counts
    layers = [torch.nn.Sequential(torch.nn.Linear(32, 256), torch.nn.Tanh(), torch.nn.Linear(256, 32))] * 6
    x = torch.randn(256, 32)

    def peak(run):
        tracemalloc.start()
        h = x
        for layer in layers:
            h = run(layer, h)
        h.sum().backward()
        torch.synchronize()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    plain = peak(lambda layer, h: layer(h))
    assert peak(lambda layer, h: checkpoint(layer, h, use_reentrant=False)) < 0.6 * plain
