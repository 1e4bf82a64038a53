"""The recorder and the memory: what is done when, what is kept, what is shared, and what is let go."""

import gc
import signal
import threading
import time
import tracemalloc
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import flambeau as torch
from flambeau import recorder
from flambeau.core.config import config
from flambeau.core.gradient import GradNode
from flambeau.core.node import Node
from flambeau.core.program import ProgramCache, Step, programs
from flambeau.ops import pointwise
from flambeau.runtime import interpreter


@pytest.fixture(autouse=True)
def _lazily(monkeypatch):
    """Work is done only when somebody looks."""
    recorder.flush("test")
    monkeypatch.setattr(config, "mode", "interpret")
    recorder.relax()
    yield
    recorder.flush("test")
    monkeypatch.undo()
    recorder.relax()


@pytest.fixture
def done(monkeypatch):
    """The names of the operations that have been done, other than the making of zeros and ones."""
    names, execute, evaluate = [], recorder.execute, recorder.evaluate

    def note(ops):
        names.extend(op.name for op in ops if op.name != "full")

    def noting(work):
        note(step.op for step in work.program.steps)
        return execute(work)

    def noting_few(nodes):
        note(node.op for node in nodes)
        return evaluate(nodes)

    monkeypatch.setattr(recorder, "execute", noting)
    monkeypatch.setattr(recorder, "evaluate", noting_few)
    return names


@pytest.fixture
def _programs(monkeypatch):
    """A few operations are a program, too."""
    monkeypatch.setattr("flambeau.core.realize.FEW", -1)


def pending():
    return [node.op.name for node in recorder.pending if node.op.name != "full"]


def alive(kind):
    gc.collect()
    return sum(type(x) is kind for x in gc.get_objects())


def address(t):
    """Where the value lies, without a look at the memory, which would fix it there."""
    return t._value("test").__array_interface__["data"][0]


# ----- what is done -----


def test_nothing_is_done_before_somebody_looks(done):
    y = torch.ones(3).exp().sum()
    assert done == [] and pending() == ["exp", "sum"]
    assert y.item() == pytest.approx(3 * np.e)
    assert done == ["exp", "sum"] and pending() == []


@pytest.mark.parametrize(
    ("call", "recorded"),
    [
        (lambda x: x[0], ["select"]),
        (lambda x: x[:, 1:3], ["slice"]),
        (lambda x: x[1:, None, 1:3], ["slice", "unsqueeze", "slice"]),
        (lambda x: torch.cat([x, x]), ["concatenate"]),
        (lambda x: torch.stack([x, x]), ["concatenate", "reshape"]),
        (lambda x: x.clamp(0, 1), ["clamp"]),
        (lambda x: x.__setitem__(0, 1.0), ["select", "full", "select_scatter"]),
        (lambda x: x.copy_(x + 1), ["add", "clone"]),
    ],
)
def test_small_things_record_little(call, recorded):
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    result = call(x)
    assert [node.op.name for node in recorder.pending] == recorded, result


def test_dead_work_is_dropped_and_live_work_is_kept(done):
    x = torch.ones(3)
    kept = x + 1
    dead = kept.exp().sin()
    used = kept * 2
    del dead
    last = used - 1
    del used
    assert last.tolist() == [3, 3, 3]
    assert sorted(done) == ["add", "mul", "sub"]
    done.clear()
    assert kept.tolist() == [2, 2, 2] and done == []


def test_what_a_gradient_function_saved_is_kept(done):
    w = torch.ones(3, requires_grad=True)
    y = w.exp()
    z = (y * 2).sum()
    del y
    assert z.item() == pytest.approx(6 * np.e)
    done.clear()
    z.backward()
    assert w.grad.tolist() == pytest.approx([2 * np.e] * 3)
    assert "exp" not in done


def test_work_with_an_effect_is_done_although_nobody_reads_it():
    torch.manual_seed(0)
    expected = [torch.rand(2).tolist() for _ in range(3)][-1]
    torch.manual_seed(0)
    torch.rand(2), torch.rand(2)
    assert torch.rand(2).tolist() == expected


def test_eager_mode_does_each_operation_at_once(monkeypatch, done):
    monkeypatch.setattr(config, "mode", "eager")
    recorder.relax()
    y = torch.ones(2) + 1
    assert done == ["add"] and pending() == [] and y.tolist() == [2, 2]


