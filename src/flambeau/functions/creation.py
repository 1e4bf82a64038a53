"""Making tensors: from data, of one value, of ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.device import resolve
from ..core.dtype import dtype as DType
from ..core.exchange import as_tensor_of_array
from ..core.tensor import Tensor, from_array
from ..ops import creation as ops
from ..ops.view import clone
from .calling import deliver, positive_shape

Size = Any


def finish(t: Tensor, device: Device | str | None, requires_grad: bool) -> Tensor:
    """Checks the device and sets `requires_grad`."""
    resolve(device)
    if requires_grad:
        t.requires_grad = True
    return t


# ----- from data -----


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of `data`: a number, nested sequences, a NumPy array or a tensor.

    Without `dtype`, Python floats give the default dtype, ints int64, bools bool; arrays keep theirs.
    ValueError for ragged sequences, TypeError for data that isn't numbers.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 2], [3, 4]]), torch.tensor(0.5)
    (tensor([[1, 2],
            [3, 4]]), tensor(0.5000))
    """
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        copy = clone(data.detach())
        return finish(copy if dtype is None else copy.to(dtype), device, requires_grad)
    return finish(from_array(to_array(data, dtype)), device, requires_grad)


def to_array(data: Any, d: DType | None) -> np.ndarray:
    """A new array of `data` in the dtype that a tensor of it has."""
    if isinstance(data, (np.ndarray, np.generic)):
        target = d or dt.from_numpy(data.dtype)
        return np.array(data, dtype=target.np, order="C", copy=True)
    if isinstance(data, (bool, int, float, complex)):
        d = d or dt.of_scalar(data)
        return _checked(data, d)
    shape = _nested_shape(data)
    flat = _flatten(data)
    if d is None:
        d = _common_type(flat)
    return _checked(flat, d).reshape(shape)


def _checked(values: Any, d: DType) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=d.np)
    except OverflowError:
        return _wrapped(values, d)
    except (TypeError, ValueError):
        if d.category <= dt.INTEGER:  # floats are cut off, as in C
            return np.asarray(values, np.float64).astype(d.np)
        raise TypeError(f"tensor: can't convert {values!r} to numbers of dtype {d}") from None


def _wrapped(values: Any, d: DType) -> np.ndarray:
    """Whole numbers beyond the dtype's range: negative ones wrap around in an unsigned type, others are an
    error."""
    try:
        wide = np.array(values, np.int64)
    except OverflowError:
        raise ValueError(
            f"tensor: Overflow when unpacking long long: a number in {values} has more than 64 bits"
        ) from None
    high = np.iinfo(d.np).max
    if d.is_signed or (np.abs(wide) > high).any():
        raise RuntimeError(f"tensor: value cannot be converted to type {d.name} without overflow: {values}")
    return wide.astype(d.np)


def _nested_shape(data: Any, depth: int = 0, leading: bool = True) -> tuple[int, ...]:
    """The shape that a nested sequence has; `leading`: this is the first element of the first element…"""
    if isinstance(data, (Tensor, np.ndarray)):
        return tuple(data.shape)
    if isinstance(data, (str, bytes, dict)) or not (
        hasattr(data, "__len__") and hasattr(data, "__getitem__")
    ):
        if isinstance(data, (str, bytes)):
            raise (ValueError if depth and leading else TypeError)(
                f"tensor: too many dimensions or invalid data type '{type(data).__name__}': {data!r}"
            )
        if not _is_number(data):
            raise RuntimeError(
                f"tensor: Could not infer dtype of {type(data).__name__} {data!r}; give numbers, sequences "
                f"or arrays"
            )
        return ()
    if len(data) == 0:
        return (0,)
    inner = _nested_shape(data[0], depth + 1, leading)
    for i in range(1, len(data)):
        other = _nested_shape(data[i], depth + 1, False)
        if other != inner:
            raise ValueError(
                f"expected sequence of length {inner[0] if inner else 1} at dim {depth + 1} (got "
                f"{other[0] if other else 'a number'}): item {i} has shape {other}, item 0 {inner}"
            )
    return (len(data), *inner)


