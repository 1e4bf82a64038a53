"""A small model of tensors on NumPy's own views, without gradients: one of the worlds in which random
programs run."""

from collections.abc import Callable
from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np

as_strided = np.lib.stride_tricks.as_strided


class Memory:
    """What views of one memory share: its first element on, and how often it was written to."""

    def __init__(self, flat: np.ndarray) -> None:
        self.flat, self.version = flat, [0]


class Array:
    """A tensor without history: an array, the memory that it looks at, and a counter of writes."""

    def __init__(self, value: Any, memory: Memory | None = None, version: list | None = None) -> None:
        self.value = value if memory else np.array(value, order="C", copy=True)
        self.memory = memory or Memory(self.value.reshape(-1))
        self.version = version or self.memory.version

    # Views

    def _see(self, value: np.ndarray) -> "Array":
        return Array(value, self.memory, self.version)

    def __getitem__(self, index: Any) -> "Array":
        if isinstance(index, Array):
            return Array(self.value[index.value])
        index = index if isinstance(index, tuple) else (index,)
        return self._see(self.value[index if ... in index else (*index, ...)])

    def view(self, *shape: int) -> "Array":
        try:
            return self._see(np.reshape(self.value, shape, copy=False))
        except ValueError as e:
            raise RuntimeError(*e.args) from e

    def reshape(self, *shape: int) -> "Array":
        try:
            return self._see(np.reshape(self.value, shape, copy=False))
        except ValueError:
            return Array(self.value.reshape(shape))

    def permute(self, *order: int) -> "Array":
        return self._see(self.value.transpose(order))

    def transpose(self, a: int, b: int) -> "Array":
        return self._see(self.value.swapaxes(a, b))

    def expand(self, *shape: int) -> "Array":
        flat = np.broadcast_to(self.value, shape)
        return self._see(as_strided(self.value, flat.shape, flat.strides))

    def select(self, dim: int, i: int) -> "Array":
        return self._see(self.value[(slice(None),) * dim + (i, ...)])

    def narrow(self, dim: int, first: int, count: int) -> "Array":
        return self._see(self.value[(slice(None),) * dim + (slice(first, first + count),)])

    def split(self, size: int, dim: int) -> list["Array"]:
        extent = self.value.shape[dim]
        return [self.narrow(dim, i, min(size, extent - i)) for i in range(0, extent, size)]

    def unbind(self, dim: int) -> list["Array"]:
        return [self.select(dim, i) for i in range(self.value.shape[dim])]

    def diagonal(self, offset: int) -> "Array":
        x = self.value[max(-offset, 0) :, max(offset, 0) :]
        rows, columns, *rest = x.strides
        return self._see(as_strided(x, (*x.shape[2:], min(x.shape[:2])), (*rest, rows + columns)))

    def unfold(self, dim: int, size: int, step: int) -> "Array":
        shape, strides = list(self.value.shape), list(self.value.strides)
        shape[dim], strides[dim] = (shape[dim] - size) // step + 1, strides[dim] * step
        return self._see(as_strided(self.value, (*shape, size), (*strides, self.value.strides[dim])))

    def as_strided(self, shape: tuple, strides: tuple, offset: int) -> "Array":
        size = self.value.itemsize
        flat = self.memory.flat.view(self.value.dtype)
        if offset + sum((e - 1) * s for e, s in zip(shape, strides, strict=True)) >= flat.size:
            raise RuntimeError("beyond the storage")
        return self._see(as_strided(flat[offset:], shape, [s * size for s in strides]))

    def squeeze(self, *dim: int) -> "Array":
        return (
            self._see(self.value.squeeze(dim or None))
            if not dim or self.value.shape[dim[0]] == 1
            else self._see(self.value)
        )

    def unsqueeze(self, dim: int) -> "Array":
        return self._see(np.expand_dims(self.value, dim))

    real = property(lambda self: self._see(self.value.real))
    imag = property(lambda self: self._see(self.value.imag))
    T = property(lambda self: self._see(self.value.T))
    data = property(lambda self: Array(self.value, self.memory, [0]))

    def detach(self) -> "Array":
        return self._see(self.value)

    def numpy(self) -> np.ndarray:
        return self.value

    def contiguous(self) -> "Array":
        return self if self.value.flags.c_contiguous else Array(self.value)

    # Writing

    def _write(self, value: Any, *operands: Any) -> "Array":
        strides = zip(self.value.strides, self.value.shape, strict=True)
        if any(s == 0 and e > 1 for s, e in strides) or any(self._overlaps(x) for x in operands):
            raise RuntimeError("overlapping memory")
        value = np.asarray(value)
        if "bifc".index(value.dtype.kind) > "bifc".index(self.value.dtype.kind):
            raise RuntimeError(f"result type {value.dtype} can't be cast to {self.value.dtype}")
        if value.shape != self.value.shape:
            raise RuntimeError("shape")
        self.value[...] = value
        self.version[0] += 1
        return self

    def _overlaps(self, other: Any) -> bool:
        if not isinstance(other, Array) or other.memory is not self.memory or other is self:
            return False
        (a0, a1), (b0, b1) = (
            np.lib.array_utils.byte_bounds(self.value),
            np.lib.array_utils.byte_bounds(other.value),
        )
        if not (is_dense(self.value) and is_dense(other.value)) or a1 <= b0 or b1 <= a0:
            return False
        return (a0, a1, self.value.strides) != (b0, b1, other.value.strides)

    def copy_(self, x: Any) -> "Array":
        if _place(self.value) == _place(x.value):
            self.version[0] += 1
            return self
        return self._write(np.broadcast_to(x.value, self.value.shape).astype(self.value.dtype), x)

    def __setitem__(self, index: Any, x: Any) -> None:
        if isinstance(index, Array):
            self.value[index.value] = x
            self.version[0] += 1
        else:
            part = self[index]
            if _shares(part, x) and _place(part.value) == _place(x.value):
                self.version[0] += 1
                return
            value = np.asarray(_raw(x))
            if np.shape(value) != part.value.shape:
                value = np.broadcast_to(value, part.value.shape)
            part._write(value.astype(self.value.dtype), self._see(value) if _shares(self, x) else None)

    def fill_(self, x: Any) -> "Array":
        self.value[...] = x
        self.version[0] += 1
        return self

    def zero_(self) -> "Array":
        return self.fill_(0)

    def index_fill_(self, dim: int, index: "Array", x: Any) -> "Array":
        self.value[(slice(None),) * dim + (index.value,)] = x
        self.version[0] += 1
        return self

    def masked_fill_(self, mask: "Array", x: Any) -> "Array":
        return self._write(np.where(mask.value, np.asarray(x).astype(self.value.dtype), self.value))

    # Copies

    def clone(self) -> "Array":
        return Array(self.value)

    def to(self, d: np.dtype) -> "Array":
        return self if d == self.value.dtype else Array(self.value.astype(d))

    def sum(self, *dim: int) -> "Array":
        return Array(self.value.sum(dim or None, dtype=np.int64 if self.value.dtype.kind in "bi" else None))

    def amax(self, dim: int) -> "Array":
        if not self.value.shape[dim]:
            raise IndexError("nothing to reduce")
        return Array(self.value.max(dim))

    def item(self) -> Any:
        if self.value.size != 1:
            raise RuntimeError("not one number")
        return self.value.item()

    def requires_grad_(self, flag: bool = True) -> "Array":
        return self

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    _version = property(lambda self: self.version[0])


