"""`flambeau.compile`: a compiled function does what the function does, call by call; most calls are
replays."""

import copy
import dataclasses
import pickle
import threading
import warnings
from collections import deque, namedtuple

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.replay.compiled import Compiled, OptimizedModule
from flambeau.replay.replay import MISS, Replay


class Count:
    """How many calls were replayed."""

    def __init__(self, monkeypatch):
        self.replays = 0
        run = Replay.__call__

        def counting(replay, a):
            result = run(replay, a)
            self.replays += result is not MISS
            return result

        monkeypatch.setattr(Replay, "__call__", counting)


@pytest.fixture
def count(monkeypatch):
    return Count(monkeypatch)


@pytest.fixture(autouse=True)
def interpret(monkeypatch):
    """All calls run in the same way, so that results are equal to the last bit."""
    monkeypatch.setattr(torch.config, "mode", "interpret")


def plain(x):
    """Everything that can be seen of a result."""
    if isinstance(x, torch.Tensor):
        return ("tensor", x.dtype, tuple(x.shape), x.requires_grad, x.detach().tolist())
    if isinstance(x, (tuple, list)):
        return (type(x).__name__, *[plain(y) for y in x])
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if dataclasses.is_dataclass(x):
        return plain(vars(x))
    return (type(x).__name__, x)


def world(make, calls, compiled):
    """What the calls of a fresh function give, and all that is left of its state after each."""
    torch.manual_seed(0)
    f, state = make()
    if compiled:
        f = torch.compile(f)
    log = []
    for call in calls:
        try:
            result = call(f)
        except Exception as e:
            result = (type(e).__name__, str(e).split("\n")[0])
        log.append((plain(result), plain(state())))
    return log, plain(torch.rand(2))


def same(make, calls, count=None, replays=None):
    """Whether the compiled function is the function; checks how many calls were replayed."""
    before = count.replays if count else 0
    want, got = world(make, calls, False), world(make, calls, True)
    for i, (a, b) in enumerate(zip(want[0], got[0], strict=True)):
        assert a == b, f"call {i}"
    assert want[1] == got[1]
    if replays is not None:
        assert count.replays - before >= replays


def batch(i, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(i))


def inputs(n, *shape):
    return [lambda f, i=i: f(batch(i, *shape)) for i in range(n)]


# ----- functions -----


def test_a_pure_function(count):
    same(lambda: (lambda x: (x * 2 + 1).sum(), lambda: None), inputs(6, 3), count, 4)


def test_results_are_fresh_each_time():
    f = torch.compile(lambda x: x + 1)
    xs = [torch.full((2,), float(i)) for i in range(5)]
    ys = [f(x) for x in xs]
    assert [y.tolist() for y in ys] == [[i + 1.0] * 2 for i in range(5)]
    ys[-1].zero_()
    assert ys[-2].tolist() == [4.0, 4.0] and f(xs[4]).tolist() == [5.0, 5.0]


Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Output:
    logits: object
    count: int
    note: object = None


def test_containers_of_results(count):
    def make():
        def f(x, scale=2.0):
            y = x * scale
            return {
                "a": (y, [y, x, None, 3, "s"]),
                "p": Point(y + 1, y.sum().item()),
                "o": Output(y, x.shape[0]),
            }

        return f, lambda: None

    same(make, inputs(5, 3), count, 3)
    f = torch.compile(make()[0])
    for _ in range(4):
        x = torch.ones(3)
        r = f(x)
        assert r["a"][1][1] is x and r["a"][0] is r["a"][1][0] is r["o"].logits


def test_keyword_arguments_and_nested_ones(count):
    def make():
        def f(x, *, pair, by=1, flag=False):
            return (x + pair[0] * by, pair[1]["k"] - 1) if flag else x * by

        return f, lambda: None

    calls = [
        lambda f, i=i: f(batch(i, 2), pair=(batch(i + 9, 2), {"k": torch.ones(1)}), by=i % 2, flag=i % 3 == 0)
        for i in range(20)
    ]
    same(make, calls, count, 5)


