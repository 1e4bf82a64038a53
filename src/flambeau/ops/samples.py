"""Sample inputs of operations: what the suite derives its tests from. Arrays only; made anew, from a fixed
seed, at each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Sample(NamedTuple):
    """Arguments of one call: arrays become tensors, `attrs` are passed by name."""

    arrays: tuple[np.ndarray, ...]
    attrs: dict[str, Any] = {}  # noqa: RUF012


Samples = Callable[[], Sequence[Sample]]
SHAPES = ((), (3,), (2, 3), (2, 0), (2, 1, 3))
PAIRS = (
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 2)),
    ((0, 3), (3,)),
    ((2, 3), (2, 3)),
)


def generator(seed: int = 0) -> np.random.Generator:
    """The samples' own source of numbers."""
    return np.random.default_rng(seed)


def spread(shape: Sequence[int], low: float = -3.0, high: float = 3.0, seed: int = 0) -> np.ndarray:
    """Distinct float64 numbers in (low, high), in random order: none at the ends, none whole or half, none in
    common with another seed."""
    n = int(np.prod(shape))
    values = low + (high - low) * (np.arange(n) + 0.37 + 0.02 * seed) / max(n, 1)
    return generator(seed + 17 * n).permutation(values).reshape(shape)


def integers(
    shape: Sequence[int], low: int = -4, high: int = 5, seed: int = 0, dtype: Any = np.int64
) -> np.ndarray:
    """Integers in [low, high)."""
    return generator(seed + 1).integers(low, high, tuple(shape)).astype(dtype)


def booleans(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Random truth values."""
    return generator(seed + 2).random(tuple(shape)) < 0.5


def unary(low: float = -3.0, high: float = 3.0) -> Samples:
    """One float input with values in (low, high)."""
    return lambda: [Sample((spread(s, low, high),)) for s in SHAPES]


def binary(
    low: float = -3.0, high: float = 3.0, low2: float | None = None, high2: float | None = None
) -> Samples:
    """Two float inputs that broadcast; the second in (low2, high2) if given."""
    lo2, hi2 = (low if low2 is None else low2), (high if high2 is None else high2)
    return lambda: [Sample((spread(a, low, high, 1), spread(b, lo2, hi2, 2))) for a, b in PAIRS]


def integer_unary() -> Sequence[Sample]:
    """One integer, one boolean input."""
    return [Sample((integers((2, 3)),)), Sample((booleans((3,)),))]


def integer_binary() -> Sequence[Sample]:
    """Two integers, two booleans."""
    return [
        Sample((integers((2, 3)), integers((3,), seed=5))),
        Sample((booleans((2, 2)), booleans((2, 2), 3))),
    ]


def boolean_binary() -> Sequence[Sample]:
    """Two inputs read as truth values."""
    return [
        Sample((booleans((2, 3)), booleans((3,), 1))),
        Sample((spread((4,)).round(), integers((4,), 0, 2))),
    ]


def fixed(*samples: Sample) -> Samples:
    """Samples given as data."""
    return lambda: samples
