"""Datasets, how they are put together, and how they are read: by the item, by the list, by the batch."""

from __future__ import annotations

import bisect
import itertools
import math
import operator
import reprlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ...core.generator import Generator
from ...core.tensor import Tensor, from_array, peek
from ...functions.joining import (
    cat,
)
from ...functions.random import randperm

_FEW = 1 << 20  # bytes of a batch that are copied at once
T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A map from keys to items: a subclass defines `__getitem__`, and `__len__` if its size is known.

    A `DataLoader` reads it in one of three ways, the first that the class offers:

    - `__getbatch__(indices)` takes a list of ints and returns the finished batch, equal to
      `default_collate([self[i] for i in indices])`, or `NotImplemented`. It serves datasets whose items lie
      in arrays: one indexing operation per array replaces one per item. `TensorDataset` has it; `Subset`,
      `ConcatDataset` and `StackDataset` pass it on. It must depend on the indices alone, for the loader may
      ask again item by item. It is used only where the collate function is `default_collate`, and not if a
      subclass of the class that defines it overrides `__getitem__` or `__getitems__`.
    - `__getitems__(indices)` returns the list of items.
    - `__getitem__(index)` returns one item.

    >>> import flambeau as torch
    >>> class Squares(torch.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> list(torch.utils.data.DataLoader(Squares(), batch_size=2))
    [tensor([0, 1]), tensor([4, 9])]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"{type(self).__name__} is a Dataset and must define __getitem__(self, index)"
        )

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """A stream of items: a subclass defines `__iter__`.

    It suits data that come from a file, a socket or a generator, where an index has no meaning. The order of
    the items is that of the stream, so a `DataLoader` over it takes neither a sampler nor `shuffle`.

    >>> import flambeau as torch
    >>> class Count(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(3))
    >>> list(torch.utils.data.DataLoader(Count(), batch_size=2))
    [tensor([0, 1]), tensor([2])]
    """

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple["Tensor", ...]]):
    """The rows of one or more tensors: item `i` is `(x[i], y[i], ...)`.

    A `DataLoader` with the default collate function reads a batch with one indexing operation per tensor.

    Args:
        *tensors: tensors of one size in the first dimension.

    Raises:
        AssertionError: the first dimensions differ.

    >>> import flambeau as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(6).view(3, 2), torch.tensor([7, 8, 9]))
    >>> data[1]
    (tensor([2, 3]), tensor(8))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        for i, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"TensorDataset: argument {i} is a {type(tensor).__name__}, expected a Tensor; "
                    "convert it with flambeau.as_tensor"
                )
        if len({tensor.size(0) for tensor in tensors}) > 1:
            raise AssertionError(
                "TensorDataset: Size mismatch between tensors: all need the same first dimension, got shapes "
                + ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        # A subclass of Tensor may index in its own way; odd and wrong indices are for `__getitem__` to judge.
        plain = all(type(tensor) is Tensor for tensor in self.tensors)
        if not plain or not _are_ints(indices, TensorDataset.__len__(self)):
            return NotImplemented
        return self._rows(np.array(indices, np.int64))

    def _rows(self, rows: np.ndarray) -> list[Tensor]:
        return [_rows_of(tensor, rows) for tensor in self.tensors]

    def __len__(self) -> int:
        if not self.tensors:
            raise IndexError("TensorDataset: it holds no tensors, so it has no length; pass at least one")
        return int(self.tensors[0].size(0))


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side: item `i` is the tuple, or the dict, of their items `i`.

    Args:
        *args: datasets, for items that are tuples.
        **kwargs: datasets by name, for items that are dicts.

    Raises:
        ValueError: no dataset, both kinds of argument, or datasets of different lengths.

    >>> from flambeau.utils.data import StackDataset
    >>> StackDataset([1, 2], ["a", "b"])[1]
    (2, 'b')
    >>> StackDataset(number=[1, 2], name=["a", "b"])[1]
    {'number': 2, 'name': 'b'}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            given = "both" if args else "neither"
            raise ValueError(
                f"StackDataset: pass datasets by position (tuples) or by name (dicts), got {given}"
            )
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"StackDataset: Size mismatch between datasets: all need one length, got {lengths}"
            )
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _join(self, values: Iterable[Any], join: type = tuple) -> Any:
        names = self.datasets
        return dict(zip(names, values, strict=True)) if isinstance(names, dict) else join(values)

    def __getitem__(self, index: Any) -> Any:
        return self._join(get_item(dataset, index) for dataset in self._parts())

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        if type(self).__getitem__ is not StackDataset.__getitem__:
            return [get_item(self, index) for index in indices]
        columns = [get_items(dataset, indices) for dataset in self._parts()]
        for dataset, column in zip(self._parts(), columns, strict=True):
            if len(column) != len(indices):
                raise ValueError(
                    "StackDataset: Nested dataset's output size mismatch. "
                    f"{type(dataset).__name__} gave {len(column)} items for {len(indices)} indices"
                )
        return [self._join(values) for values in zip(*columns, strict=True)]

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        batches = _get_batches((dataset, indices) for dataset in self._parts())
        return NotImplemented if batches is None else self._join(batches, list)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other: the items of the first, then those of the second, and so on.

    `a + b` makes one too.

    Args:
        datasets: map-style datasets with a length, at least one.

    Raises:
        AssertionError: there is no dataset, or one is an `IterableDataset`.

    >>> from flambeau.utils.data import ConcatDataset
    >>> data = ConcatDataset([range(3), range(10, 12)])
    >>> len(data), data[3], data[-2]
    (5, 10, 10)
    """

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: datasets should not be an empty iterable")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ConcatDataset does not support IterableDataset, got a {type(dataset).__name__}; "
                    "use ChainDataset for streams"
                )
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """The running sum of the lengths: where each dataset ends.

        >>> from flambeau.utils.data import ConcatDataset
        >>> ConcatDataset.cumsum(["ab", "c"])
        [2, 3]
        """
        return list(itertools.accumulate(len(part) for part in sequence))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def _locate(self, index: int) -> tuple[int, int]:
        """Which dataset holds the item, and at which index."""
        n = len(self)
        if index < -n:
            raise ValueError(
                "ConcatDataset: absolute value of index should not exceed dataset length, "
                f"got {index} for {n} items"
            )
        if index < 0:
            index += n
        if index >= self.cumulative_sizes[-1]:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {n} items")
        part = bisect.bisect_right(self.cumulative_sizes, index)
        return part, index - (self.cumulative_sizes[part - 1] if part else 0)

    def __getitem__(self, idx: int) -> Any:
        part, index = self._locate(idx)
        return get_item(self.datasets[part], index)

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if not _are_ints(indices, len(self)):
            return NotImplemented
        located = [self._locate(index) for index in indices]
        by_part = sorted(range(len(located)), key=lambda place: located[place][0])  # places in the batch
        batches = _get_batches(
            (self.datasets[part], [located[place][1] for place in places])
            for part, places in itertools.groupby(by_part, key=lambda place: located[place][0])
        )
        if batches is None:
            return NotImplemented
        if len(batches) == 1:
            return batches[0]
        return _interleave(batches, _as_index(sorted(range(len(by_part)), key=by_part.__getitem__)))


