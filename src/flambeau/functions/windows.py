"""Windows by their length: `torch.hann_window` and its kin. `torch.signal.windows` has more of them."""

from __future__ import annotations

import math
from typing import Any

from ..core.dtype import dtype as DType
from ..core.dtype import get_default_dtype
from ..core.tensor import Tensor
from ..ops.kinds import cast, opmath
from ..ops.special import i0
from .creation import ones, zeros
from .memory import check_layout
from .pointwise import abs, cos, sqrt
from .ranges import arange


def _window(
    name: str, length: int, periodic: bool, dtype: DType | None, layout: Any, device: Any,
    requires_grad: bool, shape: Any,
) -> Tensor:  # fmt: skip
    """`shape(t, last)` at the points t = 0, 1, …, the last one of the symmetric window. RuntimeError for a
    negative length, or a dtype that isn't a floating one."""
    d = get_default_dtype() if dtype is None else dtype
    check_layout(name, layout)
    if not (d.is_floating_point or d.is_complex):
        raise RuntimeError(f"{name}: expects floating point dtypes, got: {d}")
    if length < 0:
        raise RuntimeError(f"{name}: requires non-negative window_length, got window_length={length}")
    if length < 2:
        made = (ones if length else zeros)(length, dtype=d, device=device)
    else:
        t = arange(length, dtype=opmath(d), device=device)
        made = cast(shape(t, length if periodic else length - 1), d)
    return made.requires_grad_(requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """(1 - cos(2 * pi * t)) / 2, t from 0 to 1.

    >>> import flambeau as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window(
        "hann_window", window_length, periodic, dtype, layout, device, requires_grad,
        lambda t, last: 0.5 - 0.5 * cos(t * (2 * math.pi / last)),
    )  # fmt: skip


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: DType | None = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - beta * cos(2 * pi * t), t from 0 to 1.

    >>> import flambeau as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _window(
        "hamming_window", window_length, periodic, dtype, layout, device, requires_grad,
        lambda t, last: alpha - beta * cos(t * (2 * math.pi / last)),
    )  # fmt: skip


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """1 - |2 * t - 1|, t from 0 to 1: a triangle.

    >>> import flambeau as torch
    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window(
        "bartlett_window", window_length, periodic, dtype, layout, device, requires_grad,
        lambda t, last: 1 - abs(t * (2 / last) - 1),
    )  # fmt: skip


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 - 0.5 * cos(2 * pi * t) + 0.08 * cos(4 * pi * t), t from 0 to 1.

    >>> import flambeau as torch
    >>> torch.blackman_window(4)[2]
    tensor(1.)
    """
    return _window(
        "blackman_window", window_length, periodic, dtype, layout, device, requires_grad,
        lambda t, last: 0.08 * cos(t * (4 * math.pi / last)) - 0.5 * cos(t * (2 * math.pi / last)) + 0.42,
    )  # fmt: skip


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: DType | None = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """i0(beta * sqrt(1 - (2 * t - 1)²)) / i0(beta), t from 0 to 1.

    >>> import flambeau as torch
    >>> torch.kaiser_window(3, periodic=False, beta=2.0)
    tensor([0.4387, 1.0000, 0.4387])
    """
    return _window(
        "kaiser_window", window_length, periodic, dtype, layout, device, requires_grad,
        lambda t, last: i0(beta * sqrt(1 - (t * (2 / last) - 1).square())) / i0(t.new_tensor(beta)),
    )  # fmt: skip