def is_injective(value: np.ndarray) -> bool:
    """Whether no two elements share memory."""
    strides = [s // value.itemsize * 8 for s in value.strides]
    return 0 < value.size == len(np.unique(as_strided(np.arange(10_000), value.shape, strides)))


def is_dense(value: np.ndarray) -> bool:
    """Whether the elements fill their stretch of memory, each place once."""
    low, high = np.lib.array_utils.byte_bounds(value)
    return value.nbytes == high - low and is_injective(value)


def _place(value: np.ndarray) -> tuple:
    return value.__array_interface__["data"][0], value.shape, value.strides, value.dtype


def _raw(x: Any) -> Any:
    return x.value if isinstance(x, Array) else x


def _shares(target: Array, x: Any) -> bool:
    return isinstance(x, Array) and x.memory is target.memory


def _kind(d: np.dtype) -> int:
    return "bifc".index(d.kind)


def _promote(a: np.dtype | None, b: np.dtype) -> np.dtype:
    """The dtype of two equal partners (None: there is only one)."""
    if a is None:
        return b
    a, b = sorted((a, b), key=_kind)
    if _kind(a) == _kind(b):
        return np.result_type(a, b)
    return np.dtype(np.complex128) if b == np.complex64 and a == np.float64 else b


def _result_type(arrays: list[np.ndarray]) -> np.dtype:
    """PyTorch's promotion, where 0-d tensors matter only if they are of a higher category."""
    large = reduce(_promote, [x.dtype for x in arrays if x.ndim], None)
    small = reduce(_promote, [x.dtype for x in arrays if not x.ndim], None)
    if large is None or small is None or _kind(small) <= _kind(large):
        return small if large is None else large
    if _kind(large) == 2:
        return np.dtype(np.complex128 if large == np.float64 else np.complex64)
    return small


def _calculate(f: Callable, *operands: Any) -> Array:
    d = _result_type([x.value for x in operands if isinstance(x, Array)])
    if any(isinstance(x, float) for x in operands) and _kind(d) < 2:
        d = np.dtype(np.float32)
    try:
        return Array(f(*[np.asarray(_raw(x)).astype(d) for x in operands]))
    except ValueError as e:
        raise RuntimeError(*e.args) from e


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(0))