def _is_number(x: Any) -> bool:
    return (
        isinstance(x, (bool, int, float, complex, np.generic))
        or hasattr(x, "__index__")
        or hasattr(x, "__float__")
    )


def _flatten(data: Any) -> list[Any]:
    if isinstance(data, Tensor):
        return (
            np.asarray(data._value("tensor")).reshape(-1).tolist()
            if data.dtype is not dt.bfloat16
            else data.reshape(-1).tolist()
        )
    if isinstance(data, np.ndarray):
        return list(data.reshape(-1))
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return (
            [x for item in data for x in _flatten(item)] if len(data) and not _plain(data[0]) else list(data)
        )
    return [data]


def _plain(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex, np.generic))


def _common_type(flat: list[Any]) -> DType:
    if not flat:
        return dt.get_default_dtype()
    kinds = {type(x) for x in flat}
    result: DType | None = None
    for kind in kinds:
        d = dt.from_numpy(np.dtype(kind)) if issubclass(kind, np.generic) else dt.of_scalar(kind())
        result = d if result is None else dt.promote_types(result, d)
    assert result is not None
    return result


def as_tensor(data: Any, dtype: DType | None = None, device: Device | str | None = None) -> Tensor:
    """A tensor of `data`, sharing its memory (and, for a tensor, its history) where dtype and device allow.

    >>> import flambeau as torch
    >>> import numpy as np
    >>> a = np.zeros(2); t = torch.as_tensor(a); a[0] = 5; t
    tensor([5., 0.], dtype=torch.float64)
    """
    resolve(device)
    if isinstance(data, Tensor):
        return data if dtype is None or dtype is data.dtype else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or dtype.np == data.dtype):
        return from_numpy(data)
    return from_array(to_array(data, dtype))


def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `obj`: on its memory where it has some and dtype and device allow, unless `copy`; outside
    of history.

    ValueError if `copy` is False and there is no way without one.

    >>> import flambeau as torch
    >>> torch.asarray([1, 2])
    tensor([1, 2])
    """
    shared = isinstance(obj, (Tensor, np.ndarray)) and (
        dtype is None or dtype is dt.from_numpy(np.dtype(_np_dtype(obj)))
    )
    if copy is False and not shared:
        raise ValueError(
            f"asarray: can't alias {type(obj).__name__} into a tensor of dtype {dtype}; leave out copy=False"
        )
    t = as_tensor(obj, dtype, device)
    t = clone(t.detach()) if copy and shared else t.detach() if t.requires_grad and not requires_grad else t
    return finish(t, device, requires_grad)


def _np_dtype(x: Any) -> Any:
    return x.dtype.np if isinstance(x, Tensor) else x.dtype


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the array's own memory: each sees what the other writes.

    TypeError for what is no array or has a dtype without counterpart, ValueError for negative strides.

    >>> import flambeau as torch
    >>> import numpy as np
    >>> a = np.arange(3); t = torch.from_numpy(a); t[0] = 7; a
    array([7, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__})")
    return as_tensor_of_array(ndarray)


# ----- of one value -----


def full(
    size: Size,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of shape `size` filled with a number (its dtype follows the number unless given).

    >>> import flambeau as torch
    >>> torch.full((2, 2), 3)
    tensor([[3, 3],
            [3, 3]])
    """
    if not isinstance(size, Sequence):
        raise TypeError(
            f"full(): argument 'size' must be a tuple of ints, not {type(size).__name__} {size!r}; write "
            f"({size},)"
        )
    shape = positive_shape("full", tuple(size))
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return finish(
        deliver("full", ops.full(value, shape, dtype or dt.of_scalar(value)), out), device, requires_grad
    )


