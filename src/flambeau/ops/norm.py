"""Normalization: batch, layer, group and instance norm are this one operation over different dimensions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core import dtype as dt
from .kinds import custom
from .reduction import mean, variance
from .samples import Sample, spread

Dims = tuple[int, ...]


def _standardize(x: np.ndarray, eps: np.ndarray, dims: Dims) -> np.ndarray:
    count = max(prod(x.shape[d] for d in dims), 1)
    deviation: np.ndarray = x - x.sum(dims, keepdims=True) / x.dtype.type(count)
    square = (deviation * deviation).sum(dims, keepdims=True) / x.dtype.type(count)
    deviation /= np.sqrt(square + eps)
    return deviation


def _standardize_grad(g: Any, x: Any, eps: Any, out: Any, dims: Dims) -> Any:
    """What is left of `g` without its mean and without its part along the result, divided as x was."""
    left = g - mean(g, dims, True) - out * mean(g * out, dims, True)
    return left * (variance(x, dims, True) + eps).rsqrt()


# (x - mean) / sqrt(variance + eps), with mean and (biased) variance over `dims`.
standardize = custom(
    "standardize",
    _standardize,
    lambda x, eps, dims: (x._node.shape, x._node.dtype),
    "composite",
    inputs="x eps",
    attrs="dims",
    accepts=(dt.FLOAT, dt.FLOAT),
    grad={"x": _standardize_grad},
    backward_name="NativeLayerNorm",
    samples=lambda: [
        Sample((spread((2, 5)), np.array(0.3)), {"dims": (1,)}),
        Sample((spread((3, 2, 2)), np.array(0.1)), {"dims": (0, 2)}),
        Sample((spread((2, 1)), np.array(0.3)), {"dims": (1,)}),
        Sample((spread((0, 2)), np.array(0.3)), {"dims": (1,)}),
    ],
)
