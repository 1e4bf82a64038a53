"""Workers of the loader: their batches, their seeds, their errors, and what they leave behind: nothing."""

import collections
import gc
import glob
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import flambeau as torch
from flambeau.core.config import config
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info
from flambeau.utils.data.sampler import RandomSampler

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.timeout(60),
]
Point = collections.namedtuple("Point", "x y")


class Images(Dataset):
    """Item i is an array that is full of i, large enough for shared memory, and other things."""

    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        image = np.full((3, 40, 40), index, np.float32)
        return {
            "image": image,
            "point": Point(torch.full((90, 70), index), index / 2),
            "name": f"item {index}",
        }


class Calls(Dataset):
    """Item i is what a function makes of i."""

    def __init__(self, make, n=8):
        self.make = make
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.make(index)


class Numbers(IterableDataset):
    """The numbers below n, each worker every num_workers-th."""

    def __init__(self, n, parts=True):
        self.n = n
        self.parts = parts

    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info is not None and self.parts else (0, 1)
        return iter(range(first, self.n, step))


def plain(value):
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return {key: plain(field) for key, field in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(plain, value)]
    return value


def batches(*args, **kwargs):
    return [plain(batch) for batch in DataLoader(*args, **kwargs)]


def values(*args, **kwargs):
    return [batch.tolist() for batch in DataLoader(*args, **kwargs)]


def children():
    tasks = glob.glob("/proc/self/task/*/children")
    return {pid for task in tasks for pid in pathlib.Path(task).read_text().split()}


def files():
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


@pytest.fixture(autouse=True)
def nothing_left(request):
    """No process, no file and no shared memory outlives a loader."""
    before, known, shared = files(), children(), set(glob.glob("/dev/shm/*"))
    yield
    if "other_ways" in request.node.name:  # `multiprocessing` keeps processes of its own for these
        return
    gc.collect()
    deadline = time.monotonic() + 3
    while (files() > before or children() - known) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert files() <= before and not children() - known and set(glob.glob("/dev/shm/*")) <= shared


# ----- What they give -----
@pytest.mark.parametrize(
    "kwargs", [{}, {"shuffle": True}, {"drop_last": True}, {"batch_size": None}], ids=str
)
def test_batches_are_the_same_for_any_number_of_workers(kwargs):
    kwargs = {"batch_size": 4, **kwargs}
    given = []
    for workers in (0, 1, 4):
        torch.manual_seed(3)
        given.append(batches(Images(), num_workers=workers, **kwargs))
    assert given[0] == given[1] == given[2]
    torch.manual_seed(3)
    assert batches(Images(), num_workers=2, multiprocessing_context="thread", **kwargs) == given[0]


@pytest.mark.slow
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_other_ways_to_start(context):
    assert batches(Images(5), 2, num_workers=1, multiprocessing_context=context) == batches(Images(5), 2)


def test_kinds_of_data():
    numbers = torch.arange(40000).to(torch.bfloat16)

    def make(index):
        if index == 0:
            return numbers, torch.zeros(0, 3), numbers[::2].reshape(2, -1), 1j
        return np.array(["a", None]), np.arange(40000).reshape(200, 200).T, "x" * 100000, torch.tensor(True)

    first, second = DataLoader(Calls(make, 2), batch_size=None, num_workers=1, collate_fn=tuple)
    assert first[0].dtype == torch.bfloat16 and torch.equal(first[0], numbers)
    assert first[1].shape == (0, 3) and torch.equal(first[2], numbers[::2].reshape(2, -1)) and first[3] == 1j
    assert second[0].tolist() == ["a", None] and second[2] == "x" * 100000 and second[3].item() is True
    assert np.array_equal(second[1], np.arange(40000).reshape(200, 200).T)


def test_batches_can_be_kept_and_written_to():
    kept = list(DataLoader(Calls(lambda i: np.full(5000, i), 400), 1, num_workers=1))
    for i, batch in enumerate(kept):
        batch += 1
        assert batch[0, 0] == i + 1 and batch.sum() == 5000 * (i + 1)
    array = kept[0].numpy()
    del kept
    assert (array == 1).all()


