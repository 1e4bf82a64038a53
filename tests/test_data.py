"""Datasets, samplers and the loader: what they give, what they refuse, and batches by indexing."""

import collections
import copy
import pickle
import random
import types

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)
from flambeau.utils.data.collate import collate, collate_int_fn, collate_tensor_fn, default_collate_fn_map
from flambeau.utils.data.dataset import get_batch

Point = collections.namedtuple("Point", "x y")


def pairs(n=7, start=0):
    """Item i: a row of two floats, and an int."""
    rows = torch.arange(start, start + 2 * n, dtype=torch.float32).view(n, 2)
    return TensorDataset(rows, torch.arange(start, start + n))


class Squares(Dataset):
    """A dataset whose items are plain ints."""

    def __init__(self, n=6):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index**2


class Stream(IterableDataset):
    def __init__(self, items, length=None):
        self.items = items
        self.length = length

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        if self.length is None:
            raise TypeError("no length")
        return self.length


class Order:
    """A sampler that is just a list, to give the loader exact indices."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def plain(value):
    """A batch as nested lists with dtypes, to be compared with ==."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.tolist())
    if isinstance(value, dict):
        return {key: plain(field) for key, field in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(plain, value)]
    return value


def batches(*args, **kwargs):
    return [plain(batch) for batch in DataLoader(*args, **kwargs)]


def values(*args, **kwargs):
    """The batches of a loader over one column, as lists of numbers."""
    return [batch.tolist() for batch in DataLoader(*args, **kwargs)]


# ----- Datasets -----
def test_tensor_dataset_gives_rows():
    data = pairs(3)
    assert len(data) == 3
    row, label = data[1]
    assert row.tolist() == [2, 3] and label.item() == 1
    assert [label.item() for _, label in data] == [0, 1, 2]


def test_tensor_dataset_names_the_shapes_that_do_not_match():
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors.*\(3, 2\), \(4,\)"):
        TensorDataset(torch.zeros(3, 2), torch.zeros(4))


def test_tensor_dataset_refuses_arrays():
    with pytest.raises(TypeError, match=r"argument 1 is a ndarray.*as_tensor"):
        TensorDataset(torch.zeros(3), np.zeros(3))


def test_tensor_dataset_without_tensors_has_no_length():
    with pytest.raises(IndexError, match="holds no tensors"):
        len(TensorDataset())


def test_dataset_without_getitem_says_what_to_define():
    with pytest.raises(NotImplementedError, match="Dataset and must define __getitem__"):
        Dataset()[0]


def test_iterable_dataset_without_iter_cannot_be_made():
    class Nothing(IterableDataset):
        pass

    with pytest.raises(TypeError, match="__iter__"):
        Nothing()


def test_plus_concatenates_maps_and_chains_streams():
    both = Squares(3) + Squares(2)
    assert isinstance(both, ConcatDataset) and list(both) == [0, 1, 4, 0, 1]
    chained = Stream([1, 2], 2) + Stream([3], 1)
    assert isinstance(chained, ChainDataset) and list(chained) == [1, 2, 3] and len(chained) == 3


def test_concat_dataset_indexes_from_both_ends():
    data = ConcatDataset([range(3), [], range(10, 12)])
    assert len(data) == 5 and data.cumulative_sizes == [3, 3, 5]
    assert [data[i] for i in range(-5, 5)] == [0, 1, 2, 10, 11, 0, 1, 2, 10, 11]
    with pytest.raises(ValueError, match="should not exceed dataset length, got -6 for 5"):
        data[-6]
    with pytest.raises(IndexError, match="index 5 is out of range for 5 items"):
        data[5]


def test_concat_dataset_refuses_nothing_and_streams():
    with pytest.raises(AssertionError, match="empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset, got a Stream"):
        ConcatDataset([Squares(), Stream([1])])


def test_chain_dataset_refuses_maps():
    chained = ChainDataset([Stream([1], 1), Squares()])
    with pytest.raises(AssertionError, match="got a Squares"):
        list(chained)
    with pytest.raises(AssertionError, match="got a Squares"):
        len(chained)


def test_stack_dataset_gives_tuples_and_dicts():
    assert StackDataset([1, 2], "ab")[1] == (2, "b")
    named = StackDataset(x=[1, 2], y="ab")
    assert len(named) == 2 and named[0] == {"x": 1, "y": "a"}
    assert named.__getitems__([1, 0]) == [{"x": 2, "y": "b"}, {"x": 1, "y": "a"}]
    assert StackDataset(Squares(4), "abcd").__getitems__([3, 0]) == [(9, "d"), (0, "a")]


