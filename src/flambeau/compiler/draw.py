"""Large arrays of random numbers, in native code: what generators use outside of compiled programs."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from ..core.dtype import from_numpy
from ..core.node import numel
from ..runtime.buffers import address, empty

_spared = 1 << 20  # elements that are rather drawn by NumPy than LLVM loaded, which takes a tenth of a second


def draw(what: str, state: int, shape: tuple[int, ...], dtype: np.dtype[Any], *numbers: float) -> Any:
    """An array drawn from the engine whose state lies at `state`; None for what only NumPy does.

    `what` is words, uniform, normal, bernoulli, exponential, cauchy, random or permutation.
    """
    global _spared
    if "llvmlite" not in sys.modules:
        _spared -= numel(shape)
        if _spared > 0:
            return None
    from .cpu.draws import code

    words = dtype == np.uint32
    made = code(what, from_numpy(np.dtype(np.int32) if words else dtype), numel(shape))
    if made is None:
        return None
    out = empty(shape, dtype)
    given = np.array(numbers, np.int64 if what == "random" else np.float64)
    places = [address(given) + 8 * i for i in range(len(numbers))]
    arguments = (ctypes.c_int64 * (3 + len(places)))(state, address(out), out.size, *places)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 3)(made.address)
    run(arguments, 0, 1, 0)
    return out