def test_a_new_shape_or_dtype_is_recorded_anew(count):
    shapes = [3, 3, 3, 4, 4, 3, 4, 0, 0, 3]
    calls = [lambda f, n=n: f(torch.arange(n).float()) for n in shapes]
    calls += [lambda f: f(torch.arange(3)), lambda f: f(torch.arange(3)), lambda f: f(torch.ones(3).double())]
    same(lambda: (lambda x: (x * x, x.shape[0]), lambda: None), calls, count, 5)


def test_numbers_that_vary(count):
    same(
        lambda: (lambda x, a: x * a + (1 - a) ** 2, lambda: None),
        [lambda f, i=i: f(batch(i, 2), i * 0.5) for i in range(12)],
        count,
        7,
    )


def test_numbers_that_vary_and_decide(count):
    def f(x, i):
        return x * i if i % 4 else x - i

    same(lambda: (f, lambda: None), [lambda f, i=i: f(batch(i, 2), i) for i in range(12)])


def test_numbers_that_are_extents():
    same(
        lambda: (lambda x, n: x.expand(n, 2) + torch.zeros(n, 1), lambda: None),
        [lambda f, i=i: f(batch(i, 2), 1 + i % 5) for i in range(15)],
    )


def test_ints_floats_and_bools_are_not_the_same():
    calls = [
        lambda f, a=a: f(torch.ones(2, dtype=torch.int64), a)
        for a in (1, 1, 1.0, 1.0, True, True, 1, 0.0, -0.0)
    ]
    same(lambda: (lambda x, a: (x * a).dtype, lambda: None), calls)


# ----- state -----


def test_a_tensor_written_in_place(count):
    def make():
        total = torch.zeros(3)

        def f(x):
            total.add_(x)
            total[0] = 7
            return total * 2

        return f, lambda: (total, total._version)

    same(make, inputs(6, 3), count, 4)


def test_an_argument_written_in_place(count):
    def make():
        kept = []

        def call(f):
            x = torch.zeros(4, 3)
            f(x[1])
            kept.append((x, x._version))

        def f(x):
            x.mul_(2).add_(1)

        return f, lambda: list(kept), call

    def pair():
        f, state, make.call = make()
        return f, state

    same(pair, [lambda f: make.call(f)] * 5, count, 3)


def test_arguments_that_share_memory():
    def f(x, y):
        x.add_(1)
        return x + y

    def call(which):
        def run(f):
            a = torch.arange(6.0)
            pair = {
                "apart": (a, torch.ones(6)),
                "same": (a, a),
                "view": (a, a.view(6)),
                "other": (a[:3], a[3:]),
                "moved": (a[1:4], a[3:]),
            }[which]
            return f(*pair), a

        return run

    names = [
        "apart",
        "apart",
        "apart",
        "same",
        "same",
        "view",
        "view",
        "other",
        "moved",
        "other",
        "apart",
        "view",
    ] * 2
    same(lambda: (f, lambda: None), [call(n) for n in names])


def test_an_argument_that_is_state():
    def make():
        w = torch.ones(3)
        make.w = w

        def f(x):
            w.add_(1)
            return x * 1

        return f, lambda: w

    calls = [lambda f, i=i: f(make.w if i % 2 else torch.ones(3)) for i in range(10)]
    same(make, calls)


def test_results_that_are_arguments_or_views(count):
    def make():
        w = torch.arange(6.0)

        def f(x):
            return x, x[1:], w, w.view(2, 3), (x + 1).view(-1)[:2]

        return f, lambda: w

    same(make, inputs(5, 3), count, 3)
    f = torch.compile(make()[0])
    for _ in range(4):
        x = torch.ones(3)
        r = f(x)
        assert r[0] is x
        r[1][0] = 5
        assert x.tolist() == [1.0, 5.0, 1.0]
        r[3][0, 0] += 1
        assert r[2][0] == r[3][0, 0]