@pytest.mark.parametrize(
    "args, kwargs", [((), {}), (([1],), {"y": [1]}), (([1], [1, 2]), {}), ((), {"x": [], "y": [1]})]
)
def test_stack_dataset_refuses(args, kwargs):
    with pytest.raises(ValueError, match="StackDataset"):
        StackDataset(*args, **kwargs)


def test_stack_dataset_checks_how_many_items_a_part_gives():
    class Short(Squares):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match=r"Short gave 1 items for 2 indices"):
        StackDataset(Short()).__getitems__([0, 1])


def test_subset():
    data = Subset(Squares(), [5, 0, 3])
    assert len(data) == 3 and list(data) == [25, 0, 9]
    assert data.__getitems__([2, 0]) == [9, 25]
    assert Subset(np.arange(10) * 10, [4, 2, 1])[[0, 2]].tolist() == [40, 10]


def test_subset_subclass_must_override_both():
    class Twice(Subset):
        def __getitem__(self, idx):
            return 2 * super().__getitem__(idx)

    with pytest.raises(NotImplementedError, match=r"Twice overrides __getitem__ but not __getitems__"):
        Twice(Squares(), [0])


# ----- Splits -----
def test_random_split_covers_the_dataset():
    first, second = random_split(range(10), [3, 7])
    assert (len(first), len(second)) == (3, 7)
    assert sorted([*first, *second]) == list(range(10))


def test_random_split_by_fractions_gives_the_rest_to_the_first_parts():
    assert [len(part) for part in random_split(range(11), [0.3, 0.3, 0.4])] == [4, 3, 4]
    assert [len(part) for part in random_split(range(5), [1])] == [5]


def test_random_split_warns_about_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(3), [1.0, 0.0])


@pytest.mark.parametrize(
    "lengths, error, message",
    [
        ([3, 8], ValueError, r"\[3, 8\] sum to 11, the dataset has 10 items"),
        ([0.5, 0.6], ValueError, "does not equal the length"),
        ([1.5, -0.5], ValueError, "Fraction at index 0 is not between 0 and 1, got 1.5"),
        ([-1, 11], ValueError, r"must not be negative, got \[-1, 11\]"),
        ([3.0, 7.0], TypeError, "integer"),
    ],
)
def test_random_split_refuses(lengths, error, message):
    with pytest.raises(error, match=message):
        random_split(range(10), lengths)


# ----- Samplers -----
def test_random_sampler_permutes_and_begins_anew():
    drawn = list(RandomSampler(range(4), num_samples=10))
    assert len(drawn) == 10
    assert sorted(drawn[:4]) == sorted(drawn[4:8]) == [0, 1, 2, 3]
    assert len(set(drawn[8:])) == 2


def test_random_sampler_with_replacement_gives_as_many_as_asked():
    sampler = RandomSampler(range(3), replacement=True, num_samples=70)
    assert len(sampler) == 70
    assert len(drawn := list(sampler)) == 70 and set(drawn) == {0, 1, 2}


@pytest.mark.parametrize("n", [0, -1, 2.0])
def test_random_sampler_refuses_a_count(n):
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        RandomSampler(range(3), num_samples=n)


def test_random_sampler_refuses_other_nonsense():
    with pytest.raises(TypeError, match="replacement should be a boolean value"):
        RandomSampler(range(3), replacement=1)
    with pytest.raises(ValueError, match=r"num_samples=0 \(the data source is empty"):
        RandomSampler([])
    with pytest.raises(ValueError, match="cannot draw 3 indices, the data source is empty"):
        next(iter(RandomSampler([], num_samples=3)))


def test_a_seed_repeats_an_order():
    first, second = (list(RandomSampler(range(20), generator=torch.Generator().manual_seed(5))) for _ in "12")
    assert first == second != list(range(20))
    sampler = RandomSampler(range(20))
    torch.manual_seed(5)
    assert list(sampler) != list(sampler)


def test_other_samplers():
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(SubsetRandomSampler([3, 5, 9])) == [3, 5, 9]
    assert list(WeightedRandomSampler([0.0, 2.0, 0.0], 4)) == [1, 1, 1, 1]
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    with pytest.raises(NotImplementedError, match="must define __iter__"):
        iter(Sampler())


@pytest.mark.parametrize("args", [([1.0], 0), ([1.0], True), ([1.0], 1.5), ([1.0], 1, 0), ([[1.0]], 1)])
def test_weighted_random_sampler_refuses(args):
    with pytest.raises(ValueError, match="WeightedRandomSampler"):
        WeightedRandomSampler(*args)


def test_batch_sampler():
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert [len(BatchSampler(range(5), 2, drop)) for drop in (False, True)] == [3, 2]
    assert list(BatchSampler([], 2, False)) == []


@pytest.mark.parametrize("size, drop", [(0, False), (-1, False), (2.0, False), (True, False), (2, 1)])
def test_batch_sampler_refuses(size, drop):
    with pytest.raises(ValueError, match="should be a"):
        BatchSampler(range(5), size, drop)


