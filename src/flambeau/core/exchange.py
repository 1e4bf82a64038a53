"""Sharing memory with NumPy and DLPack, both ways."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import dtype as dt
from .modes import modes
from .node import Version
from .storage import View, from_outside
from .tensor import Tensor, window

foreign_strides: Any = None  # the as_strided operation; set by the room that has it


def as_tensor_of_array(array: np.ndarray) -> Tensor:
    """A tensor on an array's memory. What it is an operand of is computed at once, as others may write there
    at any time."""
    d = dt.from_numpy(array.dtype)
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "from_numpy: At least one stride in the given numpy array is negative, and tensors with "
            "negative strides are not currently "
            "supported. Make a copy with array.copy() first."
        )
    if any(s % array.itemsize for s in array.strides):
        raise ValueError(
            "from_numpy: given numpy array strides not a multiple of the element byte size. Copy the array "
            "first."
        )
    if not array.flags.writeable:
        warnings.warn(
            "from_numpy: the NumPy array is not writable, and so won't be the tensor. Copy it first if you "
            "want to write to it.",
            stacklevel=3,
        )
    strides = tuple(s // array.itemsize for s in array.strides)
    t = object.__new__(Tensor)
    if array.flags.c_contiguous:
        storage = from_outside(array, d)
        t._node = storage.spec
    else:
        extent = 1 + sum((e - 1) * s for e, s in zip(array.shape, strides, strict=True)) if array.size else 0
        storage = from_outside(np.lib.stride_tricks.as_strided(array, (extent,), (array.itemsize,)), d)
        t._view = View(None, foreign_strides, (array.shape, strides, 0), array.shape, strides, 0)
        t._node = window(storage, t._view, d)
    t._storage, t._counter = storage, Version()
    storage.node.version = t._node.version = t._counter
    return t


def _to_numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """This tensor's memory as a NumPy array: each sees what the other writes.

    RuntimeError for a tensor that requires grad (unless `force`, which detaches first).

    >>> import flambeau as torch
    >>> t = torch.zeros(2); a = t.numpy(); a[0] = 1; t
    tensor([1., 0.])
    """
    if modes.grad and self.requires_grad and not force:
        raise RuntimeError(
            "numpy: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    return self._memory()


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    array = _to_numpy(self)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(f"__array__: can't convert {array.dtype} to {dtype} without a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


def _array_wrap(self: Tensor, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
    return as_tensor_of_array(np.asarray(array))


def _dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: Any = None,
    dl_device: Any = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule on this tensor's memory. BufferError if it requires grad or its dtype can't be
    exchanged."""
    if self.requires_grad:
        raise BufferError("__dlpack__: Can't export tensors that require gradient, use tensor.detach()")
    array = self._memory()
    if self.dtype is dt.bfloat16:
        raise BufferError(
            "__dlpack__: bfloat16 can't be exchanged through NumPy; convert with .float() or view it as "
            "int16 first"
        )
    return array.__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)


def _dlpack_device(self: Any) -> tuple[int, int]:
    return 1, 0  # kDLCPU


class _Capsule:
    """What a DLPack capsule came from, for NumPy to ask."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    __dlpack_device__ = _dlpack_device


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor on the memory of any object that speaks DLPack (`__dlpack__`), or of a DLPack capsule.

    >>> import flambeau as torch
    >>> import numpy as np
    >>> a = np.zeros(2); t = torch.from_dlpack(a); a[1] = 3; t
    tensor([0., 3.], dtype=torch.float64)
    """
    if isinstance(ext_tensor, Tensor):
        return ext_tensor.detach()
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    array = np.from_dlpack(ext_tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the owner doesn't let others write
        return as_tensor_of_array(array)


Tensor.numpy = _to_numpy  # type: ignore[assignment, method-assign]
Tensor.__array__ = _array  # type: ignore[attr-defined]
Tensor.__array_wrap__ = _array_wrap  # type: ignore[attr-defined]
Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = _dlpack_device  # type: ignore[attr-defined]