def test_a_closure_whose_tensor_is_rebound(count):
    def make():
        h = torch.zeros(2)

        def f(x):
            nonlocal h
            h = torch.tanh(h + x)
            return h.sum()

        def g():
            nonlocal h
            h = torch.ones(2)

        make.g = g
        return f, lambda: h

    same(make, [*inputs(5, 2), lambda f: make.g(), *inputs(4, 2)], count, 5)


def test_attributes_that_change(count):
    class Thing:
        def __init__(self):
            self.scale, self.count, self.on, self.last = 1.0, 0, True, None

        def step(self, x):
            self.count += 1
            self.last = x * self.scale
            return self.last if self.on else -self.last

    def make():
        make.thing = thing = Thing()
        return thing.step, lambda: (thing.scale, thing.count, thing.last)

    def setting(**values):
        return lambda f: vars(make.thing).update(values)

    calls = [
        *inputs(5, 2),
        setting(scale=2.0),
        *inputs(2, 2),
        setting(scale=3.0),
        *inputs(3, 2),
        setting(on=False),
        *inputs(4, 2),
    ]
    same(make, calls, count, 5)


SCALE = 1.0


def test_globals_that_change():
    def f(x):
        return x * SCALE

    def setting(value):
        def change(_):
            globals()["SCALE"] = value

        return change

    same(lambda: (f, lambda: SCALE), [setting(1.0), *inputs(4, 2), setting(2.0), *inputs(3, 2), setting(1.0)])


def test_a_list_that_grows_is_no_replay():
    def make():
        seen = []

        def f(x):
            seen.append(x.sum().item())
            return x + 1

        return f, lambda: seen

    with pytest.warns(UserWarning, match="not replayed.*changes seen"):
        same(make, inputs(8, 2))


def test_effects_are_no_replay(capsys):
    def f(x):
        print("here")
        return x + 1

    g = torch.compile(f)
    with pytest.warns(UserWarning, match="print"):
        for _ in range(8):
            g(torch.ones(1))
    assert capsys.readouterr().out == "here\n" * 8


def test_python_random_numbers_are_no_replay():
    import random

    def make():
        random.seed(0)
        return lambda x: x * random.random(), lambda: None

    with pytest.warns(UserWarning, match="random"):
        same(make, inputs(8, 2))


# ----- looking at values -----


def test_branching_on_what_is_computed():
    def f(x):
        return x * 2 if x.sum() > 0 else x - 1

    with pytest.warns(UserWarning, match=r"uses the value.*test_compile.py"):
        same(lambda: (f, lambda: None), inputs(10, 2))


def test_branching_with_fullgraph_is_an_error():
    @torch.compile(fullgraph=True)
    def f(x):
        return x * 2 if x.sum() > 0 else x - 1

    with pytest.raises(RuntimeError, match=r"fullgraph.*test_compile.py"):
        f(torch.ones(2))


def test_numbers_as_results(count):
    def f(x):
        loss = (x * x).mean()
        right = (x > 0).sum().item()
        return loss.item(), right, right / 4, 2 * loss.item() + 1, f.__name__

    same(lambda: (f, lambda: None), inputs(6, 4), count, 4)


def test_branching_on_an_argument(count):
    def f(x, flag):
        return x * 2 if flag.item() else x - 1

    calls = [lambda f, i=i: f(batch(i, 2), torch.tensor(i % 3 == 0)) for i in range(12)]
    same(lambda: (f, lambda: None), calls, count, 6)


def test_looking_in_the_middle_is_right():
    def f(x):
        y = x.sum()
        a = y.item()
        z = x * a
        return z, a, z.tolist()

    with pytest.warns(UserWarning):
        same(lambda: (f, lambda: None), inputs(8, 3))


# ----- modules -----


def net(*extra):
    return nn.Sequential(nn.Linear(4, 8), *extra, nn.ReLU(), nn.Linear(8, 3))


def test_a_module_in_evaluation(count):
    def make():
        model = net(nn.BatchNorm1d(8), nn.Dropout()).eval()

        def f(x):
            with torch.no_grad():
                return model(x)

        return f, lambda: model.state_dict()

    same(make, inputs(6, 5, 4), count, 4)