# ----- Collating -----
def test_collate_numbers_and_arrays():
    assert plain(default_collate([1, 2])) == ("torch.int64", (2,), [1, 2])
    assert plain(default_collate([True, False])) == ("torch.bool", (2,), [True, False])
    assert plain(default_collate([0.5, 1])) == ("torch.float64", (2,), [0.5, 1.0])
    assert plain(default_collate([np.float32(1), np.float32(2)])) == ("torch.float32", (2,), [1.0, 2.0])
    assert plain(default_collate([np.float64(1)])) == ("torch.float64", (1,), [1.0])
    arrays = [np.array([1, 2], np.int16), np.array([3, 4], np.int16)]
    assert plain(default_collate(arrays)) == ("torch.int16", (2, 2), [[1, 2], [3, 4]])


def test_collate_copies_arrays():
    array = np.zeros(2)
    batch = default_collate([array, array])
    array += 1
    assert batch.tolist() == [[0, 0], [0, 0]]


def test_collate_takes_arrays_that_cannot_be_written():
    array = np.frombuffer(b"ab", np.uint8)
    assert default_collate([array, array]).tolist() == [[97, 98], [97, 98]]


def test_collate_containers():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert plain(default_collate([(1, "a"), (2, "b")])) == [
        "list",
        plain(torch.tensor([1, 2])),
        ["tuple", "a", "b"],
    ]
    batch = default_collate([Point(1, [2.0]), Point(3, [4.0])])
    assert type(batch) is Point and batch.x.tolist() == [1, 3] and batch.y[0].tolist() == [2, 4]
    ordered = default_collate([collections.OrderedDict(a=1), collections.OrderedDict(a=2)])
    assert type(ordered) is collections.OrderedDict and ordered["a"].tolist() == [1, 2]
    frozen = default_collate([types.MappingProxyType({"a": 1})] * 2)
    assert type(frozen) is types.MappingProxyType and frozen["a"].tolist() == [1, 1]
    assert [part.tolist() for part in default_collate([range(2), range(2)])] == [[0, 0], [1, 1]]
    assert type(default_collate([collections.deque([1]), collections.deque([2])])) is collections.deque


def test_collate_leaves_the_items_alone():
    items = [{"a": 1}, {"a": 2}]
    default_collate(items)
    assert items == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "batch, error, message",
    [
        ([], IndexError, "the batch is empty"),
        ([None], TypeError, "must contain tensors.*NoneType.*collate_fn"),
        ([1j], TypeError, "complex"),
        ([np.array(["a"])], TypeError, "<U1"),
        ([(1, 2), (1,)], RuntimeError, "got length 2 at item 0 and 1 at item 1"),
        ([{"a": 1}, {"b": 1}], KeyError, "has the key 'a', item 1 not"),
        ([torch.zeros(2), 1], TypeError, "item 0 is a Tensor, item 1 a int"),
        (
            [torch.zeros(2), torch.zeros(2), torch.zeros(3)],
            RuntimeError,
            r"equal size, got shape \(2,\) at items 0, 1 and \(3,\) at item 2; pad",
        ),
    ],
)
def test_collate_refuses(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)


ROWS = torch.arange(24, dtype=torch.float32).view(4, 6)
KEPT = {
    "rows": lambda: [ROWS[i] for i in (3, 0, 1)],
    "columns": lambda: [ROWS[:, i] for i in (3, 0, 1)],
    "parts": lambda: [ROWS[i : i + 2, 1:3] for i in (2, 0, 1)],
    "turned": lambda: [ROWS.t()[i] for i in (2, 0, 1)],
    "bits": lambda: [ROWS.view(torch.int32)[i] for i in (2, 0)],
    "numbers": lambda: [ROWS[i, i] for i in (2, 0)],
    "pending": lambda: [ROWS[i] * 2 for i in (2, 0)],
    "one pending": lambda: [ROWS[0], ROWS[0] * 2],
    "written": lambda: [torch.zeros(6).add_(i)[2:] for i in (2, 0)],
    "arrays": lambda: [torch.from_numpy(ROWS.numpy().copy())[i] for i in (2, 0)],
    "dtypes": lambda: [ROWS[0], ROWS[0].int()],
    "empty": lambda: [ROWS[:0], ROWS[:0]],
    "expanded": lambda: [torch.zeros(1).expand(3) + i for i in (1, 2)],
}


@pytest.mark.parametrize("name", KEPT)
def test_collate_stacks_what_lies_in_memory_or_not(name):
    batch, items = default_collate(KEPT[name]()), KEPT[name]()
    assert batch.dtype == torch.stack(items).dtype and torch.equal(batch, torch.stack(items))


