"""Backward passes: what they give, what they hold, what they refuse."""

import gc
import weakref

import numpy as np
import pytest

import flambeau as torch
from flambeau import recorder
from flambeau.autograd import GradcheckError, Variable, gradcheck, gradgradcheck
from flambeau.autograd import template as templates
from flambeau.core.gradient import GradNode


def leaf(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def double(*shape, seed=0, low=0.2, high=2.0):
    """Random double-precision numbers to differentiate at."""
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return torch.from_numpy(values).requires_grad_()


# ----- backward -----


def test_gradients_add_up_in_place():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    assert first.tolist() == [2, 4]
    (3 * x).sum().backward()
    assert x.grad is first and first.tolist() == [5, 7]


def test_every_way_to_a_leaf_counts():
    x = leaf(3.0)
    y = x * x
    (y * x + y + x).backward()
    assert x.grad.item() == 3 * 9 + 2 * 3 + 1


def test_gradients_fit_what_they_belong_to():
    x, y = leaf(1.0, 2.0), torch.ones(3, 1, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (torch.float32, [3, 3])
    assert (y.grad.dtype, y.grad.tolist()) == (torch.float64, [[3], [3], [3]])


def test_each_leaf_has_a_gradient_of_its_own():
    x, y = leaf(1.0), leaf(1.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.item() == 1


def test_the_gradient_passed_in_is_not_touched():
    x, g = leaf(1.0), torch.ones(1)
    x.backward(g)
    x.backward(g)
    assert (x.grad.item(), g.item()) == (2, 1)


def test_what_a_hook_keeps_is_not_touched():
    x, kept = leaf(1.0), []
    y = x + 1
    y.register_hook(kept.append)
    y.sum().backward()
    y.sum().backward()
    assert [g.item() for g in kept] == [1, 1]


def test_derivatives_of_derivatives():
    x = leaf(0.5, dtype=torch.float64)
    y = x.sin()
    for expected in (np.cos(0.5), -np.sin(0.5), -np.cos(0.5), np.sin(0.5)):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_inputs_limit_the_pass():
    x, w = leaf(2.0), leaf(5.0)
    ran = []
    h = x * 3
    h.grad_fn.register_hook(lambda inputs, outputs: ran.append("h"))
    (h * w).sum().backward(inputs=[w])
    assert (x.grad, w.grad.item(), ran) == (None, 6, [])


def test_a_leaf_that_nobody_holds():
    x = leaf(2.0)
    y = (x * leaf(3.0)).sum()
    y.backward()
    assert x.grad.item() == 3


# ----- a second pass -----


def test_a_second_pass_needs_retain_graph():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8
    with pytest.raises(RuntimeError, match=r"MulBackward0: .*second time .*retain_graph=True"):
        y.backward()


def test_where_nothing_was_saved_a_second_pass_is_possible():
    x = leaf(2.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    (y + 1).backward()
    assert x.grad.item() == 3


def test_no_gradient_is_dropped_silently_behind_a_spent_graph():
    x, w = leaf(2.0), leaf(5.0)
    y = x * x
    y.sum().backward()
    sums = y + w
    sums = sums + w
    sums = sums + w
    with pytest.raises(RuntimeError, match="second time"):
        sums.sum().backward()
    assert torch.autograd.grad(sums.sum(), w)[0].item() == 3
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(sums.sum(), x)


def test_a_spent_sum_is_an_error_for_whatever_may_lie_behind_it():
    x, w, total = leaf(2.0), leaf(5.0), 0
    for _ in range(4):
        loss = (x * x).sum()
        loss.backward()
        total = total + loss
    for pass_ in (
        lambda: total.backward(),
        lambda: (total + w).sum().backward(),
        lambda: torch.autograd.grad((total * x).sum(), x),
    ):
        with pytest.raises(RuntimeError, match="second time"):
            pass_()
    y = (total * 2).requires_grad_()
    assert torch.autograd.grad(y * 3, y)[0].item() == 3


# ----- memory -----


def test_a_pass_lets_go_of_saved_values():
    x = leaf(*range(1000))
    y = x.exp()
    z = (y * y).sum()
    z.item()
    value = weakref.ref(y._value("test"))
    z.backward(retain_graph=True)
    del y
    assert x.grad is not None and value() is not None
    z.backward()
    torch.synchronize()
    assert value() is None or value() is x.grad._value(
        "test"
    )  # whose memory the gradient may have taken over


def test_values_are_let_go_of_during_the_pass():
    x = leaf(1.0)
    h = x.exp()
    y = h.exp()
    younger = y.grad_fn
    seen = []
    h.register_hook(lambda g: seen.append((younger.released, younger.out)))
    y.sum().backward()
    assert seen == [(True, None)]


def graph_functions():
    return sum(type(o) is GradNode for o in gc.get_objects())


@pytest.mark.parametrize("first", ["backward", "sum"])
def test_a_running_sum_of_losses_holds_no_more_than_a_step(first):
    w, total, average = leaf(1.0, 2.0), torch.zeros(()), torch.zeros(())
    counts = []
    for step in range(60):
        loss = ((w * w).exp() * 1e-3).mean()
        if first == "backward":
            loss.backward()
        total += loss
        average = 0.9 * average + 0.1 * loss
        if first == "sum":
            loss.backward()
        if step in (10, 59):
            gc.collect()
            counts.append(graph_functions())
    assert counts[1] <= counts[0]
    assert total.item() == pytest.approx(60 * loss.item())


def test_graphs_are_freed_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        before = graph_functions()
        x = leaf(1.0)
        x.register_hook(lambda g: g * 2)
        h = x * 2
        h.retain_grad()
        y = (h.exp() * h).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        y.backward()
        del h, y, g
        assert graph_functions() == before
    finally:
        gc.enable()


@pytest.mark.slow
def test_a_long_chain_overflows_nothing():
    x = leaf(1.0)
    y = x
    for i in range(60_000):
        y = y * 1.0 if i % 3 else y.view(1)
    y.backward()
    assert x.grad.item() == 1
    del y
    torch.synchronize()


# ----- grad -----


def test_grad_leaves_grad_alone():
    x = leaf(3.0)
    (g,) = torch.autograd.grad((x * x).sum(), x)
    assert (g.item(), x.grad) == (6, None)


def test_grad_of_what_is_not_used():
    x, w = leaf(3.0), leaf(1.0, 2.0)
    y = x.exp().sum()
    with pytest.raises(RuntimeError, match=r"index 1 .*allow_unused=True"):
        torch.autograd.grad(y, [x, w], retain_graph=True)
    assert torch.autograd.grad(y, [x, w], allow_unused=True, retain_graph=True)[1] is None
    assert torch.autograd.grad(y, [x, w], materialize_grads=True)[1].tolist() == [0, 0]


def test_grads_batched():
    x, w = leaf(1.0, 2.0), leaf(3.0)
    g, none = torch.autograd.grad(
        [x * x, x.sum()],
        [x, w],
        [torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([0.0, 0.0, 1.0])],
        is_grads_batched=True,
        allow_unused=True,
    )
    assert (g.tolist(), none) == ([[2, 0], [0, 4], [3, 5]], None)
    with pytest.raises(ValueError, match="first dimension"):
        torch.autograd.grad(x * x, x, torch.ones(0, 2), is_grads_batched=True)


# ----- hooks -----


def test_hooks_on_a_leaf_run_as_soon_as_its_gradient_is_there():
    """In time for an optimizer step within the pass: the gradient can be dropped before older ones are
    computed.
    """
    w1, w2, log = leaf(2.0), leaf(3.0), []

    def step(w):
        log.append([None if p.grad is None else p.grad.item() for p in (w1, w2)])
        w.grad = None

    for w in (w1, w2):
        w.register_post_accumulate_grad_hook(step)
    (w1 * 5 * w2 + w2).sum().backward()
    assert log == [[None, 11.0], [15.0, None]]


def test_a_hook_survives_switching_gradients_off_and_on():
    x, seen = leaf(1.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    x.requires_grad_(False)
    x.requires_grad_(True)
    (x * 3).sum().backward()
    assert seen == [3]


def test_handles():
    x, seen = leaf(1.0), []
    handle = x.register_hook(lambda g: seen.append(1))
    with x.register_post_accumulate_grad_hook(lambda x: seen.append(2)):
        (x * 1).sum().backward()
    handle.remove()
    handle.remove()
    (x * 1).sum().backward()
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("answer", "error", "rule"),
    [
        (lambda g: 3, TypeError, r"'answer': .*returned 'int'"),
        (
            lambda g: torch.ones(2),
            RuntimeError,
            r"'answer' has changed the size of value \(was \(1,\), got \(2,\)\)",
        ),
        (lambda g: g.double(), RuntimeError, r"'answer' has changed the type .*float32, got torch.float64"),
    ],
)
def test_hooks_must_return_something_like_the_gradient(answer, error, rule):
    answer.__name__ = "answer"
    x = leaf(1.0)
    x.register_hook(answer)
    with pytest.raises(error, match=rule):
        x.sum().backward()


# ----- errors -----


@pytest.mark.parametrize(
    ("call", "error", "rule"),
    [
        (lambda x: torch.ones(1).backward(), RuntimeError, "element 0 .*requires_grad=True"),
        (lambda x: torch.autograd.backward([x.sum(), torch.ones(1)]), RuntimeError, "element 1"),
        (lambda x: x.backward(), RuntimeError, r"only for scalar outputs, this one has shape \(2,\)"),
        (
            lambda x: x.backward(torch.ones(3)),
            RuntimeError,
            r"shape of \(3,\) and output\[0\] has a shape of \(2,\)",
        ),
        (lambda x: x.backward(torch.ones(2) * 1j), RuntimeError, "complex64"),
        (lambda x: x.backward(3), TypeError, "got int"),
        (lambda x: torch.autograd.backward(3), TypeError, "expected a Tensor, got int"),
        (
            lambda x: torch.autograd.backward([x, x], [torch.ones(2)]),
            RuntimeError,
            "2 tensors and 1 gradients",
        ),
        (lambda x: x.sum().backward(inputs=()), RuntimeError, "cannot be empty"),
        (lambda x: x.sum().backward(inputs="x"), RuntimeError, "Tensors, but got str"),
        (lambda x: torch.autograd.backward(x, 1, grad_variables=1), RuntimeError, "grad_tensors"),
        (lambda x: torch.autograd.grad(x.sum(), x, only_inputs=False), ValueError, "only_inputs"),
        (lambda x: torch.autograd.grad(x.sum(), torch.ones(1)), RuntimeError, "does not require grad"),
        (lambda x: (x * 2).register_post_accumulate_grad_hook(print), RuntimeError, "non-leaf"),
        (lambda x: Variable(3), TypeError, "got int"),
    ],
)
def test_errors(call, error, rule):
    with pytest.raises(error, match=rule):
        call(leaf(1.0, 2.0))


def test_an_error_leaves_the_grad_mode_alone():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert torch.is_grad_enabled()


# ----- values written in place -----


@pytest.mark.parametrize("name", ["mul_", "div_", "pow_"])
def test_an_operation_may_replace_what_it_saved(name):
    x, w = leaf(1.0, 2.0), leaf(3.0)
    y = x * 1
    getattr(y, name)(w)
    expected = torch.autograd.grad(getattr(x * 1, name.strip("_"))(w).sum(), [x, w])
    assert [g.tolist() for g in torch.autograd.grad(y.sum(), [x, w])] == [g.tolist() for g in expected]


def test_what_others_saved_may_not_be_replaced():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.mul_(2)
    with pytest.raises(
        RuntimeError, match=r"MulBackward0: .*inplace operation: .*version 1; expected version 0"
    ):
        z.sum().backward()


# ----- gradcheck -----

FUNCTIONS = {
    "products": (lambda x, y: (x * y + x / y, x @ y.t()), 2),
    "broadcast": (lambda x, y: x[0] * y, 2),
    "powers": (lambda x, y: x**y, 2),
    "exponentials": (lambda x: (x.exp(), x.log(), x.tanh(), x.sigmoid()), 1),
    "trigonometry": (lambda x: x.sin() * x.cos(), 1),
    "reductions": (lambda x: (x.sum(0), x.mean(), x.prod(1), x.amax(1)), 1),
    "normalised": (lambda x: x.log_softmax(1), 1),
    "views": (lambda x: (x[0, 1:], x.t().reshape(-1), x.expand(2, 2, 3)), 1),
    "writes": (lambda x, y: (x * 1).mul_(y), 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_differences(name):
    func, n = FUNCTIONS[name]
    inputs = tuple(double(2, 3, seed=i) for i in range(n))
    assert gradcheck(func, inputs, check_grad_dtypes=True)
    assert gradgradcheck(func, inputs)


def test_complex_gradients_agree_with_differences():
    z = torch.from_numpy(np.array([0.5 + 1j, -1 + 0.3j])).requires_grad_()
    x = double(2)
    func = lambda z, x: (z * z.conj() * x, (z * x).exp(), z.abs(), (z / x).real)  # noqa: E731
    assert gradcheck(func, (z, x))
    assert gradgradcheck(func, (z, x))


def test_gradcheck_restores_its_inputs():
    x = double(2)
    before = x.tolist()
    version = x._version
    assert gradcheck(lambda *_: x.exp(), x)
    assert (x.tolist(), x._version, x.grad) == (before, version, None)


class _Wrong(torch.autograd.Function):
    """The square, with a backward that is wrong in the way asked for."""

    calls = 0

    @staticmethod
    def forward(ctx, x, how):
        ctx.how = how
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(how != "none")
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        _Wrong.calls += 1
        right = 2 * x * g
        return {
            "factor": right * 1.01,
            "constant": right + 1e-7,
            "random": right * (1 + 1e-9 * _Wrong.calls),
            "none": right,
        }[ctx.how], None


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("factor", "Jacobian mismatch for output 0 with respect to input 0"),
        ("constant", "not multiplied by grad_output"),
        ("random", "not reentrant"),
    ],
)
def test_gradcheck_finds_wrong_gradients(how, rule):
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with pytest.raises(GradcheckError, match=rule):
        gradcheck(lambda x: _Wrong.apply(x, how), x)
    assert gradcheck(lambda x: _Wrong.apply(x, how), x, raise_exception=False) is False


def test_gradcheck_shows_both_matrices():
    x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    with pytest.raises(
        GradcheckError, match=r"output 0 .*input 0(?s:.*)numerical:\[\[6\..*\]\]\nanalytical:\[\[6\.06"
    ):
        gradcheck(lambda x: _Wrong.apply(x, "factor"), x)


def test_gradcheck_tries_missing_gradients():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    func = lambda x: _Wrong.apply(x, "none")  # noqa: E731
    with pytest.raises(GradcheckError, match="undefined output grads"):
        gradcheck(func, x)
    assert gradcheck(func, x, check_undefined_grad=False)


def test_gradcheck_of_what_has_no_gradient():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: x.detach() * 0, x)
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, x)


def test_gradcheck_refuses():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    for flag in ("check_batched_grad", "check_forward_ad", "fast_mode", "masked"):
        with pytest.raises(ValueError, match=f"{flag}=True is not supported"):
            gradcheck(torch.exp, x, **{flag: True})
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(torch.exp, x.detach())
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(torch.exp, x[:1].expand(3))
    with pytest.warns(UserWarning, match="input #0 .*float32"):
        gradcheck(torch.exp, leaf(1.0), eps=1e-2, atol=1e-2)


def test_a_pass_repeats_though_formulas_looked_at_parts_of_a_gradient(monkeypatch):
    monkeypatch.setattr(torch.config, "mode", "auto")  # where work waits
    recorder.relax()
    replays = []
    replay = templates.replay
    monkeypatch.setattr(templates, "replay", lambda *a: replays.append(replay(*a)) or replays[-1])
    torch.manual_seed(0)
    layer, x = torch.nn.GRU(3, 4), torch.randn(5, 2, 3)
    passes = []
    for _ in range(3):
        layer.zero_grad()
        layer(x)[0].sum().backward()
        passes.append([p.grad.clone() for p in layer.parameters()])
    assert len(replays) == 2 and None not in replays
    for again in passes[1:]:
        for a, b in zip(passes[0], again, strict=True):
            assert torch.equal(a, b)