# ----- bounds -----


def test_pending_work_is_bounded_in_nodes(monkeypatch):
    monkeypatch.setattr(config, "max_nodes", 100)
    recorder.relax()
    x, most = torch.zeros(3), 0
    for _ in range(1_000):
        x = x + 1
        most = max(most, len(recorder.pending))
    assert most <= 100 and x.tolist() == [1000] * 3


def test_pending_work_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(config, "max_bytes", 1 << 20)
    recorder.flush("test")
    x, most = torch.zeros(1 << 15), 0  # 128 KiB
    for _ in range(50):
        x = x + torch.ones(1 << 15)
        most = max(most, recorder.bytes)
        held = {id(i): i.value.nbytes for n in recorder.pending for i in n.inputs if i.value is not None}
        assert sum(held.values()) <= config.max_bytes
    assert most <= config.max_bytes and x[0].item() == 50


def run_chain(length):
    """The last value of a chain of operations, and the most bytes that it took."""
    tracemalloc.start()
    x = torch.zeros(4)
    for _ in range(length):
        x = x + 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return x, peak


def test_a_long_chain_holds_no_memory():
    before = alive(Node)
    x, peak = run_chain(25_000)
    assert peak < 30 << 20
    assert x.tolist() == [25_000] * 4
    del x
    assert alive(Node) <= before + 10


@pytest.mark.slow
def test_a_million_operations():
    before, start = alive(Node), time.perf_counter()
    x = torch.zeros(4, dtype=torch.float64)
    for _ in range(1_000_000):
        x = x + 1
    assert x.tolist() == [1_000_000] * 4
    assert time.perf_counter() - start < 100
    assert alive(Node) <= before + 10


def test_a_long_chain_is_differentiated_and_freed():
    before = alive(GradNode)
    w = torch.ones(2, requires_grad=True)
    x = w
    for _ in range(30_000):
        x = x + 1
    x.sum().backward()
    assert w.grad.tolist() == [1, 1]
    del x
    assert alive(GradNode) <= before


def sum_losses(steps):
    """Trains for some steps and sums up the losses with their histories; returns the sum."""
    w, x = torch.ones(2, requires_grad=True), torch.ones(2)
    total = 0
    for _ in range(steps):
        loss = (w * x).sum()
        loss.backward()
        total += loss
    return total


def test_a_running_sum_of_losses_holds_no_memory():
    before = alive(GradNode)
    total = sum_losses(2_000)
    assert total.item() == 4_000 and total.requires_grad
    assert alive(GradNode) - before < 100


@pytest.mark.slow
def test_a_running_sum_of_many_losses_holds_no_memory():
    before = alive(GradNode)
    assert sum_losses(100_000).item() == 200_000
    assert alive(GradNode) - before < 100


# ----- programs -----


def test_the_same_structure_is_the_same_program():
    def step(number, shape):
        return ((torch.ones(shape) * number).sum() + number).item()

    step(2.0, 7)
    hits, misses = programs.hits, programs.misses
    assert step(3.5, 7) == 3.5 * 8
    assert (programs.hits, programs.misses) == (hits + 1, misses)
    step(2.0, 8)  # for now a new extent is a new program
    assert (programs.hits, programs.misses) == (hits + 1, misses + 1)


@pytest.mark.usefixtures("_programs")
def test_what_is_kept_belongs_to_the_structure():
    x = torch.ones(5)
    y = x * 3
    z = y + 1
    assert z.sum().item() == 20
    misses = programs.misses
    y = x * 3
    z = y + 1
    del y
    assert z.sum().item() == 20
    assert programs.misses == misses + 1


def test_a_few_small_operations_are_done_without_a_program():
    x = torch.arange(4.0)
    misses, hits = programs.misses, programs.hits
    y = (x * 2)[1:]
    assert y.sum().item() == 12 and y.tolist() == [2, 4, 6] and x.tolist() == [0, 1, 2, 3]
    failing = x[torch.tensor([0, 9]).clone()]
    for _ in range(2):
        with pytest.raises(IndexError, match="index 9 is out of bounds"):
            failing.tolist()
    assert (programs.misses, programs.hits) == (misses, hits)


