"""What autocast does to operations: their tensors are cast first, and inside nothing more is.

PyTorch's lists for the CPU say which: products and convolutions are done in the 16 bits that autocast is set
to (`lowered`), what loses too much in them in float32 (`in_float32`), and what mixes dtypes in the widest
(`promoted`). Tensors of float64, and of dtypes that are no floats, stay as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.modes import modes
from ..core.tensor import Tensor
from ..ops.kinds import cast

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")


def casts(x: Any) -> bool:
    """Whether autocast casts this tensor."""
    d = x._node.dtype
    return d.category == dt.FLOAT and d is not dt.float64 and x.device.type == "cpu"


def cast_all(value: Any, d: dtype) -> Any:
    """The value with its tensors, also those in lists and tuples, in this dtype if autocast casts them."""
    if isinstance(value, Tensor):
        return cast(value, d) if value._node.dtype is not d and casts(value) else value
    if isinstance(value, (list, tuple)) and any(isinstance(x, (Tensor, list, tuple)) for x in value):
        return type(value)([cast_all(x, d) for x in value])
    return value


class plain:
    """A block in which autocast does nothing."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before, modes.autocast = modes.autocast, None

    def __exit__(self, *exc: object) -> None:
        modes.autocast = self.before


def done_in(d: dtype, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """The function of arguments in this dtype."""
    args = tuple([cast_all(x, d) for x in args])
    kwargs = {name: cast_all(x, d) for name, x in kwargs.items()}
    with plain():
        return function(*args, **kwargs)


def lowered(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """The function, done in the dtype that autocast is set to."""
    return done_in(modes.autocast, function, *args, **kwargs)


def in_float32(function: F) -> F:
    """The function, done in float32 where autocast is on, unless it writes to `out=`."""

    @functools.wraps(function)
    def casting(*args: Any, **kwargs: Any) -> Any:
        if modes.autocast is None or kwargs.get("out") is not None:
            return function(*args, **kwargs)
        return done_in(dt.float32, function, *args, **kwargs)

    return casting  # type: ignore[return-value]


def promoted(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """The function, done in the widest of its tensors' dtypes."""
    tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor) and casts(x)]
    wide = any(x._node.dtype is dt.float32 for x in tensors)
    return done_in(dt.float32 if wide else modes.autocast, function, *args, **kwargs)


def uncast(function: F) -> F:
    """A function that autocast leaves alone although it is made of some that it doesn't."""

    @functools.wraps(function)
    def alone(*args: Any, **kwargs: Any) -> Any:
        if modes.autocast is None:
            return function(*args, **kwargs)
        with plain():
            return function(*args, **kwargs)

    return alone  # type: ignore[return-value]
