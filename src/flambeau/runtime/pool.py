"""The thread pool: Python threads that entered native code, where they need no GIL.

It starts with the first program that wants it. Idle threads spin for some 50 us, in case the next call comes
at once, and then sleep. They are only ever helpers: a call whose pieces are done is done, whether they came
or not, so nothing depends on their being there.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
import time
from typing import Any

import numpy as np

from ..core.realize import recorder
from . import walk
from .kernels import Kernel, kernel

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}  # system call numbers
_WAKE = 129
_SPIN_SECONDS = 50e-6


class Pool:
    """The threads and the memory through which they are told of work.

    `running` is held while a program runs: one runs at a time, by all threads. Workers sleep in native code
    on a futex, or (`futex=False`, and where there is none) in Python.
    """

    def __init__(self, futex: bool = True) -> None:
        raw = np.zeros(walk.POOL_WORDS + 16, np.int64)
        skip = -(raw.ctypes.data // 8) % 16
        self.memory = raw[skip : skip + walk.POOL_WORDS]
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(raw))  # threads outlive the interpreter's objects
        self.address = int(self.memory.ctypes.data)
        self.count = -1  # threads as wanted; negative: not started
        self._forget()
        number = _FUTEX.get(platform.machine()) if sys.platform == "linux" and futex else None
        if sys.platform == "win32":
            give_way = ctypes.WinDLL("kernel32").SwitchToThread
        else:
            libc = ctypes.CDLL(None)
            give_way = libc.sched_yield
            if number is not None:
                self.memory[walk.SYSCALL], self.memory[walk.FUTEX] = _pointer(libc.syscall), number
        self.memory[walk.YIELD] = _pointer(give_way)
        self.memory[walk.THREADS] = 1

    def _forget(self) -> None:
        """The state without threads; also that of a forked process, where they didn't come along."""
        self.running = threading.RLock()
        self._workers: list[threading.Thread] = []
        self._code: Kernel | None = None
        self._bell = threading.Condition()
        self.asleep: set[int] = set()  # workers that sleep in Python
        self.count = -1
        self.memory[walk.THREADS] = 1

    def want(self, count: int) -> None:
        """Has `count` threads (with the caller's) ready."""
        count = min(count, walk.MOST_THREADS)
        with self.running:
            if count != self.count:
                self.stop()
                self._start(count)
                self.count = count

    def _start(self, count: int) -> None:
        memory = self.memory
        memory[walk.JOB] = (
            int(memory[walk.JOB]) >> 12
        ) + 1 << 12 | 1  # nothing to do, but not the end either
        memory[walk.SLEEPERS] = memory[walk.ACTIVE] = 0
        if count < 2:
            return
        self._code = kernel("flambeau_work", ("walk",), walk.emit_work)
        work = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 4)(self._code.address)
        memory[walk.SPINS] = memory[walk.SPINS] or self._spins(work)
        for me in range(1, count):
            worker = threading.Thread(target=self._live, args=(work, me), name=f"flambeau-{me}", daemon=True)
            try:
                worker.start()
            except RuntimeError:  # no more threads for this process, or it is ending
                return
            self._workers.append(worker)
            memory[walk.THREADS] = me + 1

    def _spins(self, work: Any) -> int:
        """How many rounds of a worker's waiting loop make up the time it is to spin."""
        memory = self.memory
        syscall, memory[walk.SYSCALL], memory[walk.SPINS] = int(memory[walk.SYSCALL]), 0, 1000
        best = 1.0
        for _ in range(3):
            start = time.perf_counter()
            work(self.address, 0, int(memory[walk.JOB]))
            best = min(best, time.perf_counter() - start)
        memory[walk.SYSCALL] = syscall
        return max(int(_SPIN_SECONDS / best * 1000), 1)

    def _live(self, work: Any, me: int) -> None:
        """A worker: native until it is to end, or, where it can't sleep there, until it is to sleep."""
        memory, job = self.memory, 0
        while job := work(self.address, me, job):
            with self._bell:
                self.asleep.add(me)
                while memory[walk.JOB] == job and not memory[walk.ACTIVE]:
                    self._bell.wait()
                self.asleep.discard(me)

    def wake(self) -> None:
        """Wakes workers that sleep in Python, as a program is about to run."""
        self.memory[walk.ACTIVE] = 1
        with self._bell:
            self._bell.notify_all()

    def stop(self) -> None:
        """Ends the threads."""
        with self.running:
            memory = self.memory
            if self._workers:
                memory[walk.JOB] = (int(memory[walk.JOB]) >> 12) + 1 << 12
                if memory[walk.SYSCALL]:
                    libc = ctypes.CDLL(None)
                    job = ctypes.c_void_p(self.address)
                    libc.syscall(int(memory[walk.FUTEX]), job, _WAKE, walk.MOST_THREADS, None, None, 0)
                self.wake()
                for worker in self._workers:
                    worker.join()
            self._workers, self.count = [], -1
            memory[walk.THREADS] = 1


def _pointer(function: Any) -> int:
    """The address of a C function."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


POOL = Pool()


def _leave() -> None:
    """At the interpreter's end: lets the running program finish, and no other thread start one, before memory
    and code are freed."""
    POOL.running.acquire(timeout=10)


atexit.register(_leave)


def _before_fork() -> None:
    """Lets other threads finish what they are at, and ends the pool's: a child has none of them. Locks are
    taken in the order in which programs take them."""
    recorder.lock.acquire()
    POOL.stop()


def _after_fork_in_child() -> None:
    POOL._forget()
    recorder.lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=recorder.lock.release, after_in_child=_after_fork_in_child
    )
