"""`DataLoader`: batches from a dataset, in the order of a sampler."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...core.generator import Generator
from ...runtime.threads import available
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, in_memory
from .passes import DirectPass, Pass, WorkerPass
from .resuming import Progress, check, resumed, state_of
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .worker import Task
from .worker import get_worker_info as get_worker_info

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
        num_workers: how many processes make batches beside the main process; with 0 it makes them itself. A
            dataset that is nothing but tensors (`TensorDataset`, and `Subset`, `ConcatDataset` and
            `StackDataset` of such) with the default collate function is read in the main process all the
            same: one indexing operation takes less time than handing a batch over.
        collate_fn: makes a batch of a list of items, by default `default_collate`; when batching is off it
            gets one item, and is by default `default_convert`.
        pin_memory: copy batches to pinned memory; without an accelerator it warns and does nothing.
        drop_last: leave out the last batch if it is smaller.
        timeout: seconds to wait for a batch of the workers (0: as long as it takes), 0 without workers.
        worker_init_fn: called in each worker with its number, after its random streams were seeded.
        multiprocessing_context: how workers are started: "fork", "spawn", "forkserver", a context of
            `multiprocessing`, or "thread" for threads of this process; None: as `multiprocessing` does by
            default.
        generator: the source of randomness of `shuffle`, by default the default generator.
        prefetch_factor: batches loaded in advance by a worker, by default 2; None without workers.
        persistent_workers: keep workers after a pass, False without workers.
        pin_memory_device: deprecated, ignored with a warning.
        in_order: give batches in the order of the sampler, as it always is without workers; else as they
        come. seed_samples: seed the default generator, `random` and `np.random` for each item, by a seed that
        each
            pass draws and by the item's index. What is random in an item is then the same for any number of
            workers. Items are read one by one.

    Raises:
        ValueError: arguments that exclude each other, or a number out of range.
        AssertionError: on iterating, if `timeout` is not 0 without workers.
        RuntimeError: a worker was killed or has ended, or no batch came in time.

    An error in the dataset or in `collate_fn` keeps its class and gets a note that names the indices. From a
    worker it comes with the worker's traceback as its message.

    Workers are processes, as items may be made by any code, which may rely on that: worker i has its own copy
    of the dataset, and its own random streams, seeded by a number that the pass draws plus i, as in PyTorch.
    `get_worker_info` tells them apart. Their large arrays lie in shared memory, and a batch of the main
    process is a window on it. Threads ("thread") start at once, copy nothing and read a dataset that other
    processes can't have, and are as fast where items are made in code that lets go of the interpreter's lock
    (NumPy, decoding of images). They share dataset and random streams with the main process, can't be killed
    if they hang, and find streams of their own in `get_worker_info().rng`.

    `state_dict` says how far the current pass has come; see `load_state_dict`.

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
        seed_samples: bool = False,
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
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.seed_samples = seed_samples
        self._iterator: WorkerPass | None = None  # the one that keeps its workers
        self._progress: Progress | None = None
        self._resume: dict[str, Any] | None = None
        self._is_stream = isinstance(dataset, IterableDataset)
        self._announced: int | None = None  # what len(loader) said about a stream
        _check_workers(self)
        self.check_worker_number_rationality()
        self._fixed = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._fixed and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; "
                "build a new one"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        state, self._resume = self._resume, None
        with resumed(self, state) as skip:
            self._progress = Progress(self)
            if self._iterator is not None and not self._iterator.is_over():
                _check_workers(self)
                current: Pass = self._iterator
            else:
                current = self._get_iterator()
            current.begin(self, skip)
        return current

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._index_sampler)  # type: ignore[arg-type]
        n = self._announced = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def _get_iterator(self) -> Pass:
        _check_workers(self)  # num_workers may have been set since
        if not self.num_workers or self._reads_at_once():
            return DirectPass(self)
        made = WorkerPass(self, self._gather)
        if self.persistent_workers:
            self._iterator = made
        return made

    def _gather(self, task: Task) -> Any:
        if self._context == THREAD:
            from .threaded import ThreadCrew

            return ThreadCrew(task)
        from .crew import Crew

        return Crew(task, self._context)

    def _reads_at_once(self) -> bool:
        """Whether a worker would do no more than index arrays."""
        plain = self.worker_init_fn is None and self._context is None and not self.seed_samples
        return (
            plain and self.collate_fn is default_collate and self._auto_collation and in_memory(self.dataset)
        )

    def check_worker_number_rationality(self) -> None:
        """Warns of more worker processes than this process may use processors.

        >>> import flambeau as torch
        >>> torch.utils.data.DataLoader(range(8), num_workers=1).check_worker_number_rationality()
        """
        most = available()
        if self.num_workers > most and self._context != THREAD and not self._reads_at_once():
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested "
                f"max number of worker in current system is {most}, which is smaller than what it is "
                f"going to create: workers will wait for each other; pass num_workers={most}",
                UserWarning,
                stacklevel=3,
            )

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started: a context of `multiprocessing`, "thread", or None for the default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self._context = _as_context(context, self.num_workers)

    def state_dict(self) -> dict[str, Any]:
        """How far the latest pass has come: how many batches it has given, and where the generators were that
        its order came from.

        >>> import flambeau as torch
        >>> loader = torch.utils.data.DataLoader(range(8), batch_size=2, shuffle=True)
        >>> batches = iter(loader)
        >>> first = next(batches)
        >>> state, rest = loader.state_dict(), list(batches)
        >>> loader.load_state_dict(state)
        >>> torch.equal(torch.cat(list(loader)), torch.cat(rest))
        True
        """
        return state_of(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Has the next pass go on where a pass was when `state_dict` was called, here or in another process.

        The order is that of the pass, whose first batches are left out without reading them (of a stream they
        are read and thrown away). Afterwards `generator` is where it would be, and the default generator
        where it was. What items draw from a worker's streams begins anew; with `seed_samples` it is the same.

        Args:
            state_dict: what `state_dict` returned, of a loader with the same arguments.

        Raises:
            ValueError: it is not that.
        """
        check(state_dict, self)
        self._resume = state_dict

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_iterator": None}

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler


