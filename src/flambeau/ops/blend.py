"""Mixtures of a value with another one, each a few roundings in one operation: what the rules of optimizers
are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiler import expression as e
from ..core.dtype import FLOAT
from .kinds import FLOATING, pointwise
from .samples import SHAPES, Sample, spread


def _samples(tensors: int, *numbers: float) -> Any:
    """Positive tensors of one shape, and numbers."""
    return lambda: [
        Sample((*[spread(s, 0.2, 3.0, i) for i in range(tensors)], *map(np.asarray, numbers))) for s in SHAPES
    ]


def _lerp(x: np.ndarray, end: np.ndarray, weight: np.ndarray) -> np.ndarray:
    difference = end - x
    return np.where(abs(weight) < 0.5, x + weight * difference, end - difference * (1 - weight))


def _lower_lerp(x: Any, end: Any, weight: Any) -> Any:
    near = e.absolute(weight) < 0.5
    return e.where(near, x + weight * (end - x), end - (end - x) * (1 - weight))


# x + weight * (end - x), counted from the nearer end.
lerp = pointwise(
    "lerp",
    _lerp,
    inputs="x end weight",
    lower=_lower_lerp,
    accepts=FLOATING,
    samples=lambda: [*_samples(2, 0.25)(), *_samples(2, 0.75)()],
    grad={
        "x": lambda g, weight: g * (1 - weight).conj(),
        "end": lambda g, weight: g * weight.conj(),
        "weight": lambda g, x, end: g * (end - x).conj(),
    },
)
# The number of [low, high] that is nearest to x, for limits that are numbers.
clamp = pointwise(
    "clamp",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    inputs="x low high",
    lower=lambda x, low, high: e.minimum(e.maximum(x, low), high),
    accepts=(FLOAT, FLOAT),
    samples=lambda: [Sample((spread(s), np.asarray(-0.9), np.asarray(1.7))) for s in SHAPES],
    grad={"x": lambda g, x, low, high: g.where((x >= low) & (x <= high), 0.0)},
)
# x * a + y * b
weighted_sum = pointwise(
    "weighted_sum",
    lambda x, a, y, b: np.add(x * a, y * b),
    inputs="x a y b",
    lower=lambda x, a, y, b: x * a + y * b,
    accepts=FLOATING,
    samples=lambda: [Sample((x, a, y, b)) for x, y, a, b in (s.arrays for s in _samples(2, 0.9, 0.1)())],
    grad={
        "x": lambda g, a: g * a.conj(),
        "a": lambda g, x: g * x.conj(),
        "y": lambda g, b: g * b.conj(),
        "b": lambda g, y: g * y.conj(),
    },
)
# x * a + y² * b
weighted_square = pointwise(
    "weighted_square",
    lambda x, a, y, b: np.add(x * a, b * y * y),
    inputs="x a y b",
    lower=lambda x, a, y, b: x * a + (y * b) * y,
    accepts=(FLOAT, FLOAT),
    samples=weighted_sum.samples,
    grad={
        "x": lambda g, a: g * a,
        "a": lambda g, x: g * x,
        "y": lambda g, y, b: g * (2 * b * y),
        "b": lambda g, y: g * (y * y),
    },
)


def _scaled_step(x: np.ndarray, y: np.ndarray, square: np.ndarray, *numbers: np.ndarray) -> np.ndarray:
    root, eps, rate = numbers
    spread: np.ndarray = np.sqrt(square)
    spread = np.add(np.divide(spread, root), eps)
    moved: np.ndarray = np.divide(np.multiply(rate, y), spread)
    return moved + x


def _quotient(y: Any, square: Any, root: Any, eps: Any) -> tuple[Any, Any]:
    """The divisor of a scaled step, and the derivative by it of the step at rate 1."""
    divisor = square.sqrt() / root + eps
    return divisor, -y / (divisor * divisor)


# x + rate * y / (√square / root + eps)
scaled_step = pointwise(
    "scaled_step",
    _scaled_step,
    inputs="x y square root eps rate",
    lower=lambda x, y, square, root, eps, rate: x + (y * rate) / (e.sqrt(square) / root + eps),
    accepts=(FLOAT, FLOAT),
    samples=_samples(3, 0.75, 1e-3, -0.5),
    grad={
        "x": lambda g: g,
        "y": lambda g, y, square, root, eps, rate: g * rate / _quotient(y, square, root, eps)[0],
        "square": lambda g, y, square, root, eps, rate: (
            g * rate * _quotient(y, square, root, eps)[1] / (2 * square.sqrt() * root)
        ),
        "root": lambda g, y, square, root, eps, rate: (
            -g * rate * _quotient(y, square, root, eps)[1] * square.sqrt() / (root * root)
        ),
        "eps": lambda g, y, square, root, eps, rate: g * rate * _quotient(y, square, root, eps)[1],
        "rate": lambda g, y, square, root, eps: g * y / _quotient(y, square, root, eps)[0],
    },
)
