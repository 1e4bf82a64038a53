"""What happens in a worker: it is seeded and told about itself, and answers requests for batches."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.generator import Generator
from . import collate, slabs
from .channel import Channel, Closed
from .reading import Reader
from .seeding import seed_worker

_LOOK_UP = 5.0  # seconds between two looks at whether the main process is still there


@dataclass(frozen=True, slots=True)
class Streams:
    """The random streams of a worker that is a thread, which shares the process's with others.

    Args:
        random_generator, torch_generator, numpy_generator: for what `random`, `torch` and NumPy draw.
    """

    random_generator: random.Random
    torch_generator: Generator
    numpy_generator: np.random.Generator | None = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker of a `DataLoader` is told about itself; see `get_worker_info`.

    Args:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random streams were seeded with.
        dataset: its dataset: a copy, if it is a process.
        rng: its own random streams, if it is a thread.
        worker_method: "multiprocessing" or "thread".
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Streams | None = None
    worker_method: str | None = "multiprocessing"


_local = threading.local()  # its `info`: of a worker that is a thread
_info: WorkerInfo | None = None  # of a worker that is a process


def get_worker_info() -> WorkerInfo | None:
    """What a worker of a `DataLoader` is told about itself, if this is called in one; else None.

    It has the worker's `id`, `num_workers`, `seed` and `dataset`. The dataset's `__iter__` or the loader's
    `worker_init_fn` may ask it in order to give each worker another part of a stream.

    >>> import flambeau as torch
    >>> class Numbers(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = torch.utils.data.get_worker_info()
    ...         first, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter(range(first, 6, step))
    >>> [x.tolist() for x in torch.utils.data.DataLoader(Numbers(), batch_size=3)]
    [[0, 1, 2], [3, 4, 5]]
    >>> [x.tolist() for x in torch.utils.data.DataLoader(Numbers(), batch_size=3, num_workers=2)]
    [[0, 2, 4], [1, 3, 5]]
    """
    return getattr(_local, "info", _info)


@dataclass
class Task:
    """What all workers of a loader are told when they start."""

    reader: Reader
    base_seed: int
    num_workers: int
    init_fn: Callable[[int], Any] | None


# ----- Answers -----
BATCH, END, ERROR = "batch", "end", "error"


class Answers:
    """A worker's side of the conversation: `answer(request)` gives the kind of the answer and its content."""

    def __init__(self, task: Task, worker: int) -> None:
        self.reader, self.worker = task.reader, worker
        self.reader.share = worker
        self._failed: tuple[Any, str] | None = None
        self._ended = False
        try:
            if task.init_fn is not None:
                task.init_fn(worker)
        except Exception as error:
            self._failed = describe(error)

    def begin(self, seed: int | None) -> None:
        """A new pass begins."""
        self._ended = False
        self.reader.seed = seed
        try:
            self.reader.begin()
        except Exception as error:
            self._failed = self._failed or describe(error)

    def answer(self, indices: Any) -> tuple[str, Any]:
        """The batch at some indices, the end of the stream, or an error."""
        if self._failed is not None:
            failed, self._failed = self._failed, None
            return ERROR, failed
        if self._ended:
            return END, None
        try:
            return BATCH, self.reader.fetch(indices)
        except StopIteration as error:
            if self.reader.is_stream:
                self._ended = True
                return END, None
            return ERROR, describe(error)
        except Exception as error:
            return ERROR, describe(error)


def describe(error: BaseException) -> tuple[Any, str]:
    """An error's class (None if it can't be sent) and its traceback."""
    text = "".join(traceback.format_exception(error))
    kind: Any = type(error)
    try:
        pickle.dumps(kind)
    except Exception:
        kind = None
    return kind, text


# ----- A process -----
def run(task: Task, worker: int, end: socket.socket, others: list[Channel]) -> None:
    """The life of a worker that is a process. `others` are ends of the main process that a fork copied."""
    global _info
    for other in others:
        other.end.close()
    _own_signals()
    _one_thread()
    seed = seed_worker(task.base_seed, worker)
    _info = WorkerInfo(worker, task.num_workers, seed, task.reader.dataset)
    end.settimeout(_LOOK_UP)
    channel, lender = Channel(end), slabs.Lender()
    if slabs.AVAILABLE:
        collate.allocate = lender.empty
    try:
        _converse(channel, lender, Answers(task, worker))
    except Closed:
        pass
    finally:
        channel.close()


def _own_signals() -> None:
    """Ctrl-C is for the main process, whose end is the worker's; its other handlers are not for workers."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _one_thread() -> None:
    from ...runtime.threads import set_num_threads

    set_num_threads(1)


def _converse(channel: Channel, lender: slabs.Lender, answers: Answers) -> None:
    parent = multiprocessing.parent_process()
    while True:
        received = channel.receive()
        if received is None:
            if parent is not None and not parent.is_alive():
                raise Closed
            continue
        (number, place, content, freed), _ = received
        lender.take_back(freed)
        if place is None:
            answers.begin(content)
            continue
        kind, answer = answers.answer(content)
        kind, packed, places = _packed(lender, kind, answer)
        del answer, content, received
        new, dropped, files = lender.send_off()
        channel.end.settimeout(None)
        channel.send_with((number, place, kind, packed, places, new, dropped), files)
        channel.end.settimeout(_LOOK_UP)


def _packed(lender: slabs.Lender, kind: str, answer: Any) -> tuple[str, bytes, list[tuple[int, int]]]:
    try:
        return kind, *slabs.pack(answer, lender)
    except Exception as error:
        error.add_note("raised as a worker sent a batch to the main process")
        return ERROR, *slabs.pack(describe(error), lender)
