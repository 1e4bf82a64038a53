"""What becomes one loop nest, and whose memory results use."""

from collections import OrderedDict

import numpy as np
import pytest
from op_programs import OpWriter, worlds
from programs import run

import flambeau as torch
from flambeau import recorder
from flambeau.compiler.fuse import Group, Look
from flambeau.compiler.memory import arrange
from flambeau.core.config import config
from flambeau.core.node import numel
from flambeau.core.program import programs
from flambeau.core.watch import Watcher, watchers

F = torch.nn.functional


class Plans(Watcher):
    """The schedules made while it watches, each with the scheduler and how many leaves there are."""

    def __init__(self):
        self.found = []

    def end(self, kind, about):
        if kind == "planned":
            work, _, scheduler, schedule = about
            self.found.append((schedule, scheduler, len(work.leaves)))


@pytest.fixture(autouse=True)
def plans(monkeypatch):
    monkeypatch.setattr(config, "mode", "compile")
    monkeypatch.setattr(programs, "programs", OrderedDict())  # no program is known
    watcher = Plans()
    watchers.append(watcher)
    yield watcher.found
    watchers.remove(watcher)
    monkeypatch.undo()
    recorder.relax()


def planned(plans, f):
    """The schedule of what `f` records."""
    recorder.flush("test")
    plans.clear()
    kept = f()
    recorder.flush("test")
    assert len(plans) == 1, kept
    return plans[0][0]


def data(*shape, grad=False):
    """Random numbers that are there already."""
    t = torch.tensor(np.random.default_rng(0).normal(size=shape), dtype=torch.float32)
    return t.requires_grad_(grad)


def place(t):
    """Where a tensor's elements are."""
    return t._value("test").__array_interface__["data"][0]


def nests(schedule):
    return [part.unit for part in schedule.work if isinstance(part.unit, Group)]


def calls(schedule):
    return sum(len(part.calls) for part in schedule.work)


# ----- what is one nest -----

ONE_NEST = {
    "pointwise": lambda x: (x * 2 + 1).relu().exp() * x,
    "softmax": lambda x: x.softmax(-1),
    "softmax of a column": lambda x: x.softmax(0),
    "log_softmax of something": lambda x: (x * 2).log_softmax(-1),
    "layer norm": lambda x: F.layer_norm(x, (256,), x[0], x[1]),
    "rms norm": lambda x: F.rms_norm(x, (256,), x[0]),
    "sum of squares of a row": lambda x: (x - 1).square().sum(1),
    "several reductions": lambda x: (x.sum(1), x.amax(1), x.var(1), x * 2),
    "gelu of a transposed view": lambda x: F.gelu(x.T),
}


@pytest.mark.parametrize("name", ONE_NEST)
def test_one_nest(name, plans):
    x = data(64, 256)
    schedule = planned(plans, lambda: ONE_NEST[name](x))
    assert len(nests(schedule)) == len(schedule.work) == calls(schedule) == 1


def test_what_lives_in_a_nest_only_has_no_memory(plans):
    x = data(64, 256)
    schedule = planned(plans, lambda: (x * 2).log_softmax(-1))
    assert (schedule.arena, schedule.offsets, list(schedule.fresh.values())) == (
        0,
        {},
        [((64, 256), torch.float32)],
    )


def test_cross_entropy_and_its_gradient(plans):
    x, labels = data(64, 10, grad=True), torch.tensor(np.arange(64) % 10)

    def f():
        loss = F.cross_entropy(x * 2, labels)
        return loss, torch.autograd.grad(loss, [x])

    schedule = planned(plans, f)
    looks = [part for part in schedule.work if isinstance(part.unit, Look)]
    assert (len(looks), len(nests(schedule))) == (1, 4)  # check of labels; rows; means over labels; gradient
    assert schedule.arena <= 2 * 64 * 10 * 4 + 1024  # x * 2 and exp(x - max), but no log_softmax


def test_batch_norm_in_training(plans):
    norm, x = torch.nn.BatchNorm2d(32), data(8, 32, 14, 14)
    planned(plans, lambda: [t.mul_(1) for t in norm.buffers()])
    schedule = planned(plans, lambda: norm(x))
    assert len(nests(schedule)) == len(schedule.work) <= 3  # statistics and result; running statistics; count


def test_gradients_of_a_bias(plans):
    x, w, b = data(64, 32), data(16, 32, grad=True), data(16, grad=True)

    def f():
        y = F.linear(x, w, b).relu()
        return torch.autograd.grad((y * y).sum(), [w, b])

    schedule = planned(plans, f)
    assert len(schedule.work) <= 4  # linear; gradient with the bias's; the weight's
    assert all(part.step is None for part in schedule.work)


# ----- memory -----


def optimizers():
    yield lambda p: torch.optim.SGD(p, lr=0.1), 1
    yield lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), 2
    yield lambda p: torch.optim.Adam(p, lr=0.1), 3
    yield lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1), 3


@pytest.mark.parametrize(("make", "count"), list(optimizers()))
def test_an_update_is_one_nest_in_place(make, count, plans):
    p = torch.nn.Parameter(data(30, 20))
    optimizer = make([p])
    for _ in range(2):  # the first step makes the state
        p.grad = data(30, 20)
        before = place(p)
        optimizer.step()
        recorder.flush("test")
    assert place(p) == before
    schedule, *_ = plans[-1]
    assert len(nests(schedule)) == len(schedule.work) == calls(schedule) == 1
    assert (len(schedule.donors), schedule.fresh, schedule.arena) == (count, {}, 0)


