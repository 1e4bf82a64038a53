"""A loader's workers as the main process sees them: how they are started, spoken to, watched and ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import weakref
from collections import deque
from multiprocessing.connection import wait
from typing import Any

from ...core.realize import recorder
from . import worker
from .channel import Channel, Closed, pair
from .slabs import Borrower
from .worker import Task

_GRACE = 2.0  # seconds that workers get to end by themselves, and then once more after a signal
_HURRY = 0.01  # seconds between two tries to send what a worker has no room for yet
_SLABS = 256  # that live batches may keep from all workers together


class Crew:
    """Workers that are processes. Nothing waits for one of them but `receive`, and `close` at the end."""

    kind = "process"

    def __init__(self, task: Task, context: Any) -> None:
        self._channels: list[Channel] = []
        self._processes: list[Any] = []
        self._borrowers: list[Borrower] = []
        self._came: deque[tuple[int, Any]] = deque()
        self._close = weakref.finalize(self, _end, os.getpid(), self._channels, self._processes)
        context = multiprocessing.get_context() if context is None else context
        forks = context.get_start_method() == "fork"
        recorder.flush("workers start")  # or each would do it again
        try:
            for number in range(task.num_workers):
                self._start(task, number, context, forks)
        except BaseException:
            self._close()
            raise

    def _start(self, task: Task, number: int, context: Any, forks: bool) -> None:
        channel, end = pair()
        self._channels.append(channel)
        others = self._channels if forks else []
        process = context.Process(
            target=worker.run,
            args=(task, number, end, others),
            name=f"DataLoader worker {number}",
            daemon=True,
        )
        process.start()
        end.close()
        self._processes.append(process)
        self._borrowers.append(Borrower(max(_SLABS // task.num_workers, 4)))

    def send(self, number: int, request: tuple[Any, ...]) -> None:
        """Sends a worker a request, and back the memory of its batches that are gone."""
        self._channels[number].send((*request, self._borrowers[number].freed()))

    def receive(self, timeout: float | None) -> tuple[int, tuple[Any, ...]]:
        """The next answer of any worker, and which. TimeoutError after `timeout` seconds,
        ChildProcessError if a worker has died."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._came:
            sent = [channel.flush() for channel in self._channels]
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            watched: list[Any] = [*self._channels, *(process.sentinel for process in self._processes)]
            ready: list[Any] = wait(watched, left if all(sent) else min(left or _HURRY, _HURRY))
            for number, channel in enumerate(self._channels):
                if channel in ready:
                    self._read(number, channel)
            if not self._came:
                self._check(ready)
                if left == 0:
                    raise TimeoutError
        return self._came.popleft()

    def _read(self, number: int, channel: Channel) -> None:
        try:
            while (received := channel.receive()) is not None:
                (*answer, new, dropped), files = received
                self._borrowers[number].learn(new, dropped, files)
                self._came.append((number, tuple(answer)))
        except Closed:
            if not self._came:
                raise ChildProcessError(self._fate([self._processes[number]])) from None

    def _check(self, ready: list[Any]) -> None:
        dead = [process for process in self._processes if process.sentinel in ready]
        if dead:
            raise ChildProcessError(self._fate(dead))

    def _fate(self, dead: list[Any]) -> str:
        for process in dead:
            process.join(_GRACE)
        code = dead[0].exitcode
        if len(dead) == 1 and code is not None and code < 0:
            by = signal.strsignal(-code)
            hint = " It may have run out of memory." if -code == signal.SIGKILL else ""
            return f"DataLoader worker (pid {dead[0].pid}) is killed by signal: {by}.{hint}"
        pids = ", ".join(str(process.pid) for process in dead)
        codes = ", ".join(str(process.exitcode) for process in dead)
        return f"DataLoader worker (pid(s) {pids}) exited unexpectedly (exit code {codes})"

    def unpack(self, number: int, answer: tuple[Any, ...]) -> Any:
        """The content of a worker's answer."""
        *_, octets, places = answer
        return self._borrowers[number].unpack(octets, places)

    def ignore(self, number: int, answer: tuple[Any, ...] | None) -> None:
        """Lets go of an answer that nobody wants."""
        if answer is not None:
            self._borrowers[number].ignore(answer[-1])

    def close(self) -> None:
        """Ends the workers: by themselves if they can within a moment."""
        self._close()


def _end(owner: int, channels: list[Channel], processes: list[Any]) -> None:
    if os.getpid() != owner:  # a fork's copy of the crew
        return
    for channel in channels:
        channel.close()
    for act in (None, "terminate", "kill"):
        for process in processes:
            if act is not None and process.is_alive():
                getattr(process, act)()
        deadline = time.monotonic() + _GRACE
        for process in processes:
            process.join(max(deadline - time.monotonic(), 0))
    for process in processes:
        if process.exitcode is not None:
            process.close()
    processes.clear()
    channels.clear()
