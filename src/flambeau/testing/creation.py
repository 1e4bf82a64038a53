"""Random tensors for tests."""

from __future__ import annotations

import math
from typing import Any

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.limits import finfo, iinfo
from ..core.tensor import Tensor
from ..functions.calling import shape_of
from ..functions.choice import complex as complex_of
from ..functions.creation import empty
from ..functions.random import randint


def make_tensor(
    *shape: Any,
    dtype: DType,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of random numbers from [low, high), by default from [-9, 9) ([0, 10) for unsigned types).

    Args:
        shape: the extents, one by one or as a tuple.
        dtype: of the elements.
        low, high: the bounds; beyond the dtype's range they are moved into it.
        requires_grad: whether it takes part in differentiation.
        noncontiguous: with gaps between the elements.
        exclude_zero: zeros become the smallest positive number (1 for whole numbers).
        memory_format: how the elements lie; not together with `noncontiguous`.

    Raises:
        ValueError: bounds that leave no number, or both `noncontiguous` and `memory_format`.

    Example:
        >>> import flambeau as torch
        >>> torch.testing.make_tensor(2, 3, dtype=torch.float32, device="cpu", low=0, high=1).shape
        torch.Size([2, 3])
    """
    size = shape_of("make_tensor", shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"make_tensor: noncontiguous and memory_format exclude each other, got both ({memory_format})"
        )
    if noncontiguous and math.prod(size) > 1:
        t = _drawn((*size[:-1], 2 * size[-1]), dtype, device, low, high)[..., 1::2]
    else:
        t = _drawn(size, dtype, device, low, high)
    if memory_format is not None:
        t = t.clone(memory_format=memory_format)
    if exclude_zero:
        t[t == 0] = finfo(dtype).tiny if dtype.category >= dt.FLOAT else 1
    return t.requires_grad_() if requires_grad else t


def _drawn(size: tuple[int, ...], d: DType, device: Any, low: Any, high: Any) -> Tensor:
    if d is dt.bool_:
        low, high = _bounds(low, high, 0, 2, 0, 2)
        return randint(math.ceil(low), math.ceil(high), size, device=device, dtype=d)
    if d.category == dt.INTEGER:
        info = iinfo(d)
        default = (-9, 10) if d.is_signed else (0, 10)
        # The largest 64-bit number itself is out of reach, as the bound is not included.
        top = info.max + (1 if d.itemsize < 8 else 0)
        low, high = _bounds(low, high, *default, info.min, top)
        return randint(math.ceil(low), math.ceil(high), size, device=device, dtype=d)
    limits = finfo(d)
    low, high = _bounds(low, high, -9, 9, limits.min, limits.max)
    if d.is_complex:
        parts = empty((*size, 2), dtype=d.to_real(), device=device).uniform_(low, high)
        return complex_of(parts[..., 0], parts[..., 1])
    return empty(size, dtype=d, device=device).uniform_(low, high)


def _bounds(low: Any, high: Any, first: float, last: float, least: float, most: float) -> tuple[float, float]:
    low, high = first if low is None else low, last if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"make_tensor: low and high can't be NaN, got low={low}, high={high}")
    if low >= high:
        raise ValueError(f"make_tensor: low must be less than high, got low={low}, high={high}")
    clipped = max(low, least), min(high, most)
    if clipped[0] >= clipped[1]:
        raise ValueError(f"make_tensor: no number of this dtype lies in [{low}, {high})")
    return clipped
