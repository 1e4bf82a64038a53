"""Tensor types by name, from before dtypes: `torch.FloatTensor` and its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.dtype import dtype as DType
from ..core.layout import layout, strided
from ..core.size import Size
from ..core.tensor import Tensor, from_array
from .calling import positive_shape
from .creation import to_array

NAMES = {
    "Float": dt.float32,
    "Double": dt.float64,
    "Half": dt.float16,
    "BFloat16": dt.bfloat16,
    "Long": dt.int64,
    "Int": dt.int32,
    "Short": dt.int16,
    "Char": dt.int8,
    "Byte": dt.uint8,
    "Bool": dt.bool_,
}


class tensortype(type):
    """The type of tensor types: calling one makes a tensor of its dtype, and a tensor of that dtype is an
    instance of it."""

    dtype: DType
    layout: layout
    is_cuda: bool

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        if cls.is_cuda:
            raise TypeError(f"type {cls._full_name()} not available: there is no CUDA device")
        return construct(Tensor, cls.dtype, data, device)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype and value.is_cuda == cls.is_cuda

    def _full_name(cls) -> str:
        return f"torch.{'cuda.' if cls.is_cuda else ''}{cls.__name__}"

    def __repr__(cls) -> str:
        return f"<class '{cls._full_name()}'>"


def _types(module: str, is_cuda: bool) -> dict[str, tensortype]:
    doc = "The type of tensors of {d}: `{n}(2, 3)` is unset (here: zeros), `{n}([1, 2])` holds these numbers."
    return {
        f"{name}Tensor": tensortype(
            f"{name}Tensor",
            (),
            {
                "dtype": d,
                "is_cuda": is_cuda,
                "layout": strided,
                "__module__": module,
                "__doc__": doc.format(d=d, n=f"torch.{name}Tensor"),
            },
        )
        for name, d in NAMES.items()
    }


types = _types("flambeau", False)
cuda_types = _types("flambeau.cuda", True)
by_name = {t._full_name(): t for t in (*types.values(), *cuda_types.values())}
globals().update(types)


def construct(cls: type, d: DType, data: tuple[Any, ...], device: Any = None) -> Any:
    """A tensor of class `cls` from sizes (unset values, here: zeros), a sequence, a storage or a tensor, as
    the constructors from before `torch.tensor` take them."""
    if device is not None and Device(device).type != "cpu":
        raise RuntimeError(
            f"legacy constructor expects device type: cpu but device type: {device} was passed"
        )
    first = data[0] if len(data) == 1 else None
    if isinstance(first, Tensor):
        if first.dtype is not d:
            raise TypeError(
                f"expected a tensor of dtype {d} but got {first.dtype}; convert it with .to({d}) instead"
            )
        return Tensor._make_subclass(cls, first)
    of_storage = getattr(first, "_tensor_of", None)
    if of_storage is not None:
        return Tensor._make_subclass(cls, of_storage(d))
    if isinstance(first, Sequence | np.ndarray) and not isinstance(first, str | bytes | Size):
        value = to_array(first, d)
    elif data and not isinstance(first, Size) and not all(_is_extent(x) for x in data):
        raise TypeError(
            f"new(): data must be a sequence (got {type(data[0]).__name__}); use torch.tensor() for a number"
        )
    else:
        value = np.zeros(positive_shape("new", data or (0,)), d.np)
    return Tensor._make_subclass(cls, from_array(value))


def _is_extent(x: Any) -> bool:
    return hasattr(x, "__index__") and not isinstance(x, bool | Tensor)


def new(self: Tensor, *data: Any, device: Any = None) -> Tensor:
    """A tensor of this one's dtype from sizes (unset values, here: zeros) or a sequence."""
    return construct(Tensor, self.dtype, data, device)


def _construct(cls: type, data: tuple[Any, ...], device: Any) -> Any:
    first = data[0] if len(data) == 1 else None
    d = first.dtype if isinstance(first, Tensor) else dt.get_default_dtype()
    return construct(cls, d, data, device)


def set_default_tensor_type(t: Any, /) -> None:
    """Sets the dtype of tensors made from Python floats by the name of a tensor type, or the type itself.

    TypeError unless it is a floating type of the CPU. `torch.set_default_dtype` is the plainer way.

    >>> import flambeau as torch
    >>> torch.set_default_tensor_type(torch.DoubleTensor); torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_tensor_type("torch.FloatTensor")
    """
    found = by_name.get(t) if isinstance(t, str) else t
    if not isinstance(found, tensortype):
        raise TypeError(
            f"set_default_tensor_type: invalid type object: {t!r}; give torch.FloatTensor or its like"
        )
    if found.is_cuda:
        raise TypeError(f"set_default_tensor_type: type {found._full_name()} not available: no CUDA device")
    if not found.dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {found!r}")
    dt.set_default_dtype(found.dtype)
