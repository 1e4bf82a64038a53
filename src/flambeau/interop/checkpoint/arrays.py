"""NumPy's arrays, numbers and dtypes in checkpoints, made of plain data only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

_PLAIN = re.compile(r"[biufcSU?][0-9]{0,9}")


def _dtype(spec: object, align: object = False, copy: object = False) -> np.dtype[Any]:
    """A dtype of its own, of numbers or texts."""
    if not isinstance(spec, str) or not _PLAIN.fullmatch(spec):
        raise ValueError(f"a NumPy dtype {spec!r}, which holds no plain numbers, isn't allowed")
    return np.dtype(spec, copy=True)


def _reconstruct(kind: object, shape: object, code: object) -> np.ndarray:
    if kind is not np.ndarray or shape != (0,):
        raise ValueError("a NumPy array of a class of its own isn't allowed")
    return np.ndarray((0,), np.int8)


def _scalar(dtype: object, data: object) -> Any:
    return _numbers(data, dtype, ())[()]


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> np.ndarray:
    return _numbers(data, dtype, shape, fortran=order == "F")


def _numbers(data: Any, dtype: Any, shape: Any, fortran: Any = False) -> np.ndarray:
    """An array of these bytes, after all checks."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject or dtype.kind not in "biufcSU":
        raise ValueError(f"NumPy numbers of dtype {dtype} aren't allowed")
    if not isinstance(data, bytes | bytearray) or not isinstance(shape, tuple):
        raise ValueError("a NumPy array is not made of bytes and a shape")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"a NumPy array can't have shape {shape}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"a NumPy array of shape {shape} and dtype {dtype} can't have {len(data)} bytes")
    if not dtype.itemsize:
        raise ValueError("a NumPy array of texts without letters isn't allowed")
    return np.frombuffer(bytes(data), dtype).reshape(shape, order="F" if fortran else "C").copy("K")


def build(x: Any, state: Any) -> bool:
    """Gives an array or a dtype its state; whether `x` was one of these."""
    if isinstance(x, np.ndarray):
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("the state of a NumPy array is malformed")
        _, shape, dtype, fortran, data = state
        if isinstance(data, str):  # of Python 2
            data = data.encode("latin1")
        array = _numbers(data, dtype, shape, fortran)
        packed: Any = (1, array.shape, array.dtype, bool(fortran), array.tobytes("F" if fortran else "C"))
        x.__setstate__(packed)
        return True
    if isinstance(x, np.dtype):
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", "|", "="):
            raise ValueError("a NumPy dtype of another byte order, or of parts, isn't allowed")
        return True
    return False


_PRIVATE: dict[str, Callable[..., Any]] = {
    "multiarray._reconstruct": _reconstruct,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": _frombuffer,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _dtype,
    **{f"numpy.{core}.{name}": f for core in ("core", "_core") for name, f in _PRIVATE.items()},
}
