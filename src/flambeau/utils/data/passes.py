"""One pass over a loader: in the main process, or with workers."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .reading import Reader
from .sampler import arrays_of, draw_seed
from .seeding import kept_streams
from .worker import END, ERROR, Task

if TYPE_CHECKING:
    from .crew import Crew
    from .dataloader import DataLoader
    from .resuming import Progress
    from .threaded import ThreadCrew


class Pass:
    """What all passes do: they take indices from the sampler, and count. After an error in an item, `next`
    goes on with the following batch.
    """

    _advice = ""

    def __init__(self, loader: DataLoader[Any]) -> None:
        if loader.pin_memory:
            _warn_about_pinning(loader)
        self._reader = Reader(
            loader.dataset, loader.collate_fn, loader._is_stream, loader._auto_collation, loader.drop_last
        )
        self._index_sampler = loader._index_sampler
        self._indices = iter(self._index_sampler)
        self._base_seed = draw_seed(loader.generator)  # without workers too, so that the stream moves alike
        self._announced: int | None = None
        self._progress: Progress

    def begin(self, loader: DataLoader[Any], skip: int | None) -> None:
        """Begins to give batches, without the first ones (None: the pass is a new one)."""
        assert loader._progress is not None
        self._announced, self._progress = loader._announced, loader._progress
        self._progress.given = skip or 0

    def __iter__(self) -> Pass:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)  # type: ignore[arg-type]

    def __next__(self) -> Any:
        progress = self._progress
        try:
            batch = self._next()
        except StopIteration:
            progress.finish()
            raise
        progress.given += 1
        if self._announced is not None and progress.given > self._announced:
            warnings.warn(
                f"Length of IterableDataset {self._reader.dataset} was reported to be {self._announced} "
                f"(when accessing len(dataloader)), but {progress.given} samples have been fetched."
                + self._advice,
                UserWarning,
                stacklevel=2,
            )
        return batch

    def _next(self) -> Any:
        raise NotImplementedError


class DirectPass(Pass):
    """A pass in the main process."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        if loader.timeout != 0 and not loader.num_workers:
            raise AssertionError(
                f"DataLoader: timeout={loader.timeout} needs num_workers > 0; leave it 0 without workers"
            )
        super().__init__(loader)
        arrays = arrays_of(self._index_sampler) if loader._reads_at_once() else None
        if arrays is not None:
            self._indices = arrays

    def begin(self, loader: DataLoader[Any], skip: int | None) -> None:
        """Begins to give batches: the first ones are not read, or if they are a stream's, thrown away."""
        super().begin(loader, skip)
        self._reader.seed = self._base_seed if loader.seed_samples else None
        self._reader.begin()
        for indices in itertools.islice(self._indices, skip or 0):
            if self._reader.is_stream:
                self._fetch(indices)
        if skip is not None:  # now, while the generators are where they were, a sampler is to draw its order
            self._indices = itertools.chain([*itertools.islice(self._indices, 1)], self._indices)

    def _next(self) -> Any:
        return self._fetch(next(self._indices))

    def _fetch(self, indices: Any) -> Any:
        if self._reader.seed is None:
            return self._reader.fetch(indices)
        with kept_streams():
            return self._reader.fetch(indices)