def test_collate_keeps_gradients_and_sees_writes():
    x = torch.ones(3, 2, requires_grad=True)
    default_collate([x[0], x[2] * 2]).sum().backward()
    assert x.grad.tolist() == [[1, 1], [0, 0], [2, 2]]
    rows = torch.zeros(2, 2)
    items = [rows[0], rows[1]]
    rows += 1
    assert default_collate(items).tolist() == [[1, 1], [1, 1]]


def test_collate_in_a_compiled_function_follows_its_arguments():
    both = torch.compile(lambda x: default_collate([x[0], x[1]]) * 2)
    for i in range(4):
        assert both(torch.full((2, 3), float(i))).tolist() == [[2 * i] * 3] * 2


def test_collate_names_the_field():
    with pytest.raises(RuntimeError) as caught:
        default_collate([{"image": (1, torch.zeros(2))}, {"image": (1, torch.zeros(3))}])
    assert caught.value.__notes__ == ["merging field 1 of the items", "merging field 'image' of the items"]


def test_collate_with_another_map():
    fns = {int: lambda batch, *, collate_fn_map: sum(batch)}
    assert collate([{"a": 1}, {"a": 2}], collate_fn_map=fns) == {"a": 3}
    with pytest.raises(TypeError, match="'str'"):
        collate(["a"], collate_fn_map=fns)


def test_convert():
    item = {
        "x": np.array([1, 2]),
        "p": Point(np.float32(3), "s"),
        "t": (np.array(1), None),
        "l": [np.array(2)],
    }
    out = default_convert(item)
    assert out["x"].tolist() == [1, 2] and out["p"].x.dtype == torch.float32 and out["p"].y == "s"
    assert type(out["t"]) is list and out["t"][0].item() == 1 and out["t"][1] is None
    assert out["l"][0].item() == 2 and isinstance(item["l"][0], np.ndarray)
    words = np.array(["a"])
    assert default_convert(words) is words and default_convert("abc") == "abc"


# ----- The loader -----
def test_loader_batches():
    assert values(Squares(5), 2) == [[0, 1], [4, 9], [16]]
    assert values(Squares(5), 2, drop_last=True) == [[0, 1], [4, 9]]
    assert values(Squares(3)) == [[0], [1], [4]]
    assert values(Squares(6), batch_sampler=[[5, 0], [1]]) == [[25, 0], [1]]
    assert values(Squares(6), 2, sampler=[3, 2, 1]) == [[9, 4], [1]]
    assert list(DataLoader(Squares(3), 2, collate_fn=sum)) == [1, 4]
    assert list(DataLoader([], 2)) == []


def test_loader_length():
    assert len(DataLoader(Squares(5), 2)) == 3
    assert len(DataLoader(Squares(5), 2, drop_last=True)) == 2
    assert len(DataLoader(Squares(5), batch_size=None)) == 5
    assert len(DataLoader(Stream([], 5), 2)) == 3
    assert len(DataLoader(Stream([], 5), 2, drop_last=True)) == 2
    with pytest.raises(TypeError):
        len(DataLoader(Stream([1])))


def test_loader_without_batching():
    assert list(DataLoader(Squares(3), batch_size=None)) == [0, 1, 4]
    assert [item.tolist() for item in DataLoader(np.eye(2), batch_size=None)] == [[1, 0], [0, 1]]
    sampler = BatchSampler(range(4), 3, False)
    assert [
        x.tolist() for (x,) in DataLoader(TensorDataset(torch.arange(4)), batch_size=None, sampler=sampler)
    ] == [
        [0, 1, 2],
        [3],
    ]


def test_loader_reads_keys_that_are_not_numbers():
    assert values({"a": 1, "b": 2}, sampler=["b", "a"]) == [[2], [1]]


def test_loader_shuffles_anew_and_repeats_with_a_seed():
    loader = DataLoader(Squares(32), 32, shuffle=True, generator=torch.Generator().manual_seed(3))
    first, second = (next(iter(loader)).tolist() for _ in "12")
    assert first != second and sorted(first) == sorted(second) == [i**2 for i in range(32)]
    loader.generator.manual_seed(3)
    assert next(iter(loader)).tolist() == first


def test_two_passes_at_once():
    loader = DataLoader(Squares(4), 2)
    assert [(a.tolist(), b.tolist()) for a, b in zip(loader, loader, strict=True)] == [
        ([0, 1],) * 2,
        ([4, 9],) * 2,
    ]
    outer = iter(loader)
    next(outer)
    assert values(Squares(4), 2) == [batch.tolist() for batch in loader] and next(outer).tolist() == [4, 9]
    assert len(outer) == 2


