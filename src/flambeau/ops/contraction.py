"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtype import dtype
from .kinds import NO_BOOL, broadcast, custom
from .samples import Sample, integers, spread
from .view import transpose


def _matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.ndim > 2 and y.ndim == 2 and x.flags.c_contiguous:  # one product instead of many small ones
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        return np.matmul(rows, y).reshape(*x.shape[:-1], y.shape[-1])
    return np.matmul(x, y)


def _matmul_rule(x: Any, y: Any) -> tuple[tuple[int, ...], dtype]:
    a, b = x._node, y._node
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"matmul: expected m1 and m2 to have the same dtype, but got: {a.dtype.name} != {b.dtype.name}; "
            f"convert one with .to()"
        )
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"matmul: mat1 and mat2 shapes cannot be multiplied ({a.shape[-2]}x{a.shape[-1]} and "
            f"{b.shape[-2]}x{b.shape[-1]}): the inner "
            f"extents of {tuple(a.shape)} @ {tuple(b.shape)} must be equal"
        )
    return (*broadcast("matmul", a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), a.dtype


def _samples() -> list[Sample]:
    return [
        Sample((spread((2, 3)), spread((3, 4), seed=1))),
        Sample((spread((2, 1, 2, 3)), spread((3, 3, 2), seed=1))),
        Sample((spread((0, 3)), spread((3, 2), seed=1))),
        Sample((spread((2, 0)), spread((0, 2), seed=1))),
        Sample((integers((2, 2)), integers((2, 2), seed=1))),
    ]


def _adjoint(x: Any) -> Any:
    """The matrices transposed and conjugated: as values, so that what was saved needs no storage."""
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return transpose.plain(x.conj(), (order,))


# Both inputs are matrices, or batches of them that broadcast.
matmul = custom(
    "matmul", _matmul, _matmul_rule, "contraction", inputs="x y", accepts=NO_BOOL, samples=_samples,
    backward_name="Mm",
    grad={"x": lambda g, y: matmul(g, _adjoint(y)), "y": lambda g, x: matmul(_adjoint(x), g)},
)  # fmt: skip
