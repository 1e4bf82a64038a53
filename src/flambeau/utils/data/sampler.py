"""Samplers: the order in which a `DataLoader` asks for items. A seed gives the same order as in PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ...core.dtype import float64, int64
from ...core.generator import Generator
from ...core.tensor import Tensor
from ...functions.creation import as_tensor, empty
from ...functions.random import multinomial, randint, random_, randperm

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """The base class of samplers: a subclass defines `__iter__`, which gives indices or lists of indices.

    It may define `__len__` too, which `len(loader)` needs.

    >>> import flambeau as torch
    >>> class Backwards(torch.utils.data.Sampler):
    ...     def __init__(self, data):
    ...         self.data = data
    ...     def __iter__(self):
    ...         return iter(range(len(self.data) - 1, -1, -1))
    >>> list(Backwards("abc"))
    [2, 1, 0]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} is a Sampler and must define __iter__(self)")


class SequentialSampler(Sampler[int]):
    """The indices 0, 1, 2, … of a data source.

    >>> from flambeau.utils.data import SequentialSampler
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def _parts(self) -> Iterator[np.ndarray]:
        yield np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices of a data source in random order.

    Args:
        data_source: anything with a length.
        replacement: draw each index from all of them, so that it may come again.
        num_samples: how many indices to give, by default `len(data_source)`. Without replacement, a new
            permutation begins whenever one is used up.
        generator: the source of randomness. By default each pass seeds its own from the default generator.

    Raises:
        TypeError: `replacement` is not a bool.
        ValueError: `num_samples` is not a positive int, or the data source is empty.

    >>> import flambeau as torch
    >>> list(torch.utils.data.RandomSampler(range(5), generator=torch.Generator().manual_seed(0)))
    [4, 0, 1, 3, 2]
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"RandomSampler: replacement should be a boolean value, but got replacement={replacement!r}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        count: object = self.num_samples
        if not isinstance(count, int) or count <= 0:
            cause = " (the data source is empty)" if num_samples is None else ""
            raise ValueError(
                "RandomSampler: num_samples should be a positive integer value, "
                f"but got num_samples={count!r}{cause}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives.

        >>> from flambeau.utils.data import RandomSampler
        >>> RandomSampler("abc").num_samples
        3
        """
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        return itertools.chain.from_iterable(part.tolist() for part in self._parts())

    def _parts(self) -> Iterator[np.ndarray]:
        """The indices in arrays, each drawn when its turn comes."""
        n = len(self.data_source)
        if n == 0:
            raise ValueError(
                f"RandomSampler: cannot draw {self.num_samples} indices, the data source is empty"
            )
        generator = self.generator
        if generator is None:
            generator = Generator().manual_seed(draw_seed())
        # Each part is drawn when it is reached, the last even if empty: so the stream moves as in PyTorch.
        part = 32 if self.replacement else n
        full, rest = divmod(self.num_samples, part)
        for count in itertools.chain(itertools.repeat(part, full), [rest]):
            if self.replacement:
                drawn = randint(0, n, (count,), generator=generator)
            else:
                drawn = randperm(n, generator=generator)
            yield drawn._value("the order of a pass")[:count]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in random order, each once.

    >>> import flambeau as torch
    >>> list(torch.utils.data.SubsetRandomSampler([7, 8, 9], generator=torch.Generator().manual_seed(0)))
    [9, 7, 8]
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices `0 … len(weights) - 1`, drawn with probabilities in proportion to their weights.

    Args:
        weights: one non-negative number for each index; they need not sum to 1.
        num_samples: how many indices to draw.
        replacement: whether an index may come again.
        generator: the source of randomness, by default the default generator.

    Raises:
        ValueError: `num_samples` is not a positive int, `replacement` not a bool, or `weights` not 1-d.
        RuntimeError: on drawing, if a weight is negative, or without replacement if indices are too few.

    >>> from flambeau.utils.data import WeightedRandomSampler
    >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], 3))
    [1, 1, 1]
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        _check_bool("WeightedRandomSampler", "replacement", replacement)
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.dim() != 1:
            raise ValueError(
                "WeightedRandomSampler: weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler in lists of `batch_size`.

    Args:
        sampler: any iterable of indices.
        batch_size: the length of a list.
        drop_last: leave out a last list that is shorter.

    Raises:
        ValueError: `batch_size` is not a positive int, or `drop_last` is not a bool.

    >>> from flambeau.utils.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=True))
    [[0, 1], [2, 3]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("BatchSampler", "batch_size", batch_size)
        _check_bool("BatchSampler", "drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def arrays_of(sampler: Any) -> Iterator[np.ndarray] | None:
    """The batches of a `BatchSampler` as arrays of indices, if its sampler has such."""
    if type(sampler) is not BatchSampler:
        return None
    source: Any = sampler.sampler
    if type(source) not in (RandomSampler, SequentialSampler):
        return None
    return _in_batches(source._parts(), sampler.batch_size, sampler.drop_last)


def _in_batches(parts: Iterator[np.ndarray], size: int, drop_last: bool) -> Iterator[np.ndarray]:
    left = np.empty(0, np.int64)
    for part in parts:
        left = np.concatenate([left, part]) if len(left) else part
        while len(left) >= size:
            yield left[:size]
            left = left[size:]
    if len(left) and not drop_last:
        yield left


def draw_seed(generator: Generator | None = None) -> int:
    """A 63-bit seed drawn from a generator, by default the default one."""
    return int(random_(empty((), dtype=int64), generator=generator).item())


def _check_count(what: str, name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{what}: {name} should be a positive integer value, but got {name}={value!r}")


def _check_bool(what: str, name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{what}: {name} should be a boolean value, but got {name}={value!r}")