def test_loader_over_a_stream():
    assert values(Stream(range(5)), 2) == [[0, 1], [2, 3], [4]]
    assert values(Stream(range(5)), 2, drop_last=True) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream("ab"), batch_size=None)) == ["a", "b"]
    assert values(Stream(range(2)) + Stream(range(1)), 2) == [[0, 1], [0]]
    assert values(Stream([]), 2) == []


def test_a_stream_that_has_ended_is_not_asked_again():
    passes = iter(DataLoader(Stream(iter([1, 2, 3])), 2))
    assert [next(passes).tolist(), next(passes).tolist()] == [[1, 2], [3]]
    for _ in "12":
        with pytest.raises(StopIteration):
            next(passes)


def test_a_stream_longer_than_it_said_warns():
    loader = DataLoader(Stream(range(3), length=2), batch_size=1)
    assert len(list(loader)) == 3
    assert len(loader) == 2
    with pytest.warns(
        UserWarning, match=r"reported to be 2 \(when accessing len\(dataloader\)\), but 3 samples"
    ):
        list(loader)


def test_loader_attributes_are_fixed():
    loader = DataLoader(Squares())
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
        with pytest.raises(
            ValueError, match=f"{name} attribute should not be set after DataLoader is initialized"
        ):
            setattr(loader, name, None)
    loader.collate_fn = len
    assert next(iter(loader)) == 1


def test_loader_keeps_its_arguments():
    loader = DataLoader(Squares(), 4, drop_last=True, worker_init_fn=print)
    assert (loader.batch_size, loader.drop_last, loader.num_workers, loader.timeout) == (4, True, 0, 0)
    assert loader.worker_init_fn is print and loader.collate_fn is default_collate
    assert isinstance(loader.sampler, SequentialSampler) and isinstance(loader.batch_sampler, BatchSampler)
    assert DataLoader(Squares(), batch_size=None).collate_fn is default_convert
    by_batch = DataLoader(Squares(), batch_sampler=[[0]])
    assert by_batch.batch_size is None and by_batch.drop_last is False


def test_loader_copies_and_pickles():
    loader = DataLoader(Squares(3), 2)
    for twin in (copy.deepcopy(loader), pickle.loads(pickle.dumps(loader))):
        assert [batch.tolist() for batch in twin] == [[0, 1], [4]]


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"num_workers": -1}, "num_workers option should be non-negative, got -1"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor option should be non-negative"),
        ({"num_workers": 1, "multiprocessing_context": "fast"}, "valid start method in .*'thread'"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 0}, "prefetch_factor option needs num_workers > 0"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context option needs num_workers > 0"),
        ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "mutually exclusive with drop_last"),
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"batch_size": -3}, "batch_size=-3"),
        ({"batch_size": 2.0}, "batch_size=2.0"),
        ({"drop_last": 1}, "drop_last should be a boolean value"),
    ],
)
def test_loader_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Squares(), **kwargs)


@pytest.mark.parametrize("kwargs", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_loader_over_a_stream_refuses(kwargs):
    with pytest.raises(ValueError, match=f"expected unspecified {next(iter(kwargs))} option"):
        DataLoader(Stream([1]), **kwargs)


def test_loader_over_nothing():
    with pytest.raises(ValueError, match="num_samples=0"):
        DataLoader([], shuffle=True)


def test_workers_set_later_are_checked_too():
    loader = DataLoader(Squares())
    loader.num_workers = -2
    with pytest.raises(ValueError, match="non-negative, got -2"):
        iter(loader)
    with pytest.raises(TypeError, match="should be a valid context object or a string"):
        DataLoader(Squares(), num_workers=1, multiprocessing_context=3)


def test_timeout_needs_workers():
    loader = DataLoader(Squares(), timeout=3)
    with pytest.raises(AssertionError, match="timeout=3 needs num_workers > 0"):
        iter(loader)


def test_pinning_warns():
    with pytest.warns(UserWarning, match="no accelerator is found") as caught:
        assert [batch.tolist() for batch in DataLoader(Squares(1), pin_memory=True)] == [[0]]
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning) as caught:
        iter(DataLoader(Squares(1), pin_memory=True, pin_memory_device="cuda"))
    assert "pin_memory_device is deprecated" in str(caught[0].message) and len(caught) == 2


def test_there_is_no_worker():
    assert get_worker_info() is None


# ----- Resuming -----
LOADERS = {
    "shuffled": lambda: DataLoader(Squares(23), 3, shuffle=True),
    "own generator": lambda: DataLoader(Squares(23), 3, shuffle=True, generator=torch.Generator()),
    "weighted": lambda: DataLoader(Squares(9), 2, sampler=WeightedRandomSampler([1.0] * 9, 12)),
    "tensors": lambda: DataLoader(TensorDataset(torch.arange(23)), 4, shuffle=True, collate_fn=first_column),
    "stream": lambda: DataLoader(Stream(range(10)), 3),
    "one by one": lambda: DataLoader(Stream(range(10)), None, collate_fn=torch.tensor),
}


