"""What a compiled program consists of: calls of kernels, and the buffers they read and write.

A planner is a function that adds the calls for one operation to a `Plan`. It never sees data, only `Array`s:
where elements lie in a numbered buffer. When a program runs, each buffer has an address (an input's, an
output's, or a place in the arena), addresses are written into the calls' words, and native code walks the
calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.dtype import dtype
from ..core.node import numel
from ..runtime.calls import Address, Call, Word
from ..runtime.kernels import Kernel


class Array(NamedTuple):
    """Elements in a buffer: the one at index (i, j, …) lies `offset + i * strides[0] + j * strides[1] + …`
    elements after the buffer's start. Strides may be 0 (broadcast) or negative."""

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: dtype

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie in order without gaps."""
        return (
            self.strides == strides_of(self.shape)
            or numel(self.shape) == 0
            or all(
                n == 1 or a == b
                for n, a, b in zip(self.shape, self.strides, strides_of(self.shape), strict=True)
            )
        )

    @property
    def address(self) -> Address:
        """The place of the first element."""
        return Address(self.buffer, self.offset * self.dtype.itemsize)


def strides_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a contiguous array."""
    strides, n = [], 1
    for extent in reversed(shape):
        strides.append(n)
        n *= max(extent, 1)
    return tuple(reversed(strides))


class Plan:
    """Calls in order, and the buffers that they need beyond those of the program's values."""

    def __init__(self, buffers: int, threads: int = 1) -> None:
        self.calls: list[Call] = []
        self.first_scratch = buffers
        self.scratches: list[int] = []  # bytes, by buffer number from `first_scratch`
        self.tables: dict[int, np.ndarray] = {}  # constant buffers
        self.threads = threads  # the most that will run a call at once; thread numbers are below it

    def scratch(self, nbytes: int) -> int:
        """A new buffer, aligned to 64 bytes, that lives from its first call to its last."""
        self.scratches.append(nbytes)
        return self.first_scratch + len(self.scratches) - 1

    def array(self, shape: tuple[int, ...], d: dtype) -> Array:
        """A contiguous array in a new scratch buffer."""
        return Array(self.scratch(numel(shape) * d.itemsize), 0, shape, strides_of(shape), d)

    def table(self, values: Any) -> int:
        """A new buffer that holds a constant array (index tables)."""
        number = self.scratch(0)
        self.tables[number] = np.ascontiguousarray(values)
        return number

    def call(self, kernel: Kernel, words: Sequence[Word], tasks: int = 1, grain: int = 1) -> None:
        """Adds a call."""
        if tasks > 0:
            self.calls.append(Call(kernel, tuple(words), tasks, max(grain, 1)))


def float_bits(value: float) -> int:
    """A float64's bits as a word."""
    return int(np.float64(value).view(np.int64))


def run_calls(plan: Plan, arrays: list[np.ndarray], threads: int = 1) -> None:
    """Runs a plan over arrays (by buffer number) without the native runner: for tests of single kernels.

    With `threads` > 1 the tasks are done in as many shares, one after the other, as the runner would do them
    side by side.
    """
    import ctypes

    buffers = list(arrays)
    for i, nbytes in enumerate(plan.scratches):
        number = plan.first_scratch + i
        buffers.append(plan.tables.get(number, np.empty(nbytes + 64, np.uint8)))
    for call in plan.calls:
        words = [_number(w, plan, buffers) for w in call.words]
        argument = (ctypes.c_int64 * len(words))(*words)
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(
            call.kernel.address
        )
        shares = min(threads, max(call.tasks // call.grain, 1))
        for t in range(shares):
            function(argument, call.tasks * t // shares, call.tasks * (t + 1) // shares, t)


def _number(word: Word, plan: Plan, buffers: list[np.ndarray]) -> int:
    if isinstance(word, Address):
        scratch = word.buffer >= plan.first_scratch and word.buffer not in plan.tables
        return _aligned(buffers[word.buffer], scratch) + word.offset
    return word if isinstance(word, int) else word.address


def _aligned(buffer: np.ndarray, scratch: bool) -> int:
    address = int(buffer.__array_interface__["data"][0])
    return -(-address // 64) * 64 if scratch else address
