"""Making tensors: from data, of one value, of ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.device import resolve
from ..core.dtype import dtype as DType
from ..core.exchange import as_tensor_of_array
from ..core.ghost import beside, on_meta, place
from ..core.layout import sparse_coo
from ..core.realize import recorder
from ..core.tensor import Tensor, from_array
from ..core.warning import warn
from ..ops import creation as ops
from ..ops.kinds import cast
from ..ops.view import clone
from .calling import deliver, positive_shape
from .memory import check_layout, copy_in, filled_like

Size = Any


def finish(t: Tensor, device: Device | str | None, requires_grad: bool) -> Tensor:
    """A new tensor, on the device and with `requires_grad` as asked for."""
    where = resolve(device)
    if where is not t._node.device:
        t = place(t, where)
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
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
        )
        copy = clone(data.detach())
        return finish(copy if dtype is None else copy.to(dtype), device, requires_grad)
    return finish(from_array(to_array(data, dtype)), device, requires_grad)


def to_array(data: Any, d: DType | None) -> np.ndarray:
    """A new array of `data` in the dtype that a tensor of it has."""
    if d is dt.float8_e4m3fn:  # by way of float32, so that what is too large is converted as always
        return cast.numpy(to_array(data, dt.float32), d)
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
    if isinstance(data, Tensor):
        return data.to(device, dtype)
    if resolve(device).type == "meta":
        return finish(from_array(to_array(data, dtype)), device, False)
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
    check_layout("full", layout)
    shape = positive_shape("full", tuple(size))
    d = dtype or (fill_value.dtype if isinstance(fill_value, Tensor) else dt.of_scalar(fill_value))
    if out is None and resolve(device).type == "meta":
        return finish(on_meta(shape, d), device, requires_grad)
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return finish(deliver("full", ops.full(value, shape, d), out), device, requires_grad)


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
    shape = positive_shape(what, *size)
    if out is None and resolve(device).type == "meta":
        return finish(on_meta(shape, d), device, requires_grad)
    return finish(deliver(what, ops.full(value, shape, d), out), device, requires_grad)


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
    if layout is sparse_coo and out is None:
        from .sparse.construct import sparse_coo_tensor

        places = positive_shape("zeros", shape, size)
        return sparse_coo_tensor(size=places, dtype=dtype, device=device, requires_grad=requires_grad)
    check_layout("zeros", layout)
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
    check_layout("ones", layout)
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
    check_layout("empty", layout)
    t = _filled("empty", 0, (shape, size), out, dtype, device, False)
    if memory_format is not None:
        t = copy_in("empty", t, memory_format)
    return finish(t, device, requires_grad)


def _like(
    what: str,
    value: Any,
    x: Tensor,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    layout: Any,
    memory_format: Any,
) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{what}(): argument 'input' must be Tensor, not {type(x).__name__}")
    check_layout(what, layout)
    d, where = dtype or x._node.dtype, x._node.device if device is None else resolve(device)
    if where.type == "meta":
        return finish(on_meta(x._node.shape, d), where, requires_grad)
    return finish(_beside(filled_like(what, value, x, d, memory_format), x), where, requires_grad)


def _beside(t: Tensor, x: Tensor) -> Tensor:
    """A fresh tensor as one of the batch that `x` belongs to, if there is one."""
    return beside(t, x) if recorder.ghosts and not x.is_meta and not t.is_meta else t


def _new_filled(
    what: str, value: int, size: Any, x: Tensor, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    where = x._node.device if device is None else device
    t = _beside(_filled(what, value, size, None, dtype or x._node.dtype, where, False), x)
    return t.requires_grad_() if requires_grad else t


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
    if layout is sparse_coo:
        return zeros(input.shape, dtype=dtype or input.dtype, layout=layout, requires_grad=requires_grad)
    return _like("zeros_like", 0, input, dtype, device, requires_grad, layout, memory_format)


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
    return _like("ones_like", 1, input, dtype, device, requires_grad, layout, memory_format)


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
    return _like("empty_like", 0, input, dtype, device, requires_grad, layout, memory_format)


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
    return _like("full_like", fill_value, input, dtype, device, requires_grad, layout, memory_format)


def new_zeros(
    self: Tensor,
    *shape: Any,
    size: Size = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of the given shape, of this tensor's dtype unless given."""
    return _new_filled("new_zeros", 0, (shape, size), self, dtype, device, requires_grad)


def new_ones(
    self: Tensor,
    *shape: Any,
    size: Size = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of the given shape, of this tensor's dtype unless given."""
    return _new_filled("new_ones", 1, (shape, size), self, dtype, device, requires_grad)


def new_empty(
    self: Tensor,
    *shape: Any,
    size: Size = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """An unset tensor of the given shape, of this tensor's dtype unless given."""
    return _new_filled("new_empty", 0, (shape, size), self, dtype, device, requires_grad)


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
    d, where = dtype or self._node.dtype, self._node.device if device is None else device
    return _beside(full(size, fill_value, dtype=d, device=where, requires_grad=requires_grad), self)


def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A copy of `data`, of this tensor's dtype unless given."""
    return tensor(data, dtype=dtype or self._node.dtype, device=device, requires_grad=requires_grad)


# ----- ranges -----