def first_column(items):
    return torch.stack([item[0] for item in items])


@pytest.mark.parametrize("taken", [0, 1, 3])
@pytest.mark.parametrize("name", LOADERS)
def test_a_pass_goes_on_where_it_was(name, taken):
    loader = LOADERS[name]()
    list(loader)
    passes = iter(loader)
    for _ in range(taken):
        next(passes)
    state = pickle.loads(pickle.dumps(loader.state_dict()))
    rest = [batch.tolist() for batch in passes]
    following = [batch.tolist() for batch in loader]
    twin = LOADERS[name]()
    twin.load_state_dict(state)
    torch.manual_seed(taken)
    here = torch.get_rng_state()
    assert [batch.tolist() for batch in twin] == rest
    assert torch.equal(torch.get_rng_state(), here)  # the default generator doesn't notice
    if name in ("own generator", "stream", "one by one"):
        assert [batch.tolist() for batch in twin] == following


def test_a_state_between_two_passes_begins_anew():
    loader = LOADERS["own generator"]()
    list(loader)
    state = loader.state_dict()
    expected = [batch.tolist() for batch in loader]
    assert state["batches"] == 0
    loader.load_state_dict(state)
    assert [batch.tolist() for batch in loader] == expected
    assert DataLoader(Squares()).state_dict()["batches"] == 0


def test_a_wrong_state_is_refused():
    with pytest.raises(ValueError, match="expected what state_dict"):
        DataLoader(Squares()).load_state_dict({"batches": 3})
    with pytest.raises(ValueError, match=r"1 generators .* this loader has 0"):
        DataLoader(Squares()).load_state_dict(LOADERS["own generator"]().state_dict())


# ----- Seeds of items -----
class Noisy(Dataset):
    """Item i is drawn from all three streams."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.rand(()).item(), random.random(), np.random.rand(), index


def test_seeded_items_depend_on_the_pass_and_the_index():
    loader = DataLoader(Noisy(), 3, shuffle=True, seed_samples=True)
    torch.manual_seed(0)
    streams = random.getstate(), np.random.get_state()[1].tolist()
    first, second = (
        {i: row for *row, i in zip(*map(torch.Tensor.tolist, join(loader)), strict=True)} for _ in "12"
    )
    assert (random.getstate(), np.random.get_state()[1].tolist()) == streams
    assert set(first) == set(second) == set(range(10))
    assert not any(a == b for i in first for a, b in zip(first[i], second[i], strict=True))
    torch.manual_seed(0)
    unshuffled = DataLoader(Noisy(), 4, seed_samples=True, sampler=RandomSampler(range(10)))
    again = {i: row for *row, i in zip(*map(torch.Tensor.tolist, join(unshuffled)), strict=True)}
    assert again == first


def join(loader):
    return [torch.cat(field) for field in zip(*loader, strict=True)]


# ----- Parts of a dataset for several processes -----
def test_distributed_sampler_shares_out():
    parts = [list(DistributedSampler(range(10), 3, rank, shuffle=False)) for rank in range(3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]
    whole = [list(DistributedSampler(range(10), 3, rank, drop_last=True, seed=5)) for rank in range(3)]
    assert [len(part) for part in whole] == [3, 3, 3] and len({i for part in whole for i in part}) == 9
    assert len(DistributedSampler(range(10), 3, 0)) == 4
    with pytest.raises(ValueError, match=r"Invalid rank 3, .* \[0, 2\]"):
        DistributedSampler(range(10), 3, 3)


def test_module_paths_that_programs_import():
    from flambeau.utils.data import dataloader, dataset, distributed, sampler
    from flambeau.utils.data._utils import worker
    from flambeau.utils.data._utils.collate import default_collate as named

    assert named is dataloader.default_collate is default_collate
    assert worker.get_worker_info is dataloader.get_worker_info is get_worker_info
    assert distributed.DistributedSampler is DistributedSampler
    assert sampler.RandomSampler is RandomSampler and dataset.Subset is Subset


# ----- Errors name the item -----
class Faulty(Squares):
    def __init__(self, error, at=3):
        super().__init__()
        self.error = error
        self.at = at

    def __getitem__(self, index):
        if index == self.at:
            raise self.error
        return index


def notes(loader):
    with pytest.raises(Exception) as caught:
        list(loader)
    return type(caught.value), caught.value.__notes__


def test_an_error_in_an_item_names_its_index():
    assert notes(DataLoader(Faulty(KeyError("x")), 2)) == (KeyError, ["raised by Faulty.__getitem__(3)"])
    assert notes(DataLoader(Faulty(OSError("x")), batch_size=None))[1] == ["raised by Faulty.__getitem__(3)"]
    kind, where = notes(DataLoader(Subset(Faulty(ValueError("x")), [5, 3]), 2))
    assert kind is ValueError
    assert where == ["raised by Faulty.__getitem__(3)", "raised by Subset.__getitems__([0, 1])"]
    kind, where = notes(DataLoader(ConcatDataset([Squares(2), Faulty(ValueError("x"))]), 2))
    assert where == ["raised by Faulty.__getitem__(3)", "raised by ConcatDataset.__getitem__(5)"]


def test_the_pass_goes_on_after_an_error():
    passes = iter(DataLoader(Faulty(ValueError("x"), at=0), 2))
    with pytest.raises(ValueError):
        next(passes)
    assert [batch.tolist() for batch in passes] == [[2, 3], [4, 5]]


def test_stop_iteration_in_an_item_does_not_end_the_loop():
    with pytest.raises(RuntimeError, match=r"Faulty.__getitem__\(3\) raised StopIteration"):
        list(DataLoader(Faulty(StopIteration()), 2))


def test_an_error_in_a_stream_names_the_item():
    def broken():
        yield from range(3)
        raise ValueError("x")

    assert notes(DataLoader(Stream(broken()), 2)) == (ValueError, ["raised by item 3 of Stream.__iter__"])


def test_an_error_in_collating_names_the_indices():
    data = [torch.zeros(1), torch.zeros(2), torch.zeros(2)]
    kind, where = notes(DataLoader(data, batch_sampler=[[2, 1], [1, 0]]))
    assert kind is RuntimeError and where == ["raised by default_collate on the items at indices [1, 0]"]
    assert notes(DataLoader(Stream([None, 1]), 2))[1] == [
        "raised by default_collate on items 0 to 1 of the stream"
    ]
    assert notes(DataLoader(Squares(), batch_size=None, collate_fn=len))[1] == [
        "raised by len on the item at index 0"
    ]


def test_an_index_out_of_range_is_named():
    kind, where = notes(DataLoader(pairs(3), batch_sampler=[[0, 7]]))
    assert kind is IndexError and where == ["raised by TensorDataset.__getitem__(7)"]


# ----- Batches by indexing -----
class Items(Dataset):
    """Another dataset read item by item, whatever it offers."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