def _filled(
    what: str,
    value: int,
    size: tuple[tuple[Any, ...], Size],
    out: Tensor | None,
    dtype: DType | None,
    device: Device | str | None,
    requires_grad: bool,
) -> Tensor:
    d = dtype or (out.dtype if out is not None else dt.get_default_dtype())
    return finish(deliver(what, ops.full(value, positive_shape(what, *size), d), out), device, requires_grad)


def zeros(
    *shape: Any,
    size: Size = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of the given shape.

    >>> import flambeau as torch
    >>> torch.zeros(2, 3).shape
    torch.Size([2, 3])
    """
    return _filled("zeros", 0, (shape, size), out, dtype, device, requires_grad)


def ones(
    *shape: Any,
    size: Size = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of the given shape.

    >>> import flambeau as torch
    >>> torch.ones(3)
    tensor([1., 1., 1.])
    """
    return _filled("ones", 1, (shape, size), out, dtype, device, requires_grad)


def empty(
    *shape: Any,
    size: Size = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose values are not set (here: zeros, so that nothing depends on chance).

    >>> import flambeau as torch
    >>> torch.empty(2, 0).numel()
    0
    """
    return _filled("empty", 0, (shape, size), out, dtype, device, requires_grad)


def _like(what: str, value: Any, x: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{what}(): argument 'input' must be Tensor, not {type(x).__name__}")
    return finish(ops.full(value, x._node.shape, dtype or x._node.dtype), device, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros of `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.zeros_like(torch.ones(2))
    tensor([0., 0.])
    """
    return _like("zeros_like", 0, input, dtype, device, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones of `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.ones_like(torch.zeros(2))
    tensor([1., 1.])
    """
    return _like("ones_like", 1, input, dtype, device, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """An unset tensor of `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.empty_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return _like("empty_like", 0, input, dtype, device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`fill_value` everywhere, in `input`'s shape and dtype.

    >>> import flambeau as torch
    >>> torch.full_like(torch.zeros(2), 7)
    tensor([7., 7.])
    """
    return _like("full_like", fill_value, input, dtype, device, requires_grad)


def new_zeros(
    self: Tensor,
    *shape: Any,
    size: Size = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of the given shape, of this tensor's dtype unless given."""
    return _filled("new_zeros", 0, (shape, size), None, dtype or self._node.dtype, device, requires_grad)


def new_ones(
    self: Tensor,
    *shape: Any,
    size: Size = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of the given shape, of this tensor's dtype unless given."""
    return _filled("new_ones", 1, (shape, size), None, dtype or self._node.dtype, device, requires_grad)


def new_empty(
    self: Tensor,
    *shape: Any,
    size: Size = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """An unset tensor of the given shape, of this tensor's dtype unless given."""
    return _filled("new_empty", 0, (shape, size), None, dtype or self._node.dtype, device, requires_grad)


def new_full(
    self: Tensor,
    size: Size,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` everywhere, of this tensor's dtype unless given."""
    return full(size, fill_value, dtype=dtype or self._node.dtype, device=device, requires_grad=requires_grad)


def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A copy of `data`, of this tensor's dtype unless given."""
    return tensor(data, dtype=dtype or self._node.dtype, device=device, requires_grad=requires_grad)


# ----- ranges -----


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
    if d.category == dt.INTEGER:
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


def _triangle(indices: Any, d: DType, device: Any) -> Tensor:
    if d.category != dt.INTEGER:
        raise NotImplementedError(f"tril_indices, triu_indices: not implemented for dtype {d}; ask for int64")
    return finish(from_array(np.stack(indices).astype(d.np)), device, False)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dt.int64, device: Any = None, layout: Any = None
) -> Tensor:
    """Row and column numbers of the lower triangle of a row x col matrix, as a 2 x N tensor.

    >>> import flambeau as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle(np.tril_indices(row, offset, col), dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = dt.int64, device: Any = None, layout: Any = None
) -> Tensor:
    """Row and column numbers of the upper triangle of a row x col matrix, as a 2 x N tensor.

    >>> import flambeau as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle(np.triu_indices(row, offset, col), dtype, device)