def test_a_dataset_may_keep_what_it_gave():
    seen = []

    def collate(items):
        seen.append(torch.utils.data.default_collate(items))
        return seen[-1], seen[0][0, 0].item()

    made = list(DataLoader(Calls(lambda i: np.full(5000, i), 30), 1, num_workers=1, collate_fn=collate))
    assert [(int(batch[0, 0]), first) for batch, first in made] == [(i, 0) for i in range(30)]


def test_streams_share_out():
    assert values(Numbers(7), 2, num_workers=2) == [[0, 2], [1, 3], [4, 6], [5]]
    assert values(Numbers(3, parts=False), 2, num_workers=2) == [[0, 1], [0, 1], [2], [2]]
    assert values(Numbers(5), 2, num_workers=2, drop_last=True) == [[0, 2], [1, 3]]
    assert values(Numbers(1), 2, num_workers=3) == [[0]]


def test_batches_out_of_order_come_as_they_are_ready():
    def make(index):
        time.sleep(0.3 * (index == 0))
        return index

    given = [batch.item() for batch in DataLoader(Calls(make), num_workers=2, in_order=False)]
    assert sorted(given) == list(range(8)) and given[0] != 0


def test_tensors_are_read_without_workers():
    loader = DataLoader(TensorDataset(torch.arange(6)), 3, num_workers=2, timeout=5, persistent_workers=True)
    before = children()
    passes = iter(loader)
    assert children() == before
    assert [x.tolist() for (x,) in passes] == [[0, 1, 2], [3, 4, 5]]
    with_init = DataLoader(TensorDataset(torch.arange(6)), 3, num_workers=1, worker_init_fn=str)
    assert [x.tolist() for (x,) in with_init] == [[0, 1, 2], [3, 4, 5]]


# ----- What they know -----
def told(index):
    info = get_worker_info()
    rng = info.rng and info.rng.torch_generator.initial_seed()
    return os.getpid(), info.id, info.num_workers, info.seed, info.worker_method, rng, info.dataset.n


def test_what_a_worker_is_told():
    torch.manual_seed(0)
    seed = torch.empty((), dtype=torch.int64).random_().item()
    for context, kind in ((None, "multiprocessing"), ("thread", "thread")):
        torch.manual_seed(0)
        loader = DataLoader(
            Calls(told, 4), None, num_workers=2, multiprocessing_context=context, collate_fn=tuple
        )
        for i, (pid, *rest) in enumerate(loader):
            own = seed + i % 2
            assert (pid == os.getpid()) is (context == "thread")
            assert rest == [i % 2, 2, own, kind, own if context else None, 4]
    assert get_worker_info() is None


def test_worker_init_fn_may_change_the_dataset():
    def halve(worker):
        get_worker_info().dataset.n = 3 + worker

    assert values(Numbers(10, parts=False), 5, num_workers=2, worker_init_fn=halve) == [
        [0, 1, 2],
        [0, 1, 2, 3],
    ]


def test_items_seeded_by_themselves_do_not_depend_on_workers():
    def make(index):
        return torch.rand(2), random.random(), np.random.rand()

    given = []
    for workers in (0, 1, 4):
        torch.manual_seed(5)
        loader = DataLoader(
            Calls(make),
            3,
            shuffle=True,
            num_workers=workers,
            seed_samples=True,
            persistent_workers=workers > 0,
        )
        given.append([plain(batch) for _ in range(2) for batch in loader])
    assert given[0] == given[1] == given[2] and given[0][0] != given[0][3]


def test_workers_compute_with_one_thread():
    x = torch.rand(300, 300)
    (x @ x).sum().item()  # the main process's threads are there when the workers start
    dataset = Calls(lambda i: (torch.get_num_threads(), (x @ x).sum().item()), 2)
    assert [(n, s) for n, s in DataLoader(dataset, None, num_workers=1, collate_fn=tuple)] == [
        (1, pytest.approx((x @ x).sum().item()))
    ] * 2
    assert torch.equal(x @ x, x.clone() @ x)