def test_work_of_one_size_but_another_structure_is_told_apart():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    programs = [
        (lambda: (x - y) * x, [-2.0, -6.0]),
        (lambda: (x - y) * y, [-6.0, -15.0]),
        (lambda: (y - x) * x, [2.0, 6.0]),
        (lambda: (x - x) * x, [0.0, 0.0]),
        (lambda: x * (x - y), [-2.0, -6.0]),
        (lambda: (x - y) - x, [-3.0, -5.0]),
        (lambda: (x - y[:1]) * x, [-2.0, -2.0]),
        (lambda: (x.double() - y.double()) * x.double(), [-2.0, -6.0]),
    ]
    for _ in range(2):
        for first, want in programs:
            for second, other in programs:
                assert first().tolist() == want and second().tolist() == other


def test_a_value_read_in_two_places_is_not_overwritten_where_two_values_were_read_before():
    def run(a, b):
        u, v = a + 1, b + 1
        u.tolist(), v.tolist()
        w = u + v
        if a is b:
            v = u
            w = u + v
        kept = v
        del u, v
        return w.tolist(), kept.tolist()

    one, two = torch.ones(3), torch.full((3,), 2.0)
    for _ in range(3):
        assert run(one, two) == ([5.0] * 3, [3.0] * 3)
        assert run(one, one) == ([4.0] * 3, [2.0] * 3)


def test_failures_spread_also_where_the_structure_is_known():
    index, table = torch.tensor([0, 1]) + 0, torch.ones(2)

    def look(i):
        return (table[i + 0] * 2 + 1).tolist()

    assert look(index) == look(index) == [3.0, 3.0]
    bad = table[index + 9]
    after = bad * 2
    with pytest.raises(IndexError):
        bad.tolist()
    with pytest.raises(IndexError):
        (after + 1).tolist()
    assert look(index) == [3.0, 3.0]


def test_the_cache_of_programs_is_bounded_by_their_steps():
    class Sized:
        runs = 0

        def __init__(self, steps):
            self.steps = [None] * steps

    cache = ProgramCache(size=10)
    for i in range(5):
        cache.lookup((i,), lambda: Sized(4))
    assert cache.steps <= 10 and list(cache.programs) == [(3,), (4,)]
    cache.lookup(("large",), lambda: Sized(50))
    assert list(cache.programs) == [("large",)]


# ----- errors -----


def late_index_error():
    """A tensor that fails when it is computed, and the line that recorded it."""
    x, i = torch.arange(3.0), torch.tensor([0, 8]) + 1
    bad = x[i]
    line = late_index_error.__code__.co_firstlineno + 3
    return bad, f"{__file__}:{line}"


def test_a_late_error_names_the_line_and_spares_the_rest():
    other = torch.ones(2) + 1
    bad, line = late_index_error()
    dependent = bad * 2 + 1
    after = other * 3
    with pytest.raises(IndexError, match="index 9 is out of bounds") as caught:
        dependent.tolist()
    assert any(line in note for note in caught.value.__notes__)
    assert other.tolist() == [2, 2] and after.tolist() == [6, 6]
    for t in (dependent, bad, bad + 1):
        with pytest.raises(IndexError, match="index 9 is out of bounds"):
            t.tolist()


def test_an_error_of_something_else_is_raised_by_the_look_that_found_it_once():
    bad, _ = late_index_error()
    good = torch.ones(2) + 1
    with pytest.raises(IndexError):
        good.tolist()
    assert good.tolist() == [2, 2]
    del bad


def test_an_index_that_is_known_is_checked_at_the_call():
    with pytest.raises(IndexError, match="index 9 is out of bounds"):
        torch.arange(3.0)[torch.tensor([0, 9])]
    assert pending() == []


def test_an_error_holds_no_values():
    big = torch.ones(1 << 20) + 1
    bad, _ = late_index_error()
    sum_ = big.sum() + bad.sum()
    del big
    tracemalloc.start()
    with pytest.raises(IndexError):
        sum_.item()
    assert tracemalloc.get_traced_memory()[0] < 1 << 20
    tracemalloc.stop()


