"""Memory for arrays: aligned, and used again without asking the system, whose fresh pages cost more to touch
than most operations take."""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections import deque
from typing import Any

import numpy as np

from ..core.memory import Block, Memory

SMALL = 128 << 10  # bytes; below this NumPy's own allocator is as good
_ALIGN = 64
_SPARE = 64 << 20  # bytes that may always be kept
DATA = object.__basicsize__  # where an array object keeps the address of its elements
_read = ctypes.c_int64.from_address


def address(array: np.ndarray) -> int:
    """Where an array's first element is."""
    return _read(id(array) + DATA).value


class Buffers:
    """A pool of memory. What is kept is bounded by what was in use lately."""

    def __init__(self) -> None:
        self.used = self.kept = 0  # bytes lent out, and free
        self.peak = 0.0  # the most that was lent out, lately
        self._free: dict[int, list[tuple[int, Memory]]] = {}  # by size: when it came back, and the memory
        self._returned: deque[Memory] = deque()  # memory whose block has died
        self._clock = 0
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """An array with any values, aligned to 64 bytes if it is large."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < SMALL:
            return np.empty(shape, dtype)
        size = _rounded(nbytes)
        with self._lock:
            memory = self._take(size)
        block = np.ndarray.__new__(Block, (size,), np.uint8, memory, -address(memory) % _ALIGN)
        return np.ndarray(shape, dtype, block)

    def _take(self, size: int) -> Memory:
        if self._returned:
            self._collect()
        free = self._free.get(size)
        if free:
            memory = free.pop()[1]
            self.kept -= size
        else:
            memory = self._new(size)
        self.used += size
        if self.used > self.peak:
            self.peak = self.used
        return memory

    def _collect(self) -> None:
        """Takes memory back from blocks that died."""
        self.peak = max(self.used, self.peak * 0.999)
        while self._returned:
            memory = self._returned.popleft()
            size = memory.nbytes - _ALIGN
            self._clock += 1
            self._free.setdefault(size, []).append((self._clock, memory))
            self.used -= size
            self.kept += size
        bound = max(self.peak, _SPARE) * 1.25
        while self.kept and self.used + self.kept > bound:
            size = min((s for s, free in self._free.items() if free), key=lambda s: self._free[s][0][0])
            del self._free[size][0]
            self.kept -= size

    def _new(self, size: int) -> Memory:
        for last in (False, True):
            try:
                memory = np.ndarray.__new__(Memory, (size + _ALIGN,), np.uint8)
            except MemoryError:
                if last:
                    break
                self._drop()
            else:
                memory.home = self._returned
                return memory
        raise MemoryError(
            f"can't get {size:,} bytes for a result ({self.used:,} bytes are in use); work on smaller "
            "batches, or let go of tensors that are no longer needed"
        )

    def _drop(self) -> None:
        self._free.clear()
        self.kept = 0

    def clear(self) -> None:
        """Gives free memory back to the system."""
        with self._lock:
            self._collect()
            self._drop()


def _rounded(nbytes: int) -> int:
    """A size of which there are four between each power of two and the next: at most a quarter is wasted."""
    step = 1 << (nbytes - 1).bit_length() - 3
    return -(-nbytes // step) * step


class Arena:
    """One block of scratch memory that grows to the largest size that was wanted, for whoever runs a program;
    only one runs at a time."""

    def __init__(self) -> None:
        self.block = np.empty(0, np.uint8)
        self.address = 0

    def want(self, nbytes: int) -> int:
        """Makes the block at least this large (growing, it forgets its bytes); its address, a multiple of
        64."""
        if nbytes > self.block.nbytes or not self.address:
            self.block = np.empty(0, np.uint8)  # lets go of the old one first
            self.block = BUFFERS.empty((max(nbytes, SMALL),), np.dtype(np.uint8))
            self.address = address(self.block)
        return self.address


BUFFERS = Buffers()
empty = BUFFERS.empty
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: setattr(BUFFERS, "_lock", threading.Lock()))
