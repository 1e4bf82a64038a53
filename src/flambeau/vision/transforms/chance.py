"""Random numbers for transforms, from the default generator in torchvision's order."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.core.generator import Generator, default_generator
from flambeau.core.realize import recorder

from .functional import get_image_num_channels

__all__ = ["bounds", "channel_fill", "integer", "number", "pair", "uniform"]


def _generator() -> Generator | None:
    """The default generator, when all has drawn from it that was recorded before; None while a whole
    function is recorded, which must see that numbers are drawn."""
    if recorder.tape is not None:
        return None
    recorder.flush("a transform draws numbers")
    return default_generator


def uniform(low: float, high: float) -> float:
    """A number of [low, high)."""
    generator = _generator()
    if generator is None:
        return float(torch.empty(1).uniform_(low, high).item())
    return float(generator.uniform((1,), torch.get_default_dtype().np, float(low), float(high))[0])


def number() -> float:
    """A number of [0, 1)."""
    return uniform(0.0, 1.0)


def integer(low: int, high: int) -> int:
    """A whole number of [low, high)."""
    generator = _generator() if low < high else None
    if generator is None:
        return int(torch.randint(low, high, (1,)).item())
    return int(generator.random((1,), np.int64, low, high)[0])


def pair(size: Any, message: str) -> tuple[Any, Any]:
    """(h, w) of a size: n and [n] are a square."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if not isinstance(size, Sequence) or len(size) not in (1, 2):
        raise ValueError(f"{message} Got {size!r}.")
    return size[0], size[-1]


def bounds(name: str, x: Any, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """[-x, x] of a number, or the numbers of a sequence of one of these lengths."""
    if isinstance(x, numbers.Number):
        if x < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive. Got {x}.")
        return [-float(x), float(x)]  # type: ignore[arg-type]
    if not isinstance(x, Sequence):
        raise TypeError(f"{name} should be a sequence of length {lengths[0]}. Got {x!r}.")
    if len(x) not in lengths:
        raise ValueError(
            f"{name} should be a sequence of length {' or '.join(map(str, lengths))}. Got {x!r}."
        )
    return [float(d) for d in x]


def channel_fill(img: Any, fill: Any) -> Any:
    """For tensors, a number for each channel; for pictures what is given."""
    if not isinstance(img, Tensor) or fill is None:
        return fill
    if isinstance(fill, numbers.Number):
        return [float(fill)] * get_image_num_channels(img)  # type: ignore[arg-type]
    return [float(f) for f in fill]