BY_INDEX = {
    "tensors": pairs(),
    "one tensor": TensorDataset(torch.arange(7, dtype=torch.int16)),
    "many kinds": TensorDataset(
        torch.zeros(7, 0), torch.arange(7) > 3, torch.ones(7, 2, 3, dtype=torch.float64)
    ),
    "a view": TensorDataset(torch.arange(14).view(2, 7).t()),
    "subset": Subset(pairs(), [6, 5, 0, -1, 2, 3, 1]),
    "subset by array": Subset(pairs(), np.array([6, 5, 0, -1, 2, 3, 1])),
    "subset by tensor": Subset(pairs(), torch.tensor([6, 5, 0, -1, 2, 3, 1])),
    "subset of subset": Subset(Subset(pairs(9), range(8, 0, -1)), range(7)),
    "concat": ConcatDataset([pairs(2), pairs(3, 100), pairs(2, 200)]),
    "plus": pairs(3) + Subset(pairs(9), [8, 1, 7, 0]),
    "stack": StackDataset(pairs(), Subset(pairs(), [6, 5, 4, 3, 2, 1, 0])),
    "named stack": StackDataset(x=pairs(), y=TensorDataset(torch.arange(7))),
    "concat of stacks": StackDataset(x=pairs(3), y=pairs(3, 50)) + StackDataset(x=pairs(4), y=pairs(4, 70)),
    "subset of concat": Subset(pairs(4) + pairs(4, 30), [7, 0, 6, 1, 5, 2, 4]),
}
ORDERS = [[0, 1, 2], [6, 0, 3, 3, 1], [5], [-1, -7, 2], [np.int64(4), np.int32(1)], (2, 6)]


@pytest.mark.parametrize("name", BY_INDEX)
def test_batches_by_indexing_are_those_by_item(name):
    data = BY_INDEX[name]
    assert get_batch(data, [0, 6]) is not NotImplemented
    orders = [order for order in ORDERS if "array" not in name or min(order) >= 0]
    assert batches(data, batch_sampler=orders) == batches(Items(data), batch_sampler=orders)
    assert batches(data, 3) == batches(Items(data), 3)


def test_batches_of_indices_in_arrays_and_tensors():
    expected = batches(Items(pairs()), batch_sampler=[[3, 1]])
    for order in (np.array([3, 1]), torch.tensor([3, 1])):
        assert get_batch(pairs(), order) is not NotImplemented
        assert batches(pairs(), batch_sampler=[order]) == expected