def test_a_compiled_module(count):
    torch.manual_seed(0)
    model = net(nn.Dropout())
    fast = torch.compile(model)
    assert isinstance(fast, nn.Module) and isinstance(fast, OptimizedModule) and fast._orig_mod is model
    assert list(fast.state_dict()) == ["_orig_mod." + k for k in model.state_dict()]
    assert next(n for n, _ in fast.named_parameters()) == "_orig_mod.0.weight"
    fast.eval()
    assert not model.training and not fast.training and not model[1].training and len(fast) == 4
    with torch.no_grad():
        for i in range(5):
            assert fast(batch(i, 2, 4)).tolist() == model(batch(i, 2, 4)).tolist()
    assert count.replays >= 3
    fast.train()
    assert model.training
    for i in range(6):  # differentiated: recorded each time
        torch.manual_seed(i)
        fast(batch(i, 2, 4)).sum().backward()
        got = model[0].weight.grad.tolist()
        model.zero_grad()
        torch.manual_seed(i)
        model(batch(i, 2, 4)).sum().backward()
        assert model[0].weight.grad.tolist() == got
        model.zero_grad()
    fast.extra = 3
    assert model.extra == 3 and fast.extra == 3
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        other.eval(), fast.eval()
        assert (
            other(torch.ones(1, 4)).tolist() == fast(torch.ones(1, 4)).tolist()
            and other._orig_mod is not model
        )


def test_modes_are_guarded(count):
    def make():
        make.model = model = net(nn.Dropout(0.5), nn.BatchNorm1d(8))

        def f(x):
            with torch.no_grad():
                return model(x)

        return f, lambda: model.state_dict()

    calls = [
        *inputs(4, 5, 4),
        lambda f: make.model.eval() and None,
        *inputs(4, 5, 4),
        lambda f: make.model.train() and None,
        *inputs(3, 5, 4),
    ]
    same(make, calls, count, 6)


def test_no_grad_around_and_inside():
    w = torch.ones(2, requires_grad=True)
    f = torch.compile(lambda x: x * w)
    for _ in range(8):
        assert f(torch.ones(2)).requires_grad
        with torch.no_grad():
            assert not f(torch.ones(2)).requires_grad
    f(torch.ones(2)).sum().backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_hooks_run():
    def make():
        make.model = model = net()

        def f(x):
            with torch.no_grad():
                return model(x)

        return f, lambda: None

    calls = [
        *inputs(4, 5, 4),
        lambda f: make.model[0].register_forward_hook(lambda m, i, o: o * 2) and None,
        *inputs(4, 5, 4),
    ]
    same(make, calls)


# ----- training -----


def training(optimizer, *extra, zero="first", loss_of=lambda loss: loss.item()):
    def make():
        model = net(*[layer() for layer in extra])
        opt = optimizer(model.parameters())
        training.model, training.opt = model, opt

        def step(x, y):
            if zero == "first":
                opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            if zero == "last":
                opt.zero_grad()
            return loss_of(loss)

        def state():
            grads = [p.grad for p in model.parameters()]
            return model.state_dict(), opt.state_dict(), grads, [p._version for p in model.parameters()]

        return step, state

    return make