@pytest.fixture
def _ctrl_c():
    """Ctrl-C means what it means in a terminal: a process in the background is born to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_waits_until_the_work_is_done(monkeypatch):
    def interrupted(x):
        signal.raise_signal(signal.SIGINT)
        return np.sin(x)

    handler = signal.getsignal(signal.SIGINT)
    before = torch.ones(2) + 1
    monkeypatch.setattr(pointwise.sin, "numpy", interrupted)
    y = (before * 0).sin()
    after = y + 5
    with pytest.raises(KeyboardInterrupt):
        after.tolist()
    assert pending() == []
    assert (before.tolist(), y.tolist(), after.tolist()) == ([2, 2], [0, 0], [5, 5])
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.usefixtures("_ctrl_c")
def test_what_ctrl_c_leaves_undone_of_a_few_operations_is_pending(monkeypatch):
    presses = [signal.SIGINT]

    def interrupted(x):
        if presses:
            signal.raise_signal(presses.pop())
        return np.sin(x)

    monkeypatch.setattr(pointwise.sin, "numpy", interrupted)
    before = torch.ones(2) + 1
    y = before.sin()
    with pytest.raises(KeyboardInterrupt):
        y.tolist()
    assert before.tolist() == [2, 2] and y.tolist() == pytest.approx([np.sin(2)] * 2)


@pytest.mark.usefixtures("_ctrl_c")
def test_ctrl_c_waits_for_a_draw(monkeypatch):
    draw = torch.Generator.uniform

    def interrupted(*args, **kwargs):
        drawn = draw(*args, **kwargs)
        signal.raise_signal(signal.SIGINT)
        return drawn

    torch.manual_seed(0)
    expected = torch.rand(2).tolist()
    torch.manual_seed(0)
    x = torch.rand(2)
    monkeypatch.setattr(
        "flambeau.ops.random.uniform.numpy",
        lambda low, high, shape, d, generator: interrupted(generator, shape, dtype=d.np),
    )
    with pytest.raises(KeyboardInterrupt):
        x.tolist()
    assert x.tolist() == expected


# ----- threads -----


def test_threads_record_and_realize_at_once():
    barrier, wrong = threading.Barrier(3), []

    def work(k):
        barrier.wait()
        w = torch.full((4,), float(k), requires_grad=True)
        for i in range(150):
            x = torch.full((8,), float(i)) + k
            x[2:4] *= 2
            (w * i).sum().backward()
            if x.sum().item() != 10 * (i + k) or w.grad[0].item() != i:
                wrong.append((k, i))
            w.grad = None

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and pending() == []


# ----- writes in place -----


def write_slice(x, i):
    x[i : i + 2] = i


def write_through_data(x, i):
    x.data[i : i + 2] = i


def write_through_a_view_of_a_view(x, i):
    x.view(-1, 10)[0, i] = i


@pytest.mark.usefixtures("_programs")
@pytest.mark.parametrize("write", [write_slice, write_through_data, write_through_a_view_of_a_view])
def test_writes_to_a_part_leave_the_rest_where_it_is(write):
    x = torch.zeros(1_000)
    write(x, 0)
    recorder.flush("test")
    where = address(x)
    for i in range(1, 5):
        write(x, i)
        recorder.flush("test")
        assert address(x) == where
        write(x, i + 1)
        write(x, i + 2)
        assert address(x) == where
    assert x[3].item() == 3


def test_a_write_copies_where_the_old_value_is_still_read():
    x = torch.zeros(4)
    x += 0
    recorder.flush("test")
    old, square = x.clone(), x * x
    view = x[:2]
    assert view.tolist() == [0, 0]
    x[0] = 7
    assert (old.tolist(), square.tolist()) == ([0] * 4, [0] * 4)
    assert view.tolist() == [7, 0] and x.tolist() == [7, 0, 0, 0]


def test_slice_writes_are_quick():
    x = torch.zeros(1 << 22)  # 16 MiB: a copy takes a millisecond at the least
    x[0] = 1
    recorder.flush("test")
    start = time.perf_counter()
    for i in range(2_000):
        x[i] = 1
        if i % 100 == 0:
            assert x[i].item() == 1
    recorder.flush("test")
    assert time.perf_counter() - start < 1
    assert x.sum().item() == 2_000


def test_data_counts_its_own_writes():
    x = torch.ones(2, requires_grad=True)
    y = x * x
    d = x.data
    d.add_(1)
    d[0] = 5
    assert (d._version, x._version, x.data._version) == (2, 0, 0)
    assert x.tolist() == [5, 2]
    y.sum().backward()  # what was saved is as it was, and nobody complains
    assert x.grad.tolist() == [2, 2]


def test_a_tensor_used_through_data_is_checked_by_its_own_counter():
    w, x = torch.ones(2, requires_grad=True), torch.ones(2)
    d = x.data
    y = w * d
    x.add_(1)
    y.sum().backward(retain_graph=True)
    assert w.grad.tolist() == [1, 1] and d.tolist() == [2, 2]
    d.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_setting_data_changes_the_memory_and_keeps_the_counter():
    x, y = torch.zeros(2, requires_grad=True), torch.ones(3)
    with torch.no_grad():
        x.add_(1)
    x.data = y
    assert x.shape == (3,) and x._version == 1 and x.requires_grad
    y.add_(1)
    assert x.tolist() == [2, 2, 2] and x._version == 1
    with torch.no_grad():
        x.zero_()
    assert (x._version, y._version) == (2, 1) and y.tolist() == [0, 0, 0]
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_writes_through_an_expanded_tensor_s_parts():
    x = torch.zeros(3)
    e = x.expand(2, 3)
    e[1].add_(2)
    assert x.tolist() == [2, 2, 2]
    e[0, 1:] = 5
    assert x.tolist() == [2, 5, 5] and e.tolist() == [[2, 5, 5]] * 2
    e.fill_(1)
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="more than one element"):
        e.add_(1)
    z = torch.zeros(2, dtype=torch.complex64)
    z.expand(3, 2).imag[0].fill_(4)
    assert z.tolist() == [4j, 4j]


def test_a_view_that_overlaps_itself_shows_the_memory_after_a_write():
    x = torch.zeros(4)
    windows = x.unfold(0, 2, 1)
    windows.copy_(torch.arange(6.0).view(3, 2))
    assert windows.tolist() == [[x[i].item(), x[i + 1].item()] for i in range(3)]


@pytest.mark.parametrize("write", [
    lambda x: x[1:].copy_(x[:-1]),
    lambda x: x[1:].add_(x[:-1]),
    lambda x: x.mul_(x[0]),
    lambda x: x.view(2, 3).copy_(x[:3]),
])  # fmt: skip
def test_reading_partly_what_is_written_is_an_error(write):
    x = torch.arange(6.0)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        write(x)
    assert x.tolist() == [0, 1, 2, 3, 4, 5] and x._version == 0


def test_views_of_a_tensor_that_was_transposed_in_place_keep_their_history():
    w = torch.ones(2, 3, requires_grad=True)
    x = w * torch.arange(6.0).view(2, 3)
    row = x[0]
    x.t_()
    x.mul_(2)
    assert row.tolist() == [0, 2, 4]
    (row * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert w.grad.tolist() == [[0, 20, 400], [0, 0, 0]]


def test_a_write_with_history_through_a_view_of_a_transposed_tensor():
    w = torch.ones(3, requires_grad=True)
    x = torch.zeros(2, 3) + w
    row = x[1]
    x.t_()
    row.mul_(5)
    x.sum().backward()
    assert x.tolist() == [[1, 5], [1, 5], [1, 5]] and w.grad.tolist() == [6, 6, 6]


def test_several_views_of_one_call_are_not_written_to_with_gradients():
    x = torch.ones(4, requires_grad=True) * 1
    for part in (x.split(2)[0], x.chunk(2)[1], x.unbind()[3], *x):
        with pytest.raises(RuntimeError, match="function that returns multiple views"):
            part.add_(1)
    first = x.split(2)[0]
    x.mul_(2)
    assert (first > 1).all()
    with pytest.raises(RuntimeError, match="has been modified inplace"):
        first + 1
    with torch.no_grad():
        first.add_(1)
    assert x.tolist() == [3, 3, 2, 2]


def test_views_made_without_gradients_are_not_written_to_with_them():
    x = torch.ones(4, requires_grad=True) * 1
    with torch.no_grad():
        view = x[:2]
    assert view.requires_grad and view.is_leaf
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        view.add_(1)
    (view * 2).sum().backward()
    assert view.grad is None


# ----- memory shared with others -----


def test_an_exported_array_is_the_tensor_s_memory():
    t = torch.zeros(2, 3)
    row = t[1]
    a = t.numpy()
    a[1, 2] = 5
    assert row.tolist() == [0, 0, 5]
    row.add_(1)
    assert a.tolist() == [[0, 0, 0], [1, 1, 6]]
    assert np.shares_memory(a, row.numpy()) and np.shares_memory(a, t.detach().view(-1)[4:].numpy())


def test_what_reads_shared_memory_reads_it_as_it_is_now():
    t, other = torch.zeros(2), torch.ones(2)
    a = t.numpy()
    y = t + other * 3
    w = t.view(2, 1) * 2
    a[:] = 9
    z = t + 1
    assert len(pending()) == 4  # it waits all the same
    assert (y.tolist(), w.tolist(), z.tolist()) == ([3, 3], [[0], [0]], [10, 10])


def test_what_reads_much_shared_memory_is_computed_at_once_and_only_that(done, monkeypatch):
    monkeypatch.setattr("flambeau.core.record._COPIED", 0)
    t, other = torch.zeros(2), torch.ones(2)
    waiting = other + 1
    a = t.numpy()
    free = other * 3
    y = t + free
    assert done == ["add", "mul", "add"]
    later = y * 2
    a[:] = 9
    assert y.tolist() == [3, 3] and waiting.tolist() == [2, 2]
    done.clear()
    assert later.tolist() == [6, 6] and done == ["mul"]


def test_the_end_of_an_array_ends_the_eagerness(monkeypatch):
    monkeypatch.setattr("flambeau.core.record._COPIED", 0)
    t = torch.zeros(2)
    shared = recorder.shared
    a = t.numpy()
    part = a[1:]
    del a
    y = t + 1
    assert pending() == [] and recorder.shared == shared + 1
    del part
    z = t + 2
    assert pending() == ["add"] and recorder.shared == shared
    assert (y.tolist(), z.tolist()) == ([1, 1], [2, 2])


def test_foreign_memory_is_let_go_with_its_tensor():
    shared = recorder.shared
    t = torch.from_numpy(np.zeros(3))
    y = t[1:] * 2
    assert recorder.shared == shared + 1
    del t
    assert recorder.shared == shared and y.tolist() == [0, 0]


def test_memory_stays_where_it_is_from_share_to_share():
    t = torch.zeros(4) + 1
    view = t.view(2, 2)
    where = t.data_ptr()
    assert view[1].data_ptr() == where + 8 and t.data_ptr() == where
    view.add_(1)
    assert t.tolist() == [2, 2, 2, 2]


VIEWS = {
    "slice": lambda t: t[1:],
    "expand": lambda t: t.expand(2, 4),
    "windows": lambda t: t.unfold(0, 2, 1),
    "strides": lambda t: t.as_strided((2, 2), (1, 1), 1),
    "reshaped": lambda t: t.view(2, 2).t(),
    "bits": lambda t: t.view(torch.int64),
    "parts": lambda t: torch.view_as_real(t.to(torch.complex128)),
}


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "parts"])
def test_every_view_sees_what_an_array_s_owner_writes(name):
    a = np.arange(4.0)
    t = torch.from_numpy(a)
    early = VIEWS[name](t)
    a *= 3
    late = VIEWS[name](t)
    expected = VIEWS[name](torch.tensor([0.0, 3.0, 6.0, 9.0], dtype=torch.float64)).tolist()
    assert early.tolist() == late.tolist() == expected


def test_parts_of_shared_complex_numbers():
    a = np.array([1 + 2j, 3 + 4j])
    t = torch.from_numpy(a)
    re, im, both = t.real, t.imag, torch.view_as_real(t)
    a[0] = 5 + 6j
    assert (re.tolist(), im.tolist(), both.tolist()) == ([5, 3], [6, 4], [[5, 6], [3, 4]])
    im.mul_(10)
    both[1, 0] = 7
    assert a.tolist() == [5 + 60j, 7 + 40j]


READERS = {
    "copied with broadcasting": lambda t: torch.zeros(2, 3).copy_(t),
    "cast": lambda t: t.to(torch.float32),
    "with a cast operand": lambda t: t + torch.tensor([1, 2, 3]),
    "with a stale view": lambda t: t + STALE[0],
    "flipped": lambda t: t.flip(0),
    "repeated": lambda t: t.repeat(2),
    "indexed": lambda t: t[torch.tensor([2, 0])],
    "joined": lambda t: torch.cat([t, t]),
    "stacked": lambda t: torch.stack([t, t]),
    "reshaped": lambda t: t.expand(2, 3).t().reshape(6),
    "sorted": lambda t: t.sort(descending=True).values,
    "where": lambda t: torch.where(t > 1, t, -t),
    "chosen": lambda t: t.masked_fill(torch.tensor([True, False, False]), 7.0),
    "sum": lambda t: t.sum(),
    "matrix product": lambda t: t @ t,
}
STALE = [None]


@pytest.mark.parametrize("name", READERS)
def test_nothing_that_was_computed_changes_with_shared_memory(name):
    base = torch.zeros(2, 3, dtype=torch.float64)
    STALE[0] = base[1]
    base.add_(1)
    a = np.arange(3.0)
    y = READERS[name](torch.from_numpy(a))
    a[:] = 50
    STALE[0] = torch.ones(3, dtype=torch.float64)
    assert y.tolist() == READERS[name](torch.arange(3.0, dtype=torch.float64)).tolist()


@pytest.mark.parametrize("name", [n for n in READERS if n not in ("with a stale view",)])
def test_no_result_shares_memory_with_an_operand(name):
    t = torch.arange(3.0, dtype=torch.float64) + 0
    y = READERS[name](t)
    expected = y.tolist()
    t.numpy()[:] = 50
    assert y.tolist() == expected
    y.numpy()[...] = 7
    assert t.tolist() == [50, 50, 50]


def test_gradients_don_t_share_memory():
    a, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(2, requires_grad=True)
    (a.view(2) + b).sum().backward()
    recorder.flush("test")
    a.grad.numpy()[...] = 5
    assert b.grad.tolist() == [1, 1]


def test_saved_values_of_shared_memory_are_the_old_ones_after_a_write_in_place():
    w = torch.ones(2, requires_grad=True)
    x = w * 3
    a = x.detach().numpy()
    x.square_()
    assert a.tolist() == [9, 9]
    x.sum().backward()
    assert w.grad.tolist() == [18, 18]


def test_read_only_arrays_can_be_read_only():
    a = np.arange(3.0)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        t = torch.from_numpy(a)
    assert (t + 1).tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match="read-only array"):
        t.add_(1)
    with pytest.raises(RuntimeError, match="read-only array"):
        t[0] = 5
    assert t.tolist() == [0, 1, 2] and t._version == 0 and not t.requires_grad


def test_dlpack_from_numpy():
    a = np.arange(6.0).reshape(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t = torch.from_dlpack(a[:, ::2])
    assert t.stride() == (3, 2)
    a[0, 0] = 9
    assert t.tolist() == [[9, 2], [3, 5]]
    t.mul_(2)
    assert a.tolist() == [[18, 1, 4], [6, 4, 10]]
    assert torch.from_dlpack(t)._storage is t._storage
    assert torch.from_dlpack(a.__dlpack__()).tolist() == a.tolist()


def test_dlpack_to_numpy():
    t = torch.arange(6.0).view(2, 3)
    a = np.from_dlpack(t.t())
    a[0, 1] = 7
    assert t[1, 0].item() == 7
    t[0] = 5
    assert a[:, 0].tolist() == [5, 5, 5]
    y = t + 1
    a[0, 1] = 9
    del a
    z = t + 2
    assert (z - y).tolist() == [[1] * 3, [3, 1, 1]]
    assert t.__dlpack_device__() == (1, 0)


def test_dlpack_refuses_what_it_can_t_show():
    with pytest.raises(BufferError, match="require gradient"):
        np.from_dlpack(torch.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError, match="Unsupported dtype"):  # NumPy's
        np.from_dlpack(torch.ones(2, dtype=torch.bfloat16))


def test_several_results_of_an_operation_have_memory_of_their_own():
    x = np.arange(200.0)
    halves = SimpleNamespace(numpy=lambda x: (x[:100], x[100:]), writes=False, kind="opaque")
    first, second = interpreter._compute(Step(halves, (0,), (), 1, None, (), False), [x])
    assert not np.may_share_memory(first, x) and not np.may_share_memory(second, x)
    pick = SimpleNamespace(numpy=lambda xs, i: xs[i], writes=False, kind="opaque")
    part = interpreter._compute(Step(pick, (0,), (1,), 1, x.dtype, (), False), [(first, second)])
    np.testing.assert_array_equal(part, x[100:])