def test_workers_start_while_other_threads_compute(monkeypatch):
    monkeypatch.setattr(config, "mode", "compile")
    done = threading.Event()

    def compute():
        x = torch.rand(300, 300)
        while not done.is_set():
            (x @ x + torch.rand(300)).sum().item()

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            loader = DataLoader(
                Calls(lambda i: (torch.ones(9, 9) @ torch.ones(9, 9)).sum()), num_workers=2, timeout=20
            )
            assert [x.item() for x in loader] == [729] * 8
    finally:
        done.set()
        for thread in threads:
            thread.join()


# ----- Passes -----
def test_workers_persist():
    loader = DataLoader(
        Calls(lambda i: os.getpid(), 4), 2, shuffle=True, num_workers=2, persistent_workers=True
    )
    pids = [{x for batch in loader for x in batch.tolist()} for _ in range(3)]
    assert pids[0] == pids[1] == pids[2] and len(pids[0]) == 2
    first = iter(loader)
    next(first)
    assert len(list(loader)) == 2 and iter(loader) is first  # one pass at a time, as they share the workers
    stream = DataLoader(Numbers(5), 2, num_workers=2, persistent_workers=True)
    assert [[x.tolist() for x in stream] for _ in range(2)] == [[[0, 2], [1, 3], [4]]] * 2


def test_a_broken_off_pass_does_not_disturb_the_next():
    loader = DataLoader(Images(12), 2, num_workers=2, persistent_workers=True)
    for _ in range(5):
        next(iter(loader))
    assert [int(batch["image"][0, 0, 0, 0]) for batch in loader] == [0, 2, 4, 6, 8, 10]


def test_memory_stays_flat():
    loader = DataLoader(Calls(lambda i: np.zeros((64, 1024)), 16), 4, num_workers=2, persistent_workers=True)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    for epoch in range(50):
        for batch in loader:
            assert batch.shape == (4, 64, 1024)
        if epoch == 5:
            before = resident() if sys.platform == "linux" else 0
    assert sys.platform != "linux" or resident() - before < 8 << 20


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_pass_with_workers_goes_on(taken):
    for dataset, kwargs in ((Calls(int, 23), {"shuffle": True}), (Numbers(23), {})):
        loader = DataLoader(dataset, 3, num_workers=2, **kwargs)
        passes = iter(loader)
        for _ in range(taken):
            next(passes)
        state = loader.state_dict()
        rest = [batch.tolist() for batch in passes]
        twin = DataLoader(dataset, 3, num_workers=2, **kwargs)
        twin.load_state_dict(state)
        assert [batch.tolist() for batch in twin] == rest


# ----- What goes wrong -----
class Strange(Exception):
    """Takes two arguments."""

    def __init__(self, one, two):
        super().__init__(one)


def broken(index):
    if index == 3:
        raise KeyError("no such thing")
    if index == 4:
        raise Strange(1, 2)
    if index == 5:
        raise StopIteration
    return index


@pytest.mark.parametrize("context", [None, "thread"])
def test_errors_come_with_their_traceback(context):
    passes = iter(DataLoader(Calls(broken, 7), num_workers=2, multiprocessing_context=context))
    assert [next(passes).item() for _ in range(3)] == [0, 1, 2]
    kind = context or "process"
    with pytest.raises(
        KeyError, match=f"Caught KeyError in DataLoader worker {kind} 1.\nOriginal Trace"
    ) as caught:
        next(passes)
    message = str(caught.value)
    assert 'raise KeyError("no such thing")' in message and "Calls.__getitem__(3)" in message
    with pytest.raises(RuntimeError, match="Caught Strange in DataLoader worker"):
        next(passes)
    with pytest.raises(RuntimeError, match=r"Calls.__getitem__\(5\) raised StopIteration"):
        next(passes)
    assert next(passes).item() == 6
    with pytest.raises(StopIteration):
        next(passes)