def _difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x - y


FORMULAS = {
    "add": np.add, "sub": _difference, "mul": np.multiply, "neg": np.negative, "abs": np.abs,
    "square": np.square, "relu": _relu,
    "gt": np.greater,
}  # fmt: skip


def _out_of_place(f: Callable) -> Callable:
    return lambda *xs: _calculate(f, *xs)


def _in_place(f: Callable) -> Callable:
    return lambda self, *xs: self._write(_calculate(f, self, *xs).value, *xs)


for _name, _f in FORMULAS.items():
    setattr(Array, _name, _out_of_place(_f))
    setattr(Array, _name + "_", _in_place(_f))
for _name in ("add", "sub", "mul", "gt"):
    setattr(Array, f"__{_name}__", _out_of_place(FORMULAS[_name]))
    setattr(Array, f"__i{_name}__", _in_place(FORMULAS[_name]))


def _out(f: Callable) -> Callable:
    return lambda *xs, out: out._write(_calculate(f, *xs).value, *xs)


class _NoGrad:
    def __enter__(self) -> None: ...
    def __exit__(self, *exc: object) -> None: ...


def _from_numpy(array: np.ndarray) -> Array:
    reach = sum((e - 1) * s for e, s in zip(array.shape, array.strides, strict=True)) // array.itemsize + 1
    return Array(array, Memory(as_strided(array, (reach,), (array.itemsize,))))


Numpy = SimpleNamespace(
    float32=np.dtype(np.float32), float64=np.dtype(np.float64), int64=np.dtype(np.int64), bool=np.dtype(bool),
    complex64=np.dtype(np.complex64), no_grad=_NoGrad, from_numpy=_from_numpy,
    tensor=lambda x, dtype: Array(np.array(x, dtype)),
    zeros=lambda shape, dtype: Array(np.zeros(shape, dtype)),
    arange=lambda n, dtype: Array(np.arange(n, dtype=dtype)),
    cat=lambda xs: Array(np.concatenate([x.value for x in xs])),
    stack=lambda xs: Array(np.stack([x.value for x in xs])),
    where=lambda c, x, y: _calculate_where(c, x, y),
    add=_out(np.add), mul=_out(np.multiply),
)  # fmt: skip


def _calculate_where(c: Array, x: Array, y: Array) -> Array:
    return _calculate(lambda a, b: np.where(c.value, a, b), x, y)