def steps(n, size=6):
    return [
        lambda f, i=i: f(
            batch(i, size, 4), torch.randint(3, (size,), generator=torch.Generator().manual_seed(i))
        )
        for i in range(n)
    ]


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, lr_decay=0.1),
    "Adadelta": lambda p: torch.optim.Adadelta(p, lr=0.1),
    "Adamax": lambda p: torch.optim.Adamax(p, lr=0.01),
    "ASGD": lambda p: torch.optim.ASGD(p, lr=0.1, t0=2),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=0.01, momentum_decay=0.1),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "Adafactor": lambda p: torch.optim.Adafactor(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("zero", ["first", "last"])
def test_training_steps(name, zero, count):
    same(training(OPTIMIZERS[name], zero=zero), steps(10), count, 6)


def test_batch_norm_and_dropout_in_training(count):
    same(training(OPTIMIZERS["momentum"], lambda: nn.BatchNorm1d(8), nn.Dropout), steps(10), count, 6)


def test_gradients_that_add_up(count):
    same(training(OPTIMIZERS["SGD"], zero="never"), steps(8), count, 4)


def test_zeroing_outside(count):
    def zero(f):
        training.opt.zero_grad()

    same(training(OPTIMIZERS["Adam"], zero="never"), [c for s in steps(8) for c in (s, zero)], count, 4)


def test_gradients_filled_with_zeros(count):
    def make():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            opt.zero_grad(set_to_none=False)
            loss = model(x).square().mean()
            loss.backward()
            opt.step()
            return loss.detach()

        return step, lambda: [(p, p.grad) for p in model.parameters()]

    same(make, inputs(8, 5, 4), count, 5)


def test_a_loss_whose_graph_is_used_up(count):
    same(training(OPTIMIZERS["SGD"], loss_of=lambda loss: loss), steps(6), count, 4)
    f = torch.compile(training(OPTIMIZERS["SGD"], loss_of=lambda loss: loss)()[0])
    for call in steps(5):
        loss = call(f)
        assert loss.requires_grad and "Backward" in loss.grad_fn.name()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()


@pytest.mark.parametrize("name", ["momentum", "AdamW"])
def test_a_learning_rate_that_changes(name, count):
    def make():
        step, state = training(OPTIMIZERS[name])()
        make.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(training.opt, 10)
        return step, state

    calls = [c for s in steps(12) for c in (s, lambda f: make.scheduler.step())]
    same(make, calls, count, 7)


def test_other_hyper_parameters_that_change(count):
    def setting(**values):
        return lambda f: training.opt.param_groups[0].update(values)

    calls = [
        *steps(3),
        setting(weight_decay=0.0),
        *steps(3),
        setting(momentum=0.5),
        *steps(3),
        setting(nesterov=False),
        *steps(3),
        setting(lr=0.0),
        *steps(2),
    ]
    same(training(OPTIMIZERS["momentum"]), calls, count, 5)


def test_loading_a_state_between_calls(count):
    def load(f):
        torch.manual_seed(5)
        training.model.load_state_dict(net().state_dict())

    def load_opt(f):
        training.opt.load_state_dict(training.opt.state_dict())

    same(training(OPTIMIZERS["Adam"]), [*steps(4), load, *steps(4), load_opt, *steps(5)], count, 7)


def test_eval_and_freezing_between_calls():
    def freeze(f):
        training.model[0].requires_grad_(False)

    def scale(f):
        with torch.no_grad():
            training.model[0].weight.mul_(0.5)

    def rebind(f):
        training.model[0].weight.data = torch.ones(8, 4)

    calls = [
        *steps(4),
        lambda f: training.model.eval() and None,
        *steps(4),
        scale,
        *steps(2),
        rebind,
        *steps(3),
        freeze,
        *steps(3),
    ]
    same(training(OPTIMIZERS["momentum"], nn.Dropout), calls)


def test_a_last_batch_that_is_smaller(count):
    same(training(OPTIMIZERS["Adam"]), [*steps(4), *steps(1, 2), *steps(4), *steps(1, 2)], count, 4)


def test_an_accumulating_loop_inside(count):
    def make():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        total = torch.zeros(())

        def step(xs):
            opt.zero_grad()
            for x in xs:
                loss = model(x).square().mean() / len(xs)
                loss.backward()
                total.add_(loss.detach())
            opt.step()

        return step, lambda: (model.state_dict(), total)

    same(make, [lambda f, i=i: f([batch(i, 2, 4), batch(i + 50, 2, 4)]) for i in range(7)], count, 5)


def test_two_optimizers(count):
    def make():
        a, b = net(), net()
        opts = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (a, b)]

        def step(x):
            losses = []
            for m, opt in zip((a, b), opts, strict=True):
                opt.zero_grad()
                loss = (a(x) - b(x).detach()).square().mean() if m is a else (b(x) - 1).square().mean()
                loss.backward()
                opt.step()
                losses.append(loss.detach())
            return torch.stack(losses)

        return step, lambda: (a.state_dict(), b.state_dict())

    same(make, inputs(7, 5, 4), count, 4)


