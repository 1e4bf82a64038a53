"""`DataLoader`: batches from a dataset, in the order of a sampler."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...core.generator import Generator
from .collate import default_collate, default_convert, is_as_shipped
from .dataset import Dataset, IterableDataset, blame, get_batch, get_item, get_items
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

T_co = TypeVar("T_co", covariant=True)


class DataLoader(Generic[T_co]):
    """An iterable over the batches of a dataset.

    Each `iter(loader)` begins a new pass; several may be under way at once. With a map-style dataset, a
    sampler gives indices, `batch_size` of them make a batch, and `collate_fn` merges their items. With
    `batch_size=None` (and no `batch_sampler`) each item is given by itself. A dataset whose items lie in
    arrays is read with one indexing operation per array (`__getbatch__`, see `Dataset`). A seed gives the
    same order as in PyTorch.

    Args:
        dataset: a `Dataset`, an `IterableDataset`, or anything with `__getitem__` and `__len__`.
        batch_size: items per batch, or None for no batching.
        shuffle: draw a new random order for each pass.
        sampler: an iterable of indices, instead of `shuffle`.
        batch_sampler: an iterable of lists of indices, instead of `batch_size`, `shuffle`, `sampler` and
            `drop_last`.
        num_workers: 0; items are loaded in the main process.
        collate_fn: makes a batch of a list of items, by default `default_collate`; when batching is off it
            gets one item, and is by default `default_convert`.
        pin_memory: copy batches to pinned memory; without an accelerator it warns and does nothing.
        drop_last: leave out the last batch if it is smaller.
        timeout: seconds to wait for a worker, 0 without workers.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: how workers are started, None without workers.
        generator: the source of randomness of `shuffle`, by default the default generator.
        prefetch_factor: batches loaded in advance by a worker, None without workers.
        persistent_workers: keep workers after a pass, False without workers.
        pin_memory_device: deprecated, ignored with a warning.
        in_order: give batches in the order of the sampler, as it always is without workers.

    Raises:
        ValueError: arguments that exclude each other, or a number out of range.
        AssertionError: on iterating, if `timeout` is not 0.

    An error in the dataset or in `collate_fn` keeps its class and gets a note that names the indices.

    >>> import flambeau as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(5), torch.arange(5) ** 2)
    >>> for x, y in torch.utils.data.DataLoader(data, batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [0, 1] [0, 1]
    [2, 3] [4, 9]
    [4] [16]
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler[Any] | Iterable[Any]
    pin_memory_device: str
    prefetch_factor: int | None
    _fixed = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if isinstance(dataset, IterableDataset):
            _check_stream(shuffle, sampler, batch_sampler)
        _check_batching(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if sampler is None:
            sampler = _default_sampler(dataset, bool(shuffle), generator)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._is_stream = isinstance(dataset, IterableDataset)
        self._announced: int | None = None  # what len(loader) said about a stream
        _check_workers(self)
        self._fixed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._fixed and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; "
                "build a new one"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        return self._get_iterator()

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._index_sampler)  # type: ignore[arg-type]
        n = self._announced = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def _get_iterator(self) -> Iterator[Any]:
        _check_workers(self)  # num_workers may have been set since
        return _Pass(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler


_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def get_worker_info() -> None:
    """What a worker process is told about itself: None, since all data are loaded in the main process.

    >>> from flambeau.utils.data import get_worker_info
    >>> get_worker_info() is None
    True
    """


# ----- Arguments -----
def _check_workers(loader: DataLoader[Any]) -> None:
    if loader.num_workers < 0:
        raise ValueError(
            f"DataLoader: num_workers option should be non-negative, got {loader.num_workers}; "
            "0 loads in this process"
        )
    if loader.timeout < 0:
        raise ValueError(f"DataLoader: timeout option should be non-negative, got {loader.timeout}")
    if loader.num_workers > 0:
        raise ValueError(
            f"DataLoader: num_workers={loader.num_workers}, but there are no worker processes yet; "
            "num_workers=0 loads the same batches in this process"
        )
    given = {
        "prefetch_factor": loader.prefetch_factor is not None,
        "persistent_workers": bool(loader.persistent_workers),
        "multiprocessing_context": loader.multiprocessing_context is not None,
    }
    for name in (name for name in given if given[name]):
        raise ValueError(
            f"DataLoader: {name} option needs num_workers > 0, got {name}={getattr(loader, name)!r} "
            "with num_workers=0; leave it out"
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value!r}; the stream gives its own order"
            )


def _check_batching(batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: Any) -> None:
    if sampler is not None and shuffle:
        raise ValueError(
            "DataLoader: sampler option is mutually exclusive with shuffle; the sampler gives the order"
        )
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError(
            "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
            f"drop_last, got {batch_size=}, {shuffle=}, {sampler=}, {drop_last=}"
        )
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError(
            "DataLoader: batch_size=None option disables auto-batching and is mutually exclusive with "
            f"drop_last, got {drop_last=}"
        )


class _Endless(Sampler[None]):
    """The indices of a stream, which has none."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


def _default_sampler(dataset: Any, shuffle: bool, generator: Generator | None) -> Sampler[Any]:
    if isinstance(dataset, IterableDataset):
        return _Endless()
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


# ----- One pass -----
class _Pass:
    """One pass over a loader. After an error in an item, `next` goes on with the following batch."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        if loader.timeout != 0:
            raise AssertionError(
                f"DataLoader: timeout={loader.timeout} needs num_workers > 0; leave it 0 without workers"
            )
        if loader.pin_memory:
            _warn_about_pinning(loader)
        self._loader = loader
        self._dataset = loader.dataset
        self._collate = loader.collate_fn
        self._index_sampler = loader._index_sampler
        self._indices = iter(self._index_sampler)
        draw_seed(
            loader.generator
        )  # for workers; drawn without them too, so that the stream moves as in PyTorch
        self._announced = loader._announced
        self._given = 0  # batches given so far
        self._read = 0  # items read from the stream so far
        self._ended = False
        self._fetch: Callable[[Any], Any]
        if loader._is_stream:
            self._stream = iter(loader.dataset)
            self._fetch = self._next_batch if loader._auto_collation else self._next_item
        else:
            self._fetch = self._batch_at if loader._auto_collation else self._item_at

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)  # type: ignore[arg-type]

    def __next__(self) -> Any:
        batch = self._fetch(next(self._indices))
        self._given += 1
        if self._announced is not None and self._given > self._announced:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {self._announced} "
                f"(when accessing len(dataloader)), but {self._given} samples have been fetched.",
                UserWarning,
                stacklevel=2,
            )
        return batch

    # ----- Map-style datasets -----
    def _item_at(self, index: Any) -> Any:
        return self._merge(get_item(self._dataset, index), lambda: f"the item at index {reprlib.repr(index)}")

    def _batch_at(self, indices: Any) -> Any:
        if self._collate is default_collate and is_as_shipped():
            batch = get_batch(self._dataset, indices)
            if batch is not NotImplemented:
                return batch
        items = get_items(self._dataset, indices)
        return self._merge(items, lambda: f"the items at indices {reprlib.repr(indices)}")

    # ----- Streams -----
    def _next_item(self, _: Any) -> Any:
        item = self._read_stream(1)
        if not item:
            raise StopIteration
        return self._merge(item[0], lambda: f"item {self._read - 1} of the stream")

    def _next_batch(self, slots: Any) -> Any:
        items = [] if self._ended else self._read_stream(len(slots))
        self._ended = len(items) < len(slots)  # a stream that has ended is not asked again
        if not items or (self._ended and self._loader.drop_last):
            raise StopIteration
        first = self._read - len(items)
        return self._merge(items, lambda: f"items {first} to {self._read - 1} of the stream")

    def _read_stream(self, count: int) -> list[Any]:
        items = []
        try:
            for item in islice(self._stream, count):
                items.append(item)
        except Exception as error:
            blame(error, f"item {self._read + len(items)} of {type(self._dataset).__name__}.__iter__")
            raise
        self._read += len(items)
        return items

    def _merge(self, items: Any, which: Callable[[], str]) -> Any:
        try:
            return self._collate(items)
        except Exception as error:
            blame(error, f"{getattr(self._collate, '__name__', 'collate_fn')} on {which()}")
            raise


def _warn_about_pinning(loader: DataLoader[Any]) -> None:
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device, "
            f"ignore pin_memory_device={loader.pin_memory_device!r}.",
            UserWarning,
            stacklevel=5,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, "
        "then device pinned memory won't be used.",
        UserWarning,
        stacklevel=5,
    )