class ChainDataset(IterableDataset[T_co]):
    """Streams one after the other.

    Args:
        datasets: iterable datasets.

    Raises:
        AssertionError: when it comes to a dataset that is not an `IterableDataset`.
    """

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._streams())  # type: ignore[misc, arg-type]

    def _streams(self) -> Iterator[IterableDataset[T_co]]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ChainDataset only supports IterableDataset, got a {type(dataset).__name__}; "
                    "use ConcatDataset for map-style datasets"
                )
            yield dataset


class Subset(Dataset[T_co]):
    """The items of a dataset at some indices: item `i` is `dataset[indices[i]]`.

    Raises:
        NotImplementedError: a subclass overrides `__getitem__` but not `__getitems__`.

    >>> from flambeau.utils.data import Subset
    >>> list(Subset("flambeau", [0, 3, -1]))
    ['f', 'm', 'u']
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        cls = type(self)
        if cls.__getitem__ is not Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__} overrides __getitem__ but not __getitems__, which the DataLoader calls on a "
                "Subset; define also: def __getitems__(self, indices): return [self[i] for i in indices]"
            )
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> Any:
        inside = [self.indices[i] for i in idx] if isinstance(idx, list) else self.indices[idx]
        return get_item(self.dataset, inside)

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        return get_items(self.dataset, [self.indices[i] for i in indices])

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if not _are_ints(indices, len(self)):
            return NotImplemented
        chosen: Any = self.indices
        inside = chosen[_as_index(indices)] if isinstance(chosen, Tensor) else [chosen[i] for i in indices]
        return get_batch(self.dataset, inside)

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Split a dataset at random into parts that do not overlap; a seed gives the same split as PyTorch.

    Args:
        dataset: a dataset with a length.
        lengths: how many items each part gets, or fractions that sum to 1. With fractions, part `i` gets
            `floor(fraction * len(dataset))` items, and what is left goes one each to the first parts.
        generator: the source of randomness, by default the default generator.

    Raises:
        ValueError: the sum is not `len(dataset)`, a length is negative, or a fraction is not in [0, 1].
        TypeError: a length is not an integer.

    >>> import flambeau as torch
    >>> parts = torch.utils.data.random_split(range(10), [0.8, 0.2], torch.Generator().manual_seed(42))
    >>> list(parts[1])
    [3, 7]
    """
    n = len(dataset)  # type: ignore[arg-type]
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        lengths = _lengths_of_fractions(n, lengths)
    elif total != n:
        raise ValueError(
            "random_split: Sum of input lengths does not equal the length of the input dataset: "
            f"{list(lengths)} sum to {total}, the dataset has {n} items; "
            f"pass lengths that sum to {n} or fractions that sum to 1"
        )
    sizes = [operator.index(length) for length in lengths]  # type: ignore[arg-type]
    if any(size < 0 for size in sizes):
        raise ValueError(f"random_split: lengths must not be negative, got {sizes}")
    order = randperm(n, generator=generator).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def _lengths_of_fractions(n: int, fractions: Sequence[float]) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"random_split: Fraction at index {i} is not between 0 and 1, got {fraction}")
    lengths = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                UserWarning,
                stacklevel=3,
            )
    return lengths


