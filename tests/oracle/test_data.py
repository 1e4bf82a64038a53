"""The same orders, splits and batches as PyTorch for the same seed."""

import collections
import random

import numpy as np
import pytest

import flambeau
import flambeau.utils.data as ours

torch = pytest.importorskip("torch")
theirs = torch.utils.data

SEEDS = [0, 1, 42, 2**31 + 7, -5]
BOTH = [(flambeau, ours), (torch, theirs)]
Point = collections.namedtuple("Point", "x y")


def plain(value):
    """Nested lists with the names of types and dtypes, the same for both libraries."""
    if isinstance(value, flambeau.Tensor | torch.Tensor):
        return (str(value.dtype).split(".")[1], tuple(value.shape), value.tolist())
    if isinstance(value, collections.abc.Mapping):
        return (type(value).__name__, {key: plain(field) for key, field in value.items()})
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(plain, value)]
    return value


def agree(run):
    """`run(lib, data, generator)` gives the same with both libraries, whichever generator it draws from."""
    for seed in SEEDS:
        for own in (False, True):
            results = []
            for lib, data in BOTH:
                lib.manual_seed(seed)
                generator = lib.Generator().manual_seed(seed) if own else None
                result = plain(run(lib, data, generator))
                # What is drawn next shows that the streams have moved equally far.
                results.append((result, lib.rand(3, generator=generator).tolist(), lib.rand(3).tolist()))
            assert results[0] == results[1], (seed, own)


