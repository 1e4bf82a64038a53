"""Making tensors of ranges: evenly spaced numbers, and positions in matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor, from_array
from ..core.warning import warn
from .calling import deliver, positive_shape
from .creation import finish


def arange(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` (0 if only one bound is given) up to, not including, `end`, `step` apart.

    int64 if all are whole numbers, else the default dtype. RuntimeError for a zero step or one that leads
    away from `end`.

    >>> import flambeau as torch
    >>> torch.arange(3), torch.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    first, last = (0, start) if end is None else (start, end)
    first, last, step = (x.item() if isinstance(x, Tensor) else x for x in (first, last, step))
    if not (math.isfinite(first) and math.isfinite(last)):
        raise RuntimeError(f"arange: unsupported range: {first} -> {last}")
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (last - first) * step < 0:
        raise RuntimeError(
            f"arange: upper bound and lower bound inconsistent with step sign: start {first}, end {last}, "
            f"step {step}"
        )
    whole = all(isinstance(x, int) for x in (first, last, step))
    d = _number_type(
        "arange", dtype or (out.dtype if out is not None else dt.int64 if whole else dt.get_default_dtype())
    )
    if d is dt.int64:
        if abs(step) < 1:
            raise ValueError(
                f"arange: step must be nonzero, {step} is cut off to 0 as an int64; choose a floating dtype"
            )
        first, last, step = int(first), int(last), int(step)
    count = -((first - last) // step) if d is dt.int64 else math.ceil((last - first) / step)
    values: np.ndarray
    if d.category == dt.INTEGER:
        values = np.arange(count, dtype=np.int64) * int(step) + int(first)
    else:
        values = first + np.arange(count, dtype=np.float64) * step
    return finish(deliver("arange", from_array(values.astype(d.np)), out), device, requires_grad)


def range(
    start: float,
    end: float,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` up to and including `end`, `step` apart; deprecated, as Python's range excludes
    its end.

    >>> import warnings, flambeau as torch
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.range(1, 3)
    tensor([1., 2., 3.])
    """
    warn(
        "torch.range is deprecated, because its behavior is inconsistent with Python's range builtin. "
        "Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
    )
    first, last = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    d = _number_type("range", dtype or (out.dtype if out is not None else dt.get_default_dtype()))
    if not (math.isfinite(first) and math.isfinite(last)):
        raise RuntimeError(f"range: unsupported range: {first} -> {last}")
    if step == 0 or (last - first) * step < 0:
        raise RuntimeError(
            f"range: step must be nonzero and lead from start {first} to end {last}, got {step}"
        )
    values = first + np.arange(math.floor((last - first) / step) + 1, dtype=np.float64) * step
    return finish(deliver("range", from_array(values.astype(d.np)), out), device, requires_grad)


def _number_type(what: str, d: DType, complex_too: bool = False) -> DType:
    if d is dt.bool_ or (d.is_complex and not complex_too):
        raise NotImplementedError(
            f'{what}: "{what}_cpu" not implemented for dtype {d}; make it with another and convert'
        )
    return d


def _range_type(what: str, first: Any, last: Any, d: DType | None, out: Tensor | None) -> DType:
    """The dtype of evenly spaced numbers: complex if the ends are. RuntimeError for a real one of complex
    numbers."""
    ends_complex = isinstance(first, complex) or isinstance(last, complex)
    d = d or (
        out.dtype
        if out is not None
        else dt.get_default_dtype().to_complex()
        if ends_complex
        else dt.get_default_dtype()
    )
    if ends_complex and not d.is_complex:
        raise RuntimeError(f"{what}(): inferred dtype complex can't be safely cast to passed dtype {d}")
    return _number_type(what, d, complex_too=True)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included. RuntimeError for negative `steps`.

    >>> import flambeau as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    if not hasattr(steps, "__index__"):
        raise TypeError(f"linspace: steps must be a whole number, got {steps!r}")
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative, got {steps}")
    first, last = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    d = _range_type("linspace", first, last, dtype, out)
    if d.category == dt.INTEGER:
        first, last = int(first), int(last)
    kind: Any = (
        np.float64
        if d is dt.float64 or d.category < dt.FLOAT
        else np.complex128
        if d.is_complex
        else np.float32
    )
    # Counted from both ends, in the computing type, so that both ends are exact and the middle is symmetric.
    step = kind(last - first) / kind(max(steps - 1, 1))
    i = np.arange(steps)
    near = kind(first) + step * i.astype(kind)
    far = kind(last) - step * (steps - 1 - i).astype(kind)
    values = np.where(i < steps // 2, near, far) if steps != 1 else np.array([first], kind)
    return finish(deliver("linspace", from_array(values.astype(d.np)), out), device, requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`base` to the power of `steps` evenly spaced numbers from `start` to `end`.

    >>> import flambeau as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    d = _range_type("logspace", start, end, dtype, out)
    if d.category == dt.INTEGER and steps != 1:  # one number alone is not cut off before the power is taken
        start, end = int(start), int(end)
    exponents = linspace(start, end, steps, dtype=dt.complex128 if d.is_complex else dt.float64).numpy()
    values = np.power(float(base), exponents).astype(d.np)
    return finish(deliver("logspace", from_array(values), out), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an n x m matrix (m = n if not given), zeros elsewhere.

    >>> import flambeau as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = positive_shape("eye", (n, n if m is None else m))
    return finish(
        deliver("eye", from_array(np.eye(*shape, dtype=(dtype or dt.get_default_dtype()).np)), out),
        device,
        requires_grad,
    )


def _triangle(what: str, find: Any, shape: tuple[int, int], offset: int, d: DType, device: Any) -> Tensor:
    """The positions in a triangle of a matrix."""
    for name, extent in zip(("row", "col"), shape, strict=True):
        if extent < 0:
            raise RuntimeError(f"{what}: {name} must be non-negative, got {extent}")
    if d.category != dt.INTEGER:
        raise NotImplementedError(f"{what}: not implemented for dtype {d}; ask for int64")
    positions = find(shape[0], offset, shape[1])
    return finish(from_array(np.stack(positions).astype(d.np)), device, False)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dt.int64, device: Any = None, layout: Any = None
) -> Tensor:
    """Row and column numbers of the lower triangle of a row x col matrix, as a 2 x N tensor.

    >>> import flambeau as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", np.tril_indices, (row, col), offset, dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dt.int64, device: Any = None, layout: Any = None
) -> Tensor:
    """Row and column numbers of the upper triangle of a row x col matrix, as a 2 x N tensor.

    >>> import flambeau as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", np.triu_indices, (row, col), offset, dtype, device)