def chain(x):
    for i in range(10):
        x = x.softmax(i % 2)
    return x


def test_values_of_a_chain_take_turns_in_two_buffers(plans):
    x = data(64, 256)
    schedule = planned(plans, lambda: chain(x))
    assert len(nests(schedule)) == 10
    assert schedule.arena <= 2 * 64 * 256 * 4


def test_the_plan_of_memory():
    assert arrange({}, {}) == ({}, 0)
    assert arrange({7: (0, 3)}, {7: 1}) == ({7: 0}, 64)
    spans, sizes = {1: (0, 2), 2: (1, 1), 3: (2, 3), 4: (3, 4)}, {1: 100, 2: 64, 3: 64, 4: 128}
    offsets, top = arrange(spans, sizes)
    assert (offsets, top) == ({1: 0, 2: 128, 3: 128, 4: 0}, 192)


@pytest.mark.parametrize(
    "write", ["x[at] = 2", "x[at] += 1", "x.scatter_add_(0, at[:, None], row)", "x[1] = row[0]"]
)
def test_writes_cost_what_is_written(write, plans):
    x, row, at = data(40, 50), data(3, 50), torch.tensor([0, 2, 5])
    names = {"x": x, "row": row, "at": at, "torch": torch}
    for _ in range(2):
        exec("x.mul_(2)\n" + write, names)
        recorder.flush("test")
        before = place(x)
    schedule = planned(plans, lambda: exec(write.replace("2", "3"), names))
    assert (len(schedule.donors), place(x)) == (1, before)
    assert all(shape != (40, 50) for shape, _ in schedule.fresh.values())


def grow(t):
    return t.mul_(2).add_(1)


def test_a_leaf_that_nobody_else_has_is_written_in_place(plans):
    x = data(40, 50)
    grow(x)
    recorder.flush("test")
    before = place(x)
    schedule = planned(plans, lambda: grow(x.sub_(1)))
    assert (list(schedule.donors.values()), schedule.fresh) == ([0], {})
    assert place(x) == before


@pytest.mark.parametrize(
    "share",
    [
        lambda x: x.clone(),  # the same array until one is written to
        lambda x: x.numpy(),
        lambda x: x.detach().numpy(),
        lambda x: torch.from_numpy(x.numpy()),
        lambda x: x.T.numpy(),
        lambda x: x * 3,  # pending work reads it
    ],
)
def test_a_leaf_that_others_have_is_never_overwritten(share, plans):
    x = data(40, 50)
    recorder.flush("test")
    other = share(x)
    wanted = np.array(other.tolist()) if isinstance(other, np.ndarray) else None
    y = x * 2 + 1
    del x
    recorder.flush("test")
    again = share(data(40, 50))
    np.testing.assert_array_equal(np.asarray(other.tolist()), np.asarray(again.tolist()))
    assert wanted is None or (wanted == other).all()
    np.testing.assert_allclose(y.tolist(), (data(40, 50).numpy() * 2 + 1).tolist(), 1e-6)


def test_a_long_row_is_computed_again_from_what_is_there_still():
    """What is kept for a later sweep may be computed twice: its inputs can't be overwritten in between."""
    numbers = np.random.default_rng(0).normal(size=(16, 200_000)).astype(np.float32)

    def f(x):
        y = x.exp()
        z = y / y.sum(1, keepdim=True)
        return z, y * z.amax(1, keepdim=True)

    x = [torch.tensor(numbers) * 1]
    recorder.flush("test")
    found = f(x.pop())
    wanted = [t.numpy() for t in f(torch.tensor(numbers))]  # of a leaf that stays
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


# ----- order -----


def sound(schedule, scheduler, leaves):
    """AssertionError if something is read before it is written, or memory is shared at one time."""
    written, spans = set(range(leaves)), {}
    for i, part in enumerate(schedule.work):
        assert part.needs <= written | {b for b in part.needs if b < 0}, (i, part.needs - written)
        written |= part.gives
        for b in part.needs | part.gives:
            if b in schedule.offsets:
                first, _ = spans.get(b, (i, i))
                spans[b] = (first, i)
    assert {out.buffer for out in schedule.outputs} <= written
    places = {}
    for b, span in spans.items():
        start = schedule.offsets[b]
        places.setdefault(scheduler.aliases.root(b), []).append((start, start + scheduler.sizes[b], *span))
    for one in places:
        for other in places:
            if one < other:
                assert not any(_meet(p, q) for p in places[one] for q in places[other]), (one, other)


def _meet(p, q):
    return p[0] < q[1] and q[0] < p[1] and p[2] <= q[3] and q[2] <= p[3]


def test_no_circle_arises(plans):
    """What a step in between needs can't wait for what reads the step."""
    x, w = data(16, 16), data(16, 16)

    def f():
        a = x.exp()
        b = a @ w
        return a.relu() + b, a * 2, (b + a).softmax(1) @ a

    schedule = planned(plans, f)
    sound(*plans[0])
    order = [type(part.unit).__name__ for part in schedule.work]
    assert order.count("Group") >= 1 and len(order) <= 5


@pytest.mark.parametrize("seed", range(8))
def test_schedules_are_sound(seed, plans):
    run(OpWriter(seed + 500).write(25), worlds(seed, "compile")["never"])
    assert plans
    for plan in plans:
        sound(*plan)


def test_large_outputs_are_not_in_the_arena(plans):
    x = data(30, 30)
    schedule = planned(plans, lambda: [x @ x, x.exp().sum(0), x[1:] * 2])
    assert sorted(numel(shape) for shape, _ in schedule.fresh.values()) == [30, 870, 900]