SAMPLERS = {
    "random": lambda lib, data, g: data.RandomSampler(range(50), generator=g),
    "random, few": lambda lib, data, g: data.RandomSampler(range(50), num_samples=7, generator=g),
    "random, many": lambda lib, data, g: data.RandomSampler(range(5), num_samples=12, generator=g),
    "with replacement": lambda lib, data, g: data.RandomSampler(range(50), True, 75, g),
    "32 with replacement": lambda lib, data, g: data.RandomSampler(range(7), True, 32, g),
    "subset": lambda lib, data, g: data.SubsetRandomSampler([3, 1, 4, 15, 9, 2, 6], g),
    "weighted": lambda lib, data, g: data.WeightedRandomSampler(
        [0.1, 0.9, 0.4, 0.0, 3.0, 0.6], 20, generator=g
    ),
    "weighted, once": lambda lib, data, g: data.WeightedRandomSampler([0.1, 0.9, 0.4, 3.0], 4, False, g),
    "batches": lambda lib, data, g: data.BatchSampler(data.RandomSampler(range(11), generator=g), 4, True),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_give_the_same_order(name):
    def twice(lib, data, generator):
        sampler = SAMPLERS[name](lib, data, generator)
        return [len(sampler), list(sampler), list(sampler)]

    agree(twice)


def test_random_split_gives_the_same_split():
    for lengths in ([3, 7], [10], [0, 4, 6], [0.5, 0.5], [0.33, 0.33, 0.34], [1 / 3, 2 / 3]):

        def split(lib, data, generator, lengths=lengths):
            given = {} if generator is None else {"generator": generator}
            return [part.indices for part in data.random_split(range(10), lengths, **given)]

        agree(split)


def test_loaders_shuffle_alike():
    def three_epochs(lib, data, generator):
        rows = data.TensorDataset(lib.arange(40).view(20, 2), lib.arange(20))
        loader = data.DataLoader(rows, 6, shuffle=True, generator=generator)
        epochs = [list(loader) for _ in "123"]
        next(iter(loader))  # a pass that is broken off moves the streams too
        return [*epochs, list(loader)]

    agree(three_epochs)


def test_loaders_move_the_random_stream_alike():
    class Eager:
        """A sampler that draws when the pass begins, before the loader does."""

        def __init__(self, lib):
            self.lib = lib

        def __iter__(self):
            return iter(self.lib.randperm(5).tolist())

    def passes(lib, data, generator):
        items = [lib.tensor(i) for i in range(5)]
        plain_loader = data.DataLoader(items, 2, generator=generator)
        drawn = data.DataLoader(items, 2, sampler=Eager(lib), generator=generator)
        single = data.DataLoader(items, None, sampler=Eager(lib), generator=generator)
        noise = data.DataLoader([0, 1, 2], 2, collate_fn=lambda items: lib.rand(2), generator=generator)
        return [list(loader) for loader in (plain_loader, drawn, single, noise)]

    agree(passes)


def test_split_then_shuffle():
    def run(lib, data, generator):
        whole = data.TensorDataset(lib.arange(30), lib.arange(30) * 2) + data.TensorDataset(
            lib.arange(9), lib.arange(9)
        )
        train, test = data.random_split(whole, [0.8, 0.2], generator=generator)
        joined = data.StackDataset(x=train, y=train)
        return [
            list(data.DataLoader(part, 5, shuffle=True, generator=generator))
            for part in (train, test, joined)
        ]

    agree(run)


ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
COLLATED = {
    "ints": [1, 2, 3],
    "bools": [True, False],
    "int first": [1, 2.5],
    "floats": [0.5, 1.5],
    "float first": [0.5, 1],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "arrays": [ARRAY, ARRAY + 1],
    "transposed arrays": [ARRAY.T, ARRAY.T + 1],
    "reversed arrays": [np.ascontiguousarray(ARRAY[::-1]), ARRAY],
    "0-d arrays": [np.array(1), np.array(2)],
    "bool arrays": [ARRAY > 2, ARRAY > 3],
    "arrays of two dtypes": [ARRAY, ARRAY.astype(np.float64)],
    "float32 scalars": [np.float32(1), np.float32(2)],
    "float64 scalars": [np.float64(1), np.float64(2)],
    "int8 scalars": [np.int8(1), np.int8(2)],
    "bool scalars": [np.bool_(True), np.bool_(False)],
    "tuples": [(1, "a", ARRAY), (2, "b", ARRAY)],
    "lists": [[1, 0.5], [2, 1.5]],
    "dicts": [{"x": 1, "y": {"z": ARRAY}}, {"y": {"z": ARRAY}, "x": 2, "more": 3}],
    "named tuples": [Point(1, "a"), Point(2, "b")],
    "ordered dicts": [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    "ranges": [range(3), range(3, 6)],
    "empty tuples": [(), ()],
    "one item": [((1, 2), {"a": [3.0]})],
}


@pytest.mark.parametrize("name", COLLATED)
def test_collated_batches_agree(name):
    batch = COLLATED[name]
    assert plain(ours.default_collate(batch)) == plain(theirs.default_collate(batch))


@pytest.mark.parametrize("name", COLLATED)
def test_converted_items_agree(name):
    for item in COLLATED[name]:
        assert plain(ours.default_convert(item)) == plain(theirs.default_convert(item))


def test_collated_tensors_agree():
    for dtypes in (
        ["float32"],
        ["int64"],
        ["bool"],
        ["float16"],
        ["uint8"],
        ["float32", "int64"],
        ["int32", "bool"],
    ):
        results = []
        for lib, data in BOTH:
            kinds = [getattr(lib, dtype) for dtype in dtypes]
            items = [lib.tensor([[0, 1]]).to(kinds[i % len(kinds)]) for i in range(3)]
            results.append(plain(data.default_collate([(item, item[0, 0]) for item in items])))
        assert results[0] == results[1], dtypes


WRONG = {
    "empty": [],
    "None": [None],
    "complex": [1j],
    "words": [np.array(["a"])],
    "lengths": [(1, 2), (1,)],
    "keys": [{"a": 1}, {"b": 1}],
    "shapes": [ARRAY, ARRAY[:1]],
    "float then str": [1.0, "a"],
    "int then str": [1, "a"],
}


@pytest.mark.parametrize("name", WRONG)
def test_collate_raises_the_same_class(name):
    with pytest.raises(Exception) as expected:
        theirs.default_collate(WRONG[name])
    with pytest.raises(expected.type):
        ours.default_collate(WRONG[name])


class Stream:
    """Made into an iterable dataset of either library."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def stream(data, n):
    return type("Numbers", (Stream, data.IterableDataset), {})(n)


def test_streams_agree():
    for kwargs in ({"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}, {}):

        def run(lib, data, generator, kwargs=kwargs):
            loader = data.DataLoader(stream(data, 5) + stream(data, 2), generator=generator, **kwargs)
            return [len(loader), list(loader), list(loader)]

        agree(run)


# ----- Workers -----
class Drawn:
    """Item i is what the three random streams of its worker give."""

    def __init__(self, lib, data):
        self.lib, self.data = lib, data

    def __len__(self):
        return 12

    def __getitem__(self, index):
        lib, info = self.lib, self.data.get_worker_info()
        told = (info.id, info.num_workers, info.seed, lib.initial_seed(), lib.get_num_threads())
        return index, told, random.random(), np.random.rand(), lib.rand(2), lib.randint(0, 99, (2,))


@pytest.mark.parametrize(
    "kwargs", [{"shuffle": True}, {"persistent_workers": True}, {"drop_last": True}], ids=str
)
def test_workers_draw_the_same_numbers(kwargs):
    results = []
    for lib, data in BOTH:
        lib.manual_seed(7)
        generator = lib.Generator().manual_seed(11)
        loaders = [
            data.DataLoader(Drawn(lib, data), 5, num_workers=2, generator=own, **kwargs)
            for own in (None, generator)
        ]
        epochs = [[plain(list(loader)) for loader in loaders] for _ in "12"]
        results.append([epochs, lib.rand(2).tolist(), lib.rand(2, generator=generator).tolist()])
    assert results[0] == results[1]


def test_worker_passes_move_the_random_stream_alike():
    class Eager:
        def __init__(self, lib):
            self.lib = lib

        def __iter__(self):
            return iter(self.lib.randperm(5).tolist())

    def passes(lib, data, generator):
        loader = data.DataLoader(
            list(range(5)), 2, sampler=Eager(lib), generator=generator, num_workers=1, persistent_workers=True
        )
        return [list(loader), list(loader)]

    agree(passes)


class Sharded(Stream):
    def __iter__(self):
        info = self.data.get_worker_info()
        return iter(range(info.id, self.n, info.num_workers + info.id))


@pytest.mark.parametrize("n", [0, 1, 7, 20])
@pytest.mark.parametrize(
    "kwargs", [{"batch_size": 3}, {"batch_size": 2, "drop_last": True}, {"batch_size": None}]
)
def test_streams_with_workers_agree(n, kwargs):
    results = []
    for _, data in BOTH:
        dataset = type("Numbers", (Sharded, data.IterableDataset), {"data": data})(n)
        loader = data.DataLoader(dataset, num_workers=2, prefetch_factor=3, **kwargs)
        results.append([plain(list(loader)), plain(list(loader))])
    assert results[0] == results[1]


class Wrong:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 1:
            raise {"key": KeyError("it"), "unicode": UnicodeDecodeError("a", b"", 0, 1, "b")}.get(
                self.kind, ValueError("it")
            )
        return None if self.kind == "collate" else index


@pytest.mark.parametrize("kind", ["value", "key", "unicode", "collate"])
def test_workers_raise_the_same_class(kind):
    results = []
    for _, data in BOTH:
        dataset = Wrong()
        dataset.kind = kind
        with pytest.raises(Exception) as caught:
            list(data.DataLoader(dataset, num_workers=1))
        results.append((type(caught.value), str(caught.value).split("\n")[:2]))
    assert results[0] == results[1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # theirs, half made
def test_worker_arguments_raise_the_same_class():
    for kwargs in (
        {"num_workers": 1, "prefetch_factor": -1},
        {"num_workers": 1, "prefetch_factor": 0},
        {"num_workers": 1, "multiprocessing_context": "no such"},
        {"num_workers": 1, "multiprocessing_context": 3},
        {"num_workers": 1, "timeout": -1},
    ):
        with pytest.raises(Exception) as expected:
            iter(theirs.DataLoader([1, 2], **kwargs))
        with pytest.raises(expected.type):
            iter(ours.DataLoader([1, 2], **kwargs))


def test_distributed_samplers_agree():
    for n, count in ((10, 3), (7, 7), (2, 5), (12, 4)):
        for rank in range(count):
            for kwargs in ({}, {"shuffle": False}, {"drop_last": True, "seed": 3}):
                orders = []
                for _, data in BOTH:
                    sampler = data.distributed.DistributedSampler(range(n), count, rank, **kwargs)
                    first = list(sampler)
                    sampler.set_epoch(2)
                    orders.append([len(sampler), sampler.total_size, first, list(sampler)])
                assert orders[0] == orders[1]
    for _, data in BOTH:
        with pytest.raises(ValueError):
            data.DistributedSampler(range(3), 2, 2)


ARGUMENTS = [
    {"num_workers": -1},
    {"timeout": -1},
    {"prefetch_factor": 2},
    {"prefetch_factor": -1},
    {"persistent_workers": True},
    {"multiprocessing_context": "fork"},
    {"sampler": [0], "shuffle": True},
    {"batch_sampler": [[0]], "batch_size": 2},
    {"batch_sampler": [[0]], "shuffle": True},
    {"batch_size": None, "drop_last": True},
    {"batch_size": 0},
    {"drop_last": 1},
    {"timeout": 1},
    {"batch_sampler": [[9]]},
    {"batch_sampler": [[]]},
]


@pytest.mark.parametrize("kwargs", ARGUMENTS, ids=str)
def test_loader_raises_the_same_class(kwargs):
    for dataset in (lambda lib, data: data.TensorDataset(lib.arange(3)), lambda lib, data: [1, 2, 3]):
        with pytest.raises(Exception) as expected:
            list(theirs.DataLoader(dataset(torch, theirs), **kwargs))
        with pytest.raises(expected.type):
            list(ours.DataLoader(dataset(flambeau, ours), **kwargs))
