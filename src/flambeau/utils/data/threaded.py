"""Workers that are threads: for items made in code that lets go of the interpreter's lock."""

from __future__ import annotations

import queue
import random
import threading
import weakref
from typing import Any

import numpy as np

from ...core.generator import Generator
from .reading import Reader
from .seeding import numpy_words
from .worker import Answers, Streams, Task, WorkerInfo, _local


class ThreadCrew:
    """Workers that are threads of this process. They read the same dataset, and hand over batches as they
    are.
    """

    kind = "thread"

    def __init__(self, task: Task) -> None:
        self._answers: queue.SimpleQueue[tuple[int, tuple[Any, ...]]] = queue.SimpleQueue()
        self._requests = [queue.SimpleQueue[Any]() for _ in range(task.num_workers)]
        for number, requests in enumerate(self._requests):
            args = task, number, requests, self._answers
            threading.Thread(target=_live, args=args, name=f"DataLoader worker {number}", daemon=True).start()
        self._close = weakref.finalize(self, _end, self._requests)

    def send(self, number: int, request: tuple[Any, ...]) -> None:
        """Sends a worker a request."""
        self._requests[number].put(request)

    def receive(self, timeout: float | None) -> tuple[int, tuple[Any, ...]]:
        """The next answer of any worker, and which. TimeoutError after `timeout` seconds."""
        try:
            return self._answers.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    def unpack(self, number: int, answer: tuple[Any, ...]) -> Any:
        """The content of a worker's answer."""
        return answer[-1]

    def ignore(self, number: int, answer: tuple[Any, ...] | None) -> None:
        """Lets go of an answer that nobody wants."""

    def close(self) -> None:
        """Tells the workers to end, after the batches that they are at."""
        self._close()


def _end(requests: list[Any]) -> None:
    for each in requests:
        while not each.empty():
            each.get()
        each.put(None)


def _live(task: Task, worker: int, requests: Any, results: Any) -> None:
    seed, words = task.base_seed + worker, numpy_words(task.base_seed, worker)
    streams = Streams(random.Random(seed), Generator().manual_seed(seed), np.random.default_rng(words))
    shared = task.reader
    _local.info = WorkerInfo(worker, task.num_workers, seed, shared.dataset, streams, "thread")
    reader = Reader(shared.dataset, shared.collate, shared.is_stream, shared.batched, shared.drop_last)
    answers = Answers(Task(reader, task.base_seed, task.num_workers, task.init_fn), worker)
    while (request := requests.get()) is not None:
        number, place, content = request
        if place is None:
            answers.begin(content)
        else:
            results.put((worker, (number, place, *answers.answer(content))))
