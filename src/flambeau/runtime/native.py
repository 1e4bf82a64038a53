"""Programs in native code: one call from Python runs a table of kernel calls."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from struct import Struct
from typing import Any

import numpy as np

from . import threads, walk
from .buffers import DATA
from .calls import Address, Call, Word
from .kernels import Kernel, build, kernel
from .pool import POOL, Pool


class Native:
    """Calls of kernels in order, ready to run.

    `addresses` is the number of buffers that the calls' `Address` words name.
    """

    def __init__(self, calls: Sequence[Call], addresses: int, pool: Pool = POOL) -> None:
        called = [w for call in calls for w in (call.kernel, *call.words) if isinstance(w, Kernel)]
        self.kernels = list(dict.fromkeys(called))  # keeps their code in memory
        self.buffers, self.pool = addresses, pool
        self._run, self._code = _function()
        build(self.kernels)
        first = np.cumsum([0, *(len(call.words) for call in calls)])
        words = [w for call in calls for w in call.words]
        self._words = np.array(list(map(_number, words)), np.int64)
        at = self._words.ctypes.data
        self._places, self._starts = _places(words, addresses, at)
        self._bases = np.zeros(addresses, np.int64)  # where the buffers were in the last run
        rows = [
            (call.kernel.address, at + 8 * int(begin), call.tasks, call.tasks // max(call.grain, 1))
            for call, begin in zip(calls, first, strict=False)
        ]
        self._table = np.array(rows, np.int64).reshape(-1, walk.ROW)
        self.count = len(rows)
        self.parallel = bool((self._table[:, walk.ROW_PIECES] >= 2).any())
        tables = (self._table, self._bases, self._starts, self._places)
        calls_at, *others = (t.ctypes.data for t in tables)
        self._program = np.array([len(rows), calls_at, addresses, *others], np.int64)
        self._address = int(self._program.ctypes.data)

    def run(self, addresses: Any, times: Any = None) -> None:
        """Runs the calls. `addresses` is a ctypes array of int64, the buffers' addresses; `times` one with a
        place for each call and one more, for the clock's ticks before the first call and after each."""
        pool = self.pool
        if self.parallel and pool.count != threads.count:
            pool.want(threads.usable())
        if pool.asleep:
            pool.wake()
        with pool.running:
            self._run(self._address, addresses, pool.address, times)


def _number(word: Word) -> int:
    """A word without the address of its buffer."""
    return word if isinstance(word, int) else word.offset if isinstance(word, Address) else word.address


def _places(words: list[Any], buffers: int, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Addresses of the words that are addresses, buffer by buffer, and where each buffer's begin."""
    found = [(w.buffer, i) for i, w in enumerate(words) if isinstance(w, Address)]
    table = np.array(sorted(found), np.int64).reshape(-1, 2)
    return at + 8 * table[:, 1], np.searchsorted(table[:, 0], np.arange(buffers + 1)).astype(np.int64)


class Locator:
    """Writes down where arrays are: their addresses go to given places of a table of int64."""

    def __init__(self, places: Sequence[int]) -> None:
        self._places, self._objects = np.array(places, np.int64), np.zeros(len(places), np.int64)
        self._where = int(self._objects.ctypes.data), int(self._places.ctypes.data), len(places)
        self._note: Any = Struct(f"{len(places)}q").pack_into
        self._locate, self._code = _locate()

    def __call__(self, arrays: list[np.ndarray], addresses: Any) -> None:
        """Does so for as many arrays as there are places."""
        self._note(self._objects, 0, *map(id, arrays))
        self._locate(*self._where, addresses)


@cache
def _locate() -> tuple[Any, Any]:
    """The native function that looks into array objects, and the kernel that holds its code."""
    code = kernel("flambeau_locate", ("walk",), lambda module: walk.emit_locate(module, DATA // 8))
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    return kind(code.address), code


@cache
def _function() -> tuple[Any, Any]:
    """The native function that runs a program, and the kernel that holds its code."""
    code = kernel("flambeau_run", ("walk",), walk.emit_run)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    return kind(code.address), code
