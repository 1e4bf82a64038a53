"""Sharing memory with NumPy and DLPack, both ways."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import dlpack
from . import dtype as dt
from .device import resolve
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
    if self.is_meta:
        raise TypeError(
            "numpy: can't convert meta device type tensor to numpy: it has no data. Use Tensor.cpu() to "
            "copy a "
            "tensor to host memory first."
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
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule on this tensor's memory, or with `copy` on a copy.

    BufferError if it requires grad, or for another device than the CPU.
    """
    if self.requires_grad:
        raise BufferError("__dlpack__: Can't export tensors that require gradient, use tensor.detach()")
    if stream is not None and stream != -1:
        raise BufferError(f"__dlpack__: the CPU has no streams, got stream={stream}")
    if dl_device not in (None, _CPU):
        raise BufferError(f"__dlpack__: the data is on the CPU {_CPU}, not on dl_device={dl_device}")
    array = self._memory().copy() if copy else self._memory()
    code = dlpack.CODES.get(self.dtype)
    if code is None:
        return array.__dlpack__(max_version=max_version)
    bits: Any = array.view(np.int16 if array.itemsize == 2 else np.int8)
    capsule = bits.__dlpack__(max_version=max_version)
    dlpack.set_code(capsule, code)
    return capsule


_CPU = (1, 0)  # kDLCPU


def _dlpack_device(self: Any) -> tuple[int, int]:
    return _CPU


class _Capsule:
    """What a DLPack capsule came from, for NumPy to ask."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    __dlpack_device__ = _dlpack_device


class _Writable:
    """An array's memory, with leave to write there."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {
            **array.__array_interface__,
            "data": (array.__array_interface__["data"][0], False),
        }


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of any object that speaks DLPack (`__dlpack__`), or of a DLPack capsule; with
    `copy`, on a copy.

    BufferError for memory of another device than the CPU, or a dtype that there is none like here.

    >>> import flambeau as torch
    >>> import numpy as np
    >>> a = np.zeros(2); t = torch.from_dlpack(a); a[1] = 3; t
    tensor([0., 3.], dtype=torch.float64)
    """
    if device is not None and resolve(device).type == "meta":
        raise BufferError("from_dlpack: device 'meta' holds no data; leave it out")
    if isinstance(ext_tensor, Tensor):
        t = ext_tensor.detach()
    else:
        capsule = ext_tensor
        if type(ext_tensor).__name__ != "PyCapsule":
            if ext_tensor.__dlpack_device__()[0] != _CPU[0]:
                raise BufferError(
                    f"from_dlpack: the data is on device {ext_tensor.__dlpack_device__()}; copy it to the "
                    "CPU first"
                )
            capsule = _capsule_of(ext_tensor)
        t = _of_capsule(capsule)
    return as_tensor_of_array(t._memory().copy()) if copy else t


def _capsule_of(ext_tensor: Any) -> Any:
    try:
        return ext_tensor.__dlpack__(max_version=(1, 0))
    except TypeError:  # from before there were versions
        return ext_tensor.__dlpack__()


def _of_capsule(capsule: Any) -> Tensor:
    versioned, d = dlpack.is_versioned(capsule), dlpack.dtype_of(capsule)
    if d is not None:
        dlpack.set_code(capsule, dlpack.SIGNED)
    array = np.from_dlpack(_Capsule(capsule))
    if not versioned and not array.flags.writeable:  # nobody said that it is not to be written to
        array = np.asarray(_Writable(array))
    if d is not None:
        array = array.view(d.np)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the owner doesn't let others write
        return as_tensor_of_array(array)


Tensor.numpy = _to_numpy  # type: ignore[assignment, method-assign]
Tensor.__array__ = _array  # type: ignore[attr-defined]
Tensor.__array_wrap__ = _array_wrap  # type: ignore[attr-defined]
Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = _dlpack_device  # type: ignore[attr-defined]
