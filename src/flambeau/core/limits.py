"""The limits of numeric types: `finfo` and `iinfo`."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from . import dtype as dt


class finfo:
    """The limits of a floating (or complex) dtype: `bits`, `eps`, `max`, `min`, `tiny`, `smallest_normal`,
    `resolution`.

    TypeError for another dtype.

    >>> import flambeau as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dt.dtype | None = None) -> None:
        d = (type or dt.get_default_dtype()).to_real()
        if not d.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{d}'"
            )
        limits = ml_dtypes.finfo(d.np)  # type: ignore[no-untyped-call]
        self.dtype, self.bits = d.name, d.itemsize * 8
        self.eps, self.max, self.min = float(limits.eps), float(limits.max), float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = float(f"1e-{limits.precision}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype: `bits`, `max`, `min`. TypeError for another dtype.

    >>> import flambeau as torch
    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: dt.dtype) -> None:
        if type.category != dt.INTEGER:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'"
            )
        limits = np.iinfo(type.np)
        self.dtype, self.bits, self.max, self.min = type.name, limits.bits, int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