# ----- errors -----


def test_errors_are_those_of_the_function():
    def f(x, y):
        return (x @ y).sum()

    calls = [
        lambda f, n=n: f(torch.ones(2, 3), torch.ones(n, 2)) for n in (3, 3, 4, 3, 4, 4, 4, 4, 4, 4, 4, 3)
    ]
    same(lambda: (f, lambda: None), calls)


def test_errors_in_the_middle_leave_what_was_done():
    def make():
        total = torch.zeros(2)

        def f(x):
            total.add_(1)
            if x.shape[0] == 3:
                raise ValueError("three")
            return total * x

        return f, lambda: total

    same(make, [lambda f, n=n: f(torch.ones(n)) for n in (2, 2, 2, 3, 2, 3, 3, 2)])


def test_an_error_on_values():
    def f(x, i):
        return x[i] + 1

    g = torch.compile(f)
    for i in (0, 1, 2, 1):
        assert g(torch.arange(3), torch.tensor([i])).tolist() == [i + 1]
    with pytest.raises(IndexError):
        g(torch.arange(3), torch.tensor([5])).tolist()
    assert g(torch.arange(3), torch.tensor([1])).tolist() == [2]


# ----- the rest -----


def test_nested_compile(count):
    def make():
        model = torch.compile(net())
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        inner = torch.compile(lambda x: x.square().mean())

        def step(x):
            opt.zero_grad()
            loss = inner(model(x))
            loss.backward()
            opt.step()
            return loss.item()

        return step, lambda: model.state_dict()

    same(make, inputs(6, 5, 4), count, 4)


def test_methods_and_decorators(count):
    class Thing:
        def __init__(self, scale):
            self.scale = scale

        @torch.compile
        def f(self, x):
            return x * self.scale

        @torch.compile(fullgraph=True)
        def g(self, x):
            return x + self.scale

    a, b = Thing(2.0), Thing(3.0)
    for _ in range(5):
        assert (
            a.f(torch.ones(1)).item() == 2
            and b.f(torch.ones(1)).item() == 3
            and b.g(torch.ones(1)).item() == 4
        )
    assert count.replays >= 8 and Thing.f.__name__ == "f"


def test_options():
    def f(x):
        return x

    assert torch.compile(f, disable=True) is f
    assert torch.compile(f, mode="reduce-overhead", backend="inductor", dynamic=True)(3) == 3
    with pytest.raises(RuntimeError, match="mode"):
        torch.compile(f, mode="fast")
    with pytest.raises(RuntimeError, match="both"):
        torch.compile(f, mode="default", options={})
    with pytest.raises(RuntimeError, match="backend"):
        torch.compile(f, backend="none")
    with pytest.raises(TypeError):
        torch.compile(3)


def test_draws_are_those_of_the_function(count):
    generator = torch.Generator()

    def f(x):
        return F.dropout(x) + torch.rand(3) + torch.randn(3, generator=generator) * torch.randperm(3)

    def make():
        generator.manual_seed(3)
        return f, lambda: None

    same(make, [*inputs(5, 3), lambda f: torch.manual_seed(1) and None, *inputs(5, 3)], count, 6)