class WorkerPass(Pass):
    """A pass with workers that make batches in turn; with `persistent_workers` one pass after the other.

    `_waiting` has the batches that are under way by their place: the worker, and the answer once it has come.
    """

    _advice = (
        " For multiprocessing data-loading, this could be caused by not properly configuring the "
        "IterableDataset replica at each worker: let its __iter__ ask get_worker_info() for its part."
    )

    def __init__(self, loader: DataLoader[Any], gather: Callable[[Task], Crew | ThreadCrew]) -> None:
        super().__init__(loader)
        if not loader.prefetch_factor:
            raise AssertionError(
                f"DataLoader: prefetch_factor must be greater than 0, got {loader.prefetch_factor}"
            )
        self._count = loader.num_workers
        self._most = loader.prefetch_factor * self._count  # batches under way
        self._timeout = loader.timeout or None
        self._persistent, self._in_order = loader.persistent_workers, loader.in_order
        self._number = 0  # of the pass with these workers
        self._waiting: dict[int, tuple[int, Any]] = {}
        self._lost = ""  # how a worker was lost
        self._crew = gather(Task(self._reader, self._base_seed, self._count, loader.worker_init_fn))

    def begin(self, loader: DataLoader[Any], skip: int | None) -> None:
        """Begins a pass with the workers that there are. Batches of a stream are made to be skipped, indices
        of others just left out.
        """
        super().begin(loader, skip)
        if self._number and loader.seed_samples:
            self._base_seed = draw_seed(loader.generator)
        for worker, answer in self._waiting.values():
            self._crew.ignore(worker, answer)
        self._indices = iter(self._index_sampler)
        self._number += 1
        self._asked = self._place = 0  # the next batch to ask for, and to give
        self._waiting = {}
        self._active, self._loads = [True] * self._count, [0] * self._count
        self._turns = itertools.cycle(range(self._count))
        for worker in range(self._count):
            seed = self._base_seed if loader.seed_samples else None
            self._crew.send(worker, (self._number, None, seed))
        if not self._reader.is_stream:
            for _ in zip(range(skip or 0), self._indices, self._turns):  # noqa: B905
                pass
        for _ in range(self._most):
            self._ask()
        if self._reader.is_stream:
            for _ in range(skip or 0):
                self._next()

    def is_over(self) -> bool:
        """Whether there are no workers any more for another pass."""
        return bool(self._lost)

    def _ask(self) -> None:
        """Asks a worker for the next batch: the next one in turn, or, if the order doesn't matter, one that
        has little to do.
        """
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        for _ in range(self._count):
            worker = next(self._turns)
            fair = self._in_order or self._loads[worker] < self._most // sum(self._active)
            if self._active[worker] and fair:
                break
        else:
            return
        self._crew.send(worker, (self._number, self._asked, indices))
        self._waiting[self._asked] = worker, None
        self._loads[worker] += 1
        self._asked += 1

    def _next(self) -> Any:
        if self._lost:
            raise RuntimeError(self._lost)
        while self._is_under_way():
            if self._waiting[self._place][1] is not None:
                return self._give(self._place)
            place = self._receive()
            if place is not None and not self._in_order:
                return self._give(place)
        if not self._persistent:
            self._crew.close()
        raise StopIteration

    def _is_under_way(self) -> bool:
        """Goes on to the next batch that will come, if there is one: what was asked of a stream that has
        ended won't.
        """
        while self._place < self._asked:
            worker, answer = self._waiting.get(self._place, (-1, None))
            if worker >= 0 and (answer is not None or self._active[worker]):
                return True
            self._waiting.pop(self._place, None)
            self._place += 1
        return False

    def _receive(self) -> int | None:
        """Takes an answer in; its place if it is a batch of this pass."""
        try:
            worker, answer = self._crew.receive(self._timeout)
        except TimeoutError:
            raise RuntimeError(
                f"DataLoader timed out after {self._timeout} seconds: no batch came from its workers"
            ) from None
        except ChildProcessError as error:
            self._lost = str(error)
            self._crew.close()
            raise RuntimeError(self._lost) from None
        except KeyboardInterrupt:
            self._lost = "DataLoader: the pass was interrupted; begin a new one"
            self._crew.close()
            raise
        number, place, kind = answer[:3]
        if number != self._number:
            self._crew.ignore(worker, answer)
        elif kind != END:
            self._waiting[place] = worker, answer
            return int(place)
        elif self._active[worker]:
            self._active[worker] = False
            self._ask()
        return None

    def _give(self, place: int) -> Any:
        worker, answer = self._waiting.pop(place)
        self._loads[worker] -= 1
        self._ask()
        content = self._crew.unpack(worker, answer)
        if answer[2] == ERROR:
            raise _rebuilt(f"{self._crew.kind} {worker}", *content)
        return content


# ----- Errors and warnings -----
class _Text(str):
    """A message that a KeyError, which shows the `repr` of its key, shows as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def _rebuilt(where: str, kind: Any, text: str) -> BaseException:
    """A worker's error: of its class, with its traceback as the message."""
    name = text.rstrip().rpartition("\n")[2].partition(":")[0] if kind is None else kind.__name__
    message = f"Caught {name} in DataLoader worker {where}.\nOriginal {text}"
    if kind is not None and issubclass(kind, KeyError):
        message = _Text(message)
    try:
        error: BaseException = kind(message)
    except Exception:  # it takes something else, or isn't known here
        return RuntimeError(message)
    return error


def _warn_about_pinning(loader: DataLoader[Any]) -> None:
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device, "
            f"ignore pin_memory_device={loader.pin_memory_device!r}.",
            UserWarning,
            stacklevel=6,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, "
        "then device pinned memory won't be used.",
        UserWarning,
        stacklevel=6,
    )