def test_a_batch_does_not_share_memory_with_the_dataset():
    data = TensorDataset(torch.zeros(4, 2))
    (batch,) = next(iter(DataLoader(data, 4)))
    batch += 1
    assert data.tensors[0].sum().item() == 0


def test_gradients_flow_through_a_batch():
    table = torch.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(table), batch_sampler=[[3, 3, 0]])))
    batch.sum().backward()
    assert table.grad.tolist() == [[1, 1], [0, 0], [0, 0], [2, 2]]


@pytest.mark.parametrize(
    "data",
    [
        ConcatDataset([pairs(3), Items(pairs(4))]),
        StackDataset(pairs(), Items(pairs())),
        Subset(Items(pairs()), range(7)),
        ConcatDataset([TensorDataset(torch.arange(3)), TensorDataset(torch.arange(4) / 2)]),
        StackDataset(x=pairs(3), y=pairs(3)) + StackDataset(x=pairs(4), y=pairs(4), z=pairs(4)),
    ],
    ids=["concat", "stack", "subset", "two dtypes", "two structures"],
)
def test_what_cannot_be_indexed_is_read_item_by_item(data):
    orders = [[0, 6], [6, 5, 4], [1, 2]]
    assert batches(data, batch_sampler=orders) == batches(Items(data), batch_sampler=orders)


def test_concat_of_unequal_shapes_is_refused_as_by_item():
    data = TensorDataset(torch.zeros(2, 3)) + TensorDataset(torch.zeros(2, 4))
    with pytest.raises(RuntimeError, match=r"\(3,\) at item 0 and \(4,\) at item 1"):
        list(DataLoader(data, batch_sampler=[[0, 2]]))


def with_getitem(base):
    def doubled(self, index):
        return tuple(2 * value for value in base.__getitem__(self, index))

    return type("Doubled", (base,), {"__getitem__": doubled})


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_getitem(TensorDataset)(*pairs().tensors),
        lambda: type("Grandchild", (with_getitem(TensorDataset),), {})(*pairs().tensors),
        lambda: with_getitem(ConcatDataset)([pairs(3), pairs(4)]),
        lambda: with_getitem(StackDataset)(TensorDataset(torch.arange(7)), torch.arange(7)),
        lambda: ConcatDataset([with_getitem(TensorDataset)(*pairs().tensors)]),
    ],
)
def test_an_overridden_getitem_is_never_bypassed(make):
    data = make()
    assert batches(data, 3) == batches(Items(data), 3)
    assert batches(Subset(data, [4, 0]), 2) == batches(Items(Subset(data, [4, 0])), 2)


def test_an_overridden_getitems_is_never_bypassed():
    class Other(TensorDataset):
        def __getitems__(self, indices):
            return [-i for i in indices]

    assert values(Other(torch.arange(4)), 4) == [[0, -1, -2, -3]]
    data = pairs(4)
    data.__getitems__ = lambda indices: [7 for _ in indices]
    assert values(data, 4) == [[7, 7, 7, 7]]


def test_a_dataset_may_bring_its_own_getbatch():
    class Table(Squares):
        def __getbatch__(self, indices):
            return torch.tensor([100 + i for i in indices])

    assert values(Table(4), 2) == [[100, 101], [102, 103]]
    assert values(Subset(Table(4), [3, 2]), 2) == [[103, 102]]
    assert list(DataLoader(Table(4), 4, collate_fn=list)) == [[0, 1, 4, 9]]

    class Further(Table):
        def __getitem__(self, index):
            return -index

    assert values(Further(4), 4) == [[0, -1, -2, -3]]


def test_a_collate_map_that_was_changed_is_heeded():
    def negated(batch, *, collate_fn_map):
        return -collate_tensor_fn(batch)

    default_collate_fn_map[torch.Tensor] = negated
    try:
        assert [
            [x.tolist(), y.tolist()]
            for x, y in DataLoader(TensorDataset(torch.arange(2), torch.arange(2)), 2)
        ] == [[[0, -1], [0, -1]]]
    finally:
        default_collate_fn_map[torch.Tensor] = collate_tensor_fn
    default_collate_fn_map[Point] = lambda batch, *, collate_fn_map: collate_int_fn([p.x for p in batch])
    try:
        assert values([Point(1, 2), Point(3, 4)], 2) == [[1, 3]]
    finally:
        del default_collate_fn_map[Point]


def test_subclasses_of_tensor_index_in_their_own_way():
    class Tripled(torch.Tensor):
        __slots__ = ()

        def __getitem__(self, index):
            return torch.tensor(3 * index)

    rows = torch.arange(4)
    rows.__class__ = Tripled
    assert get_batch(TensorDataset(rows), [0, 1]) is NotImplemented
    assert [x.tolist() for (x,) in DataLoader(TensorDataset(rows), 4)] == [[0, 3, 6, 9]]