def test_errors_elsewhere():
    def fail(worker):
        raise ValueError(f"init of {worker}")

    with pytest.raises(ValueError, match="init of 0"):
        next(iter(DataLoader(Images(), num_workers=1, worker_init_fn=fail)))
    with pytest.raises(TypeError, match="default_collate on the items at indices"):
        next(iter(DataLoader(Calls(lambda i: None), num_workers=1)))
    lock = Calls(lambda i: threading.Lock())
    with pytest.raises(TypeError, match=r"cannot pickle.*[\s\S]*as a worker sent a batch"):
        next(iter(DataLoader(lock, None, num_workers=1)))
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0"):
        iter(DataLoader(Images(), num_workers=1, prefetch_factor=0))


@pytest.mark.parametrize(
    "end, message",
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"worker \(pid \d+\) is killed by signal: Killed"),
        (lambda: os._exit(3), r"worker \(pid\(s\) \d+\) exited unexpectedly \(exit code 3\)"),
        (sys.exit, r"worker \(pid\(s\) \d+\) exited unexpectedly"),
    ],
)
def test_a_worker_that_dies(end, message):
    passes = iter(DataLoader(Calls(lambda i: end() if i == 3 else i), num_workers=2))
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=message):
        list(passes)
    with pytest.raises(RuntimeError, match=message):
        next(passes)
    assert time.monotonic() - start < 5


def test_a_loader_goes_on_with_new_workers(tmp_path):
    flag = tmp_path / "once"

    def make(index):
        if index == 1 and not flag.exists():
            flag.touch()
            os._exit(1)
        return index

    loader = DataLoader(Calls(make, 3), num_workers=1, persistent_workers=True)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    assert [batch.item() for batch in loader] == [0, 1, 2]


def test_a_worker_that_hangs():
    passes = iter(DataLoader(Calls(lambda i: time.sleep(60)), num_workers=1, timeout=0.2))
    with pytest.raises(RuntimeError, match=r"timed out after 0.2 seconds"):
        next(passes)
    start = time.monotonic()
    del passes
    assert time.monotonic() - start < 6


def test_an_iterator_that_is_dropped():
    before = children()
    for _ in range(3):
        batch = next(iter(DataLoader(Images(40), 2, num_workers=2)))
    assert batch["name"] == ["item 0", "item 1"]
    assert children() == before


SCRIPT = """
import os, signal, sys, threading, time
from flambeau.utils.data import DataLoader
class Slow:
    def __len__(self): return 1000
    def __getitem__(self, i): time.sleep(0.01); return i
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    passes = iter(DataLoader(Slow(), num_workers=2))
    next(passes)
    print(*[p.pid for p in passes._crew._processes], flush=True)
    for _ in passes: pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_main_process(how, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    main = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pids = [int(pid) for pid in main.stdout.readline().split()]
    assert len(pids) == 2
    (os.killpg if how == signal.SIGINT else os.kill)(main.pid, how)  # Ctrl-C goes to all of them
    _, errors = main.communicate(timeout=10)
    assert main.returncode != 0 and errors.count("Traceback") == (how == signal.SIGINT)
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_workers_of_a_thread_and_of_a_worker():
    found = []
    thread = threading.Thread(target=lambda: found.extend(values(Calls(int, 4), 2, num_workers=1)))
    thread.start()
    thread.join()
    assert found == [[0, 1], [2, 3]]
    with pytest.raises(AssertionError, match="daemonic processes are not allowed to have children"):
        nested = Calls(lambda i: values(Calls(int, 4), 2, num_workers=1))
        next(iter(DataLoader(nested, None, num_workers=1)))


def test_seeds_of_an_order_are_not_disturbed_by_workers():
    torch.manual_seed(0)
    list(DataLoader(Images(3), num_workers=1, sampler=RandomSampler(range(3))))
    after = torch.rand(1)
    torch.manual_seed(0)
    list(DataLoader(Images(3), sampler=RandomSampler(range(3))))
    assert torch.equal(after, torch.rand(1))


def test_more_workers_than_processors_warn():
    import warnings

    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        DataLoader(Images(), num_workers=most + 1)
        DataLoader(TensorDataset(torch.arange(3)), num_workers=most + 1)
        DataLoader(Images(), num_workers=most + 1, multiprocessing_context="thread")
    assert [str(w.message)[:28] for w in caught] == ["This DataLoader will create "]
    assert caught[0].filename == __file__