# ----- Reading a dataset -----
def get_item(dataset: Any, index: Any) -> Any:
    """`dataset[index]`; an error names the index."""
    try:
        return dataset[index]
    except Exception as error:
        blame(error, f"{type(dataset).__name__}.__getitem__({reprlib.repr(index)})")
        raise


def get_items(dataset: Any, indices: Any) -> list[Any]:
    """The items at `indices`, through `__getitems__` if the dataset has it."""
    if not callable(getattr(dataset, "__getitems__", None)):
        return [get_item(dataset, index) for index in indices]
    try:
        items: list[Any] = dataset.__getitems__(indices)
        return items
    except Exception as error:
        blame(error, f"{type(dataset).__name__}.__getitems__({reprlib.repr(indices)})")
        raise


def get_batch(dataset: Any, indices: Any) -> Any:
    """The finished batch through `__getbatch__`, or NotImplemented where items must be read and merged."""
    if not _has_getbatch(dataset):
        return NotImplemented
    try:
        if (
            type(indices) is np.ndarray
            and type(dataset) is TensorDataset
            and _are_within(indices, len(dataset))
        ):
            return dataset._rows(indices)
        return dataset.__getbatch__(indices.tolist() if isinstance(indices, Tensor | np.ndarray) else indices)
    except Exception as error:
        blame(error, f"{type(dataset).__name__}.__getbatch__({reprlib.repr(indices)})")
        raise


def in_memory(dataset: Any) -> bool:
    """Whether a dataset is made of tensors alone, so that reading it is indexing them."""
    kind = type(dataset)
    if kind is Subset:
        return in_memory(dataset.dataset)
    if kind is ConcatDataset:
        return all(map(in_memory, dataset.datasets))
    if kind is StackDataset:
        return all(map(in_memory, dataset._parts()))
    return kind is TensorDataset and all(type(tensor) is Tensor for tensor in dataset.tensors)


def blame(error: Exception, where: str) -> None:
    """Note on an error where it comes from. StopIteration, which would end the loop, becomes RuntimeError."""
    if isinstance(error, StopIteration):
        raise RuntimeError(f"{where} raised StopIteration") from error
    error.add_note(f"raised by {where}")


def _get_batches(requests: Iterable[tuple[Any, Any]]) -> list[Any] | None:
    """The batches of several datasets, or None if one of them has none to give."""
    batches = []
    for dataset, indices in requests:
        batch = get_batch(dataset, indices)
        if batch is NotImplemented:
            return None
        batches.append(batch)
    return batches


def _has_getbatch(dataset: Any) -> bool:
    """Whether there is a `__getbatch__`, and no subclass of the class that defines it changes the items."""
    if "__getitems__" in getattr(dataset, "__dict__", ()):
        return False
    for cls in type(dataset).__mro__:
        if "__getbatch__" in vars(cls):
            return True
        if "__getitem__" in vars(cls) or "__getitems__" in vars(cls):
            return False
    return False


def _are_ints(indices: Any, n: int) -> bool:
    """Whether these are integers within [-n, n), and at least one."""
    if not isinstance(indices, list | tuple) or not indices:
        return False
    kinds = set(map(type, indices))
    if kinds != {int} and not all(kind is int or issubclass(kind, np.integer) for kind in kinds):
        return False
    return bool(-n <= min(indices) and max(indices) < n)


def _are_within(rows: np.ndarray, n: int) -> bool:
    """The same for an array."""
    plain = rows.dtype == np.int64 and rows.ndim == 1 and len(rows) > 0
    return bool(plain and -n <= rows.min() and rows.max() < n)


def _rows_of(tensor: Tensor, rows: np.ndarray) -> Tensor:
    """Rows of a tensor: copied at once if they are few and lie in memory, which takes less time than
    recording.
    """
    value = peek(tensor)
    if value is None or len(rows) * value.nbytes > _FEW * len(value):
        return tensor[from_array(rows)]
    return from_array(value.take(rows, 0))


def _as_index(indices: Sequence[int]) -> Tensor:
    return from_array(np.array(indices, np.int64))


def _interleave(batches: Sequence[Any], order: Tensor) -> Any:
    """Batches as one, its rows in the given order; NotImplemented if structure, dtype or shape differ."""
    first = batches[0]
    if any(type(batch) is not type(first) for batch in batches):
        return NotImplemented
    if type(first) is Tensor and len({(batch.dtype, tuple(batch.shape[1:])) for batch in batches}) == 1:
        return cat(batches)[order]
    if type(first) is list and len({len(batch) for batch in batches}) == 1:
        fields = [_interleave(field, order) for field in zip(*batches, strict=True)]
        return NotImplemented if any(field is NotImplemented for field in fields) else fields
    if type(first) is dict and all(batch.keys() == first.keys() for batch in batches):
        values = _interleave([[batch[key] for key in first] for batch in batches], order)
        return NotImplemented if values is NotImplemented else dict(zip(first, values, strict=True))
    return NotImplemented