def test_seeding_inside():
    def f(x):
        torch.manual_seed(3)
        return x + torch.rand(2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(lambda: (f, lambda: None), inputs(8, 2))


def test_pending_work_before_and_after(count):
    def make():
        w = torch.zeros(3)
        make.w = w
        return (lambda x: w.add_(x).sum()), lambda: None

    def before(f):
        make.w.mul_(0.5)
        y = f(batch(1, 3) * 2)
        make.w.sub_(1)
        return y + 1, make.w

    same(make, [before] * 7, count, 5)


def test_memory_that_numpy_sees():
    def make():
        w = torch.zeros(3)
        make.array = w.numpy()
        return (lambda x: w.add_(x).sum()), lambda: w

    def poke(f):
        make.array[0] = 5

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(make, [*inputs(3, 3), poke, *inputs(6, 3), poke])


def test_threads():
    w = torch.zeros(2)

    def f(x):
        w.add_(x)
        return x * 2

    g, wrong = torch.compile(f), []

    def work(n):
        for i in range(30):
            x = torch.full((2,), float(n * 100 + i))
            if g(x).tolist() != [2.0 * (n * 100 + i)] * 2:
                wrong.append((n, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_arguments_are_let_go():
    import weakref

    f = torch.compile(lambda x: x + 1)
    refs = []
    for i in range(5):
        x = batch(i, 3)
        refs.append(weakref.ref(x))
        f(x)
        del x
    import gc

    gc.collect()
    assert all(r() is None for r in refs)


def test_values_before_an_update_stay(count):
    w = torch.zeros(2)

    @torch.compile
    def f():
        w.add_(1)

    seen = []
    for _ in range(6):
        seen.append(w + 0)
        copy_ = w.clone()
        f()
        seen.append(copy_)
    assert [s.tolist()[0] for s in seen] == [i // 2 for i in range(12)] and count.replays >= 4


def test_compiled_is_a_function():
    f = torch.compile(lambda x: x)
    assert callable(f) and not isinstance(f, Compiled)


def test_numpys_random_numbers_are_no_replay():
    def make():
        np.random.seed(0)
        return lambda x: x * np.random.rand(), lambda: None

    with pytest.warns(UserWarning, match=r"numpy\.random"):
        same(make, inputs(8, 2))


def test_hooks_on_parameters_run(count):
    def make():
        w = torch.ones(2, requires_grad=True)
        make.w, make.seen = w, []

        def f(x):
            w.grad = None
            (w * x).sum().backward()

        return f, lambda: (w.grad, make.seen)

    def hook(f):
        make.handle = make.w.register_hook(lambda g: make.seen.append(1) or g * 2)

    calls = [*inputs(4, 2), hook, *inputs(3, 2), lambda f: make.handle.remove(), *inputs(4, 2)]
    same(make, calls, count, 2)


def test_modes_changed_inside():
    def f(x):
        y = x * 2
        torch.set_grad_enabled(False)
        return y

    def call(g):
        with torch.enable_grad():
            return g(torch.ones(2)), torch.is_grad_enabled()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(lambda: (f, lambda: None), [call] * 7)


class Record:
    def __init__(self, loss):
        self.loss = loss


def test_stored_numbers_are_plain():
    class Log:
        def __init__(self):
            self.losses, self.records, self.last, self.recent = [], [], {}, deque(maxlen=3)

        def step(self, x):
            loss = (x * x).sum().item()
            self.losses.append({"loss": loss})
            self.records.append(Record(loss))
            self.recent.append(loss)
            self.last["loss"] = loss
            return loss

    log = Log()
    f = torch.compile(log.step)
    with pytest.warns(UserWarning, match="not replayed"):
        for i in range(8):
            assert type(f(batch(i, 2))) is float
    assert all(type(r.loss) is float for r in log.records) and type(log.last["loss"]) is float
    assert all(type(d["loss"]) is float for d in log.losses) and all(type(x) is float for x in log.recent)


@pytest.mark.parametrize("name", ["momentum", "Adam"])
def test_native_code(name, monkeypatch, count):
    monkeypatch.setattr(torch.config, "mode", "compile")
    want, got = (
        world(training(OPTIMIZERS[name], nn.Dropout), steps(8), compiled) for compiled in (False, True)
    )
    assert count.replays >= 4
    for a, b in zip(flat(want), flat(got), strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


def flat(x):
    """All numbers in a log."""
    if isinstance(x, dict):
        x = list(x.values())
    return (
        [z for y in x for z in flat(y)]
        if isinstance(x, (list, tuple))
        else [x]
        if isinstance(x, float)
        else []
    )