THREAD = "thread"
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


# ----- Arguments -----
def _check_workers(loader: DataLoader[Any]) -> None:
    if loader.num_workers < 0:
        raise ValueError(
            f"DataLoader: num_workers option should be non-negative, got {loader.num_workers}; "
            "0 loads in this process"
        )
    if loader.timeout < 0:
        raise ValueError(f"DataLoader: timeout option should be non-negative, got {loader.timeout}")
    if loader.prefetch_factor is not None and loader.prefetch_factor < 0:
        raise ValueError(
            f"DataLoader: prefetch_factor option should be non-negative, got {loader.prefetch_factor}"
        )
    if loader.num_workers > 0:
        return
    given = {
        "prefetch_factor": loader.prefetch_factor is not None,
        "persistent_workers": bool(loader.persistent_workers),
    }
    for name in (name for name in given if given[name]):
        raise ValueError(
            f"DataLoader: {name} option needs num_workers > 0, got {name}={getattr(loader, name)!r} "
            "with num_workers=0; leave it out"
        )


def _as_context(context: Any, num_workers: int) -> Any:
    """A context of `multiprocessing`, "thread", or None for the default."""
    if context is None:
        return None
    if num_workers <= 0:
        raise ValueError(
            "DataLoader: multiprocessing_context option needs num_workers > 0, got "
            f"multiprocessing_context={context!r} with num_workers={num_workers}; leave it out"
        )
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(context, BaseContext) or context == THREAD:
        return context
    if not isinstance(context, str):
        raise TypeError(
            "DataLoader: multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got {context!r}"
        )
    methods = multiprocessing.get_all_start_methods()
    if context not in methods:
        raise ValueError(
            "DataLoader: multiprocessing_context option should specify a valid start method in "
            f"{[*methods, THREAD]}, but got {context!r}"
        )
    return multiprocessing.get_context(context)


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
