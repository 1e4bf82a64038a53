"""A small model of tensors on NumPy's own views, without gradients: one of the worlds in which random
programs run."""

from collections.abc import Callable
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
        if not (_dense(self.value, a1 - a0) and _dense(other.value, b1 - b0)) or a1 <= b0 or b1 <= a0:
            return False
        return (a0, a1, self.value.strides) != (b0, b1, other.value.strides)

    def copy_(self, x: Any) -> "Array":
        return self._write(np.broadcast_to(x.value, self.value.shape).astype(self.value.dtype), x)

    def __setitem__(self, index: Any, x: Any) -> None:
        if isinstance(index, Array):
            self.value[index.value] = x
            self.version[0] += 1
        else:
            part = self[index]
            value = _raw(x)
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


def _dense(value: np.ndarray, extent: int) -> bool:
    return value.size * value.itemsize == extent and all(
        s for s, e in zip(value.strides, value.shape, strict=True) if e > 1
    )


def _raw(x: Any) -> Any:
    return x.value if isinstance(x, Array) else x


def _shares(target: Array, x: Any) -> bool:
    return isinstance(x, Array) and x.memory is target.memory


def _calculate(f: Callable, *operands: Any) -> Array:
    """`f` with PyTorch's promotion, where a 0-d tensor weighs less than others of its category, and a Python
    number less still."""
    arrays = [x.value for x in operands if isinstance(x, Array)]
    ranked = sorted((("bifc".index(x.dtype.kind), x.ndim > 0, x.itemsize) for x in arrays), reverse=True)
    top = next(x.dtype for x in arrays if ("bifc".index(x.dtype.kind), x.ndim > 0, x.itemsize) == ranked[0])
    kinds = ["bifc".index(np.asarray(x).dtype.kind) for x in operands if not isinstance(x, Array)]
    if max(kinds, default=0) > ranked[0][0]:
        top = np.dtype(np.float32)
    elif ranked[0][0] == 3 and top == np.complex64 and any(x.dtype == np.float64 and x.ndim for x in arrays):
        top = np.dtype(np.complex128)
    try:
        return Array(f(*[np.asarray(_raw(x)).astype(top) for x in operands]))
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
    return lambda *xs, out: out._write(_calculate(f, *xs).value)


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
