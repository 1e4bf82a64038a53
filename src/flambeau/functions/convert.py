"""Conversion of dtype and device."""

from __future__ import annotations

from typing import Any

from ..core import dtype as dt
from ..core.device import device as Device
from ..core.device import no_device, resolve
from ..core.ghost import place
from ..core.gradient import attach
from ..core.layout import order_of
from ..core.tensor import Tensor, make
from ..ops.kinds import cast
from .memory import copy_in


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This tensor in another dtype or on another device: `to(dtype)`, `to(device, dtype)`, `to(other)`.

    The tensor itself if nothing changes (a copy with `copy=True`). `non_blocking` doesn't matter on the CPU.
    With a `memory_format` other than `torch.preserve_format`, a copy in that format unless it has it already.
    """
    d: dt.dtype | None = None
    where: Device | str | None = None
    copy, form = kwargs.pop("copy", False), kwargs.pop("memory_format", None)
    for name, value in (*((None, a) for a in args), *kwargs.items()):
        if name == "non_blocking" or value is None or (name is None and isinstance(value, bool)):
            continue
        if isinstance(value, dt.dtype):
            d = value
        elif isinstance(value, Tensor):
            d, where = value.dtype, value.device
        elif isinstance(value, (Device, str)):
            where = value
        else:
            raise TypeError(
                f"to() received an invalid argument {name or ''}: {value!r} of type {type(value).__name__}"
            )
    if where is not None and resolve(where) is not self._node.device:
        self = _moved(self, resolve(where))
    if d is not None and d is not self._node.dtype:
        self, copy = cast(self, d), False
    if copy or (form is not None and order_of("to", form, self) and not self.is_contiguous(form)):
        return copy_in("to", self, form)
    return self


def _moved(self: Tensor, where: Device) -> Tensor:
    """On another device: the meta device takes the shape and the dtype, and gives nothing back."""
    moved = place(make(self._current()), where)
    if self._edge is not None:
        d = self._node.dtype
        attach(moved, cast, (d,), (self._current(),), (self._edge,), moved._node)
    return moved


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, or the tensor converted to a dtype: `torch.float64`,
    `torch.DoubleTensor` or "torch.DoubleTensor"."""
    if dtype is None:
        own = _TYPE_NAMES.get(self.dtype) or self.dtype.name.capitalize().replace("Uint", "UInt")
        return f"torch.{own}Tensor"
    if isinstance(dtype, dt.dtype):
        return to(self, dtype)
    if dtype is Tensor:
        return to(self, dt.get_default_dtype())
    from .legacy import by_name

    name = dtype if isinstance(dtype, str) else getattr(dtype, "_full_name", lambda: None)()
    if name not in by_name:
        raise ValueError(f"type: invalid type: {dtype!r}; give a dtype such as torch.float64")
    if by_name[name].is_cuda:
        raise no_device(f"type({name})", "cuda")
    return to(self, by_name[name].dtype)


_TYPE_NAMES = {
    dt.float32: "Float",
    dt.float64: "Double",
    dt.float16: "Half",
    dt.bfloat16: "BFloat16",
    dt.int64: "Long",
    dt.int32: "Int",
    dt.int16: "Short",
    dt.int8: "Char",
    dt.uint8: "Byte",
    dt.bool_: "Bool",
    dt.complex64: "ComplexFloat",
    dt.complex128: "ComplexDouble",
}


def _converter(name: str, d: dt.dtype) -> Any:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return to(self, d, memory_format=memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"This tensor as {d.name}."
    return method


CONVERTERS = {
    name: _converter(name, d)
    for name, d in {
        "float": dt.float32,
        "double": dt.float64,
        "half": dt.float16,
        "bfloat16": dt.bfloat16,
        "long": dt.int64,
        "int": dt.int32,
        "short": dt.int16,
        "char": dt.int8,
        "byte": dt.uint8,
        "bool": dt.bool_,
        "cfloat": dt.complex64,
        "cdouble": dt.complex128,
    }.items()
}


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in `other`'s dtype."""
    return to(self, other.dtype)


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor on the CPU."""
    return to(self, "cpu", memory_format=memory_format)


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """This tensor on a CUDA device. RuntimeError where there is none."""
    return to(self, Device("cuda", device if isinstance(device, int) else None))


def is_tensor(obj: Any) -> bool:
    """Whether the object is a tensor.

    >>> import flambeau as torch
    >>> torch.is_tensor(torch.zeros(1)), torch.is_tensor(1)
    (True, False)
    """
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the tensor's dtype is a floating one.

    >>> import flambeau as torch
    >>> torch.is_floating_point(torch.zeros(1))
    True
    """
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the tensor's dtype is a complex one.

    >>> import flambeau as torch
    >>> torch.is_complex(torch.zeros(1))
    False
    """
    return input.is_complex()


def numel(input: Tensor) -> int:
    """The number of elements.

    >>> import flambeau as torch
    >>> torch.numel(torch.zeros(2, 3))
    6
    """
    return input.numel()


def result_type(tensor1: Any, tensor2: Any) -> dt.dtype:
    """The dtype of an operation on the two.

    >>> import flambeau as torch
    >>> torch.result_type(torch.tensor([1, 2]), 1.0)
    torch.float32
    """
    from ..ops.kinds import result_type as promoted

    return promoted("result_type", (tensor1, tensor2))
