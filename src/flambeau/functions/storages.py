"""Storages: the memory that tensors look at, as bytes or as elements of one dtype."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ..core import dtype as dt
from ..core.device import cpu, no_device
from ..core.device import device as Device
from ..core.dtype import dtype as DType
from ..core.storage import Storage
from ..core.tensor import Tensor, all_memory, from_array
from .attributes import is_shared, share_memory_
from .creation import to_array
from .indexing import copy_
from .legacy import NAMES
from .memory import clone
from .shape import reshape, view

_known: WeakValueDictionary[int, UntypedStorage] = WeakValueDictionary()


class UntypedStorage:
    """The memory that tensors look at, as bytes. Tensors that share memory have the same one.

    `UntypedStorage(n)` is new memory of n bytes, `UntypedStorage([1, 2])` holds these.

    >>> import flambeau as torch
    >>> x = torch.zeros(4); y = x[2:]
    >>> x.untyped_storage() is y.untyped_storage(), x.untyped_storage().nbytes()
    (True, 16)
    """

    __slots__ = ("__weakref__", "_whole")
    _whole: Tensor  # all of the memory, outside of history
    is_cuda = is_hpu = is_sparse = is_sparse_csr = False
    filename = None

    def __new__(cls, size: int | Sequence[int] = 0, *, device: Any = None) -> UntypedStorage:
        if device is not None and Device(device).type != "cpu":
            raise no_device("UntypedStorage", "cuda")
        array = np.zeros(size, np.uint8) if isinstance(size, int) else to_array(size, dt.uint8)
        return cls._of(from_array(array))

    @classmethod
    def _of(cls, t: Tensor) -> UntypedStorage:
        """The memory that `t` looks at."""
        key = id(t._own_storage())
        found = _known.get(key)
        if found is None:
            found = _known[key] = object.__new__(cls)
            found._whole = all_memory(t)
        return found

    @property
    def _cell(self) -> Storage:
        assert self._whole._storage is not None
        return self._whole._storage

    @property
    def _cdata(self) -> int:
        return id(self._cell)

    @property
    def device(self) -> Device:
        """Where the memory is."""
        return cpu

    def _tensor_of(self, d: DType) -> Tensor:
        """The memory as elements of a dtype: all that fit."""
        flat = reshape(self._whole, -1)
        if d is flat.dtype:
            return flat.detach()
        octets = view(flat, dt.uint8)
        return view(octets[: len(octets) // d.itemsize * d.itemsize], d).detach()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._whole.nbytes

    size = __len__ = nbytes

    def element_size(self) -> int:
        """1: the elements are bytes."""
        return 1

    def data_ptr(self) -> int:
        """The address of the first byte. The memory stays there as long as nobody writes to it."""
        return self._whole.data_ptr()

    def get_device(self) -> int:
        """-1: the memory is not on an accelerator."""
        return -1

    def _place(self, index: Any) -> Any:
        n = len(self)
        if isinstance(index, int) and not -n <= index < n:
            raise IndexError(f"index {index} out of range for storage of size {n}")
        return index

    def __getitem__(self, index: Any) -> Any:
        part = self._tensor_of(dt.uint8)[self._place(index)]
        return part.item() if isinstance(index, int) else UntypedStorage._of(clone(part))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._tensor_of(dt.uint8)[self._place(index)] = value

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._tensor_of(dt.uint8).tolist()

    def fill_(self, value: int) -> UntypedStorage:
        """Sets all bytes."""
        self._tensor_of(dt.uint8).fill_(value)
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> UntypedStorage:
        """Takes the bytes of another storage of the same size."""
        copy_(self._tensor_of(dt.uint8), _untyped(source)._tensor_of(dt.uint8))
        return self

    def clone(self) -> UntypedStorage:
        """A copy."""
        return UntypedStorage._of(clone(self._whole))

    def resize_(self, size: int) -> UntypedStorage:
        """RuntimeError for another size: tensors look at this memory."""
        if size != self.nbytes():
            raise RuntimeError(
                f"resize_: a storage keeps its size ({self.nbytes()} bytes; asked for {size}), as tensors "
                f"look "
                f"at it; resize a tensor instead"
            )
        return self

    def untyped(self) -> UntypedStorage:
        """This storage."""
        return self

    def cpu(self) -> UntypedStorage:
        """This storage."""
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> UntypedStorage:
        """NoDevice: there is no CUDA device."""
        raise no_device("storage.cuda", "cuda")

    def type(self) -> str:
        """The name of the type."""
        return "torch.storage.UntypedStorage"

    def is_pinned(self, device: Any = "cuda") -> bool:
        """False: memory is pinned for accelerators only."""
        return False

    def is_shared(self) -> bool:
        """Whether other processes see the memory; see `Tensor.share_memory_`."""
        return is_shared(self._whole)

    def share_memory_(self) -> UntypedStorage:
        """Moves the memory to where other processes see it; see `Tensor.share_memory_`."""
        share_memory_(self._whole)
        return self

    @staticmethod
    def from_buffer(buffer: Any, *, dtype: DType = dt.uint8, byte_order: str = "native", **kw: Any) -> Any:
        """A storage with a copy of the buffer's bytes, of which each element's may stand in another order."""
        array = np.frombuffer(buffer, dtype.np, kw.get("count", -1), kw.get("offset", 0)).copy()
        if byte_order not in ("native", sys.byteorder):
            array.byteswap(inplace=True)
        return UntypedStorage._of(from_array(array))

    def __reduce__(self) -> Any:
        return _of_array, (self._whole._value("pickle"),)

    def __deepcopy__(self, memo: dict[int, Any]) -> UntypedStorage:
        return self.clone()

    def __repr__(self) -> str:
        lines = "".join(f" {b}\n" for b in self.tolist())
        return f"{lines}[torch.storage.UntypedStorage(device=cpu) of size {len(self)}]"


class TypedStorage:
    """The memory that tensors look at, as elements of one dtype: `torch.FloatStorage` and its like.

    `TypedStorage(n, dtype=d)` is new memory, `TypedStorage([1, 2], dtype=d)` holds these numbers.

    >>> import flambeau as torch
    >>> torch.arange(6).reshape(2, 3)[1].storage().tolist()
    [0, 1, 2, 3, 4, 5]
    """

    dtype: DType = dt.float32
    is_cuda = is_hpu = is_sparse = False
    filename = None

    def __init__(
        self,
        data: int | Sequence[Any] = 0,
        *,
        wrap_storage: Any = None,
        dtype: Any = None,
        device: Any = None,
    ) -> None:
        self.dtype = d = dtype or dt.get_default_dtype()
        if wrap_storage is None:
            if device is not None and Device(device).type != "cpu":
                raise no_device(type(self).__name__, "cuda")
            array = np.zeros(data, d.np) if isinstance(data, int) else to_array(data, d)
            wrap_storage = UntypedStorage._of(from_array(array))
        self._untyped_storage = wrap_storage

    def _tensor_of(self, d: DType) -> Tensor:
        if d is not self.dtype:
            raise TypeError(f"expected a storage of {d}, got one of {self.dtype}; convert it first")
        return self._untyped_storage._tensor_of(d)

    @property
    def _numbers(self) -> Tensor:
        return self._untyped_storage._tensor_of(self.dtype)

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    @property
    def device(self) -> Device:
        """Where the memory is."""
        return cpu

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self._untyped_storage

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._untyped_storage.nbytes()

    def size(self) -> int:
        """How many elements there are."""
        return self.nbytes() // self.dtype.itemsize

    __len__ = size

    def get_device(self) -> int:
        """-1: the memory is not on an accelerator."""
        return -1

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element. The memory stays there as long as nobody writes to it."""
        return self._untyped_storage.data_ptr()

    def _place(self, index: Any) -> int:
        if isinstance(index, slice):
            raise RuntimeError(
                "slices are only supported in UntypedStorage.__getitem__; slice a tensor instead"
            )
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} out of range for storage of size {len(self)}")
        return index

    def __getitem__(self, index: int) -> Any:
        return self._numbers[self._place(index)].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._numbers[index if isinstance(index, slice) else self._place(index)] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._numbers.tolist()

    def fill_(self, value: Any) -> TypedStorage:
        """Sets all elements."""
        self._numbers.fill_(value)
        return self

    def copy_(self, source: TypedStorage, non_blocking: bool | None = None) -> TypedStorage:
        """Takes the elements of another storage of the same size."""
        copy_(self._numbers, source._numbers)
        return self

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def resize_(self, size: int) -> TypedStorage:
        """RuntimeError for another size: tensors look at this memory."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)
        return self

    def type(self, dtype: Any = None) -> Any:
        """The name of the type, or a copy with elements of a dtype."""
        if dtype is None:
            name = next((n for n, d in NAMES.items() if d is self.dtype), self.dtype.name)
            return f"torch.{name}Storage"
        return self.to(dtype=dtype)

    def to(self, *, device: Any = None, dtype: DType | None = None) -> TypedStorage:
        """A copy with elements of a dtype."""
        t = self._numbers.to(device, dtype)
        return TypedStorage(wrap_storage=UntypedStorage._of(clone(t)), dtype=t.dtype)

    def cpu(self) -> TypedStorage:
        """This storage."""
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> TypedStorage:
        """NoDevice: there is no CUDA device."""
        raise no_device("storage.cuda", "cuda")

    def is_pinned(self, device: Any = "cuda") -> bool:
        """False: memory is pinned for accelerators only."""
        return False

    def is_shared(self) -> bool:
        """Whether other processes see the memory; see `Tensor.share_memory_`."""
        return is_shared(self._untyped_storage._whole)

    def share_memory_(self) -> TypedStorage:
        """Moves the memory to where other processes see it; see `Tensor.share_memory_`."""
        share_memory_(self._untyped_storage._whole)
        return self

    def pickle_storage_type(self) -> str:
        """The name of the type in checkpoints."""
        return self.type().removeprefix("torch.")

    @classmethod
    def from_buffer(cls, buffer: Any, *, byte_order: str = "native", **kw: Any) -> TypedStorage:
        """A storage with a copy of the buffer's elements."""
        d = kw.pop("dtype", None) or dt.get_default_dtype()
        octets = UntypedStorage.from_buffer(buffer, dtype=d, byte_order=byte_order, **kw)
        return TypedStorage(wrap_storage=octets, dtype=d)

    def __reduce__(self) -> Any:
        return _restore, (self._untyped_storage, self.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> TypedStorage:
        return _restore(copy.deepcopy(self._untyped_storage, memo), self.dtype)

    def __repr__(self) -> str:
        lines = "".join(f" {x}\n" for x in self.tolist())
        return f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"


def _conversions() -> None:
    """`storage.float()`, `storage.long()`…: a copy with elements of that dtype."""
    short = {"BFloat16": "bfloat16"}
    for name, d in NAMES.items():
        method = short.get(name, name.lower())
        setattr(TypedStorage, method, lambda self, d=d: self.to(dtype=d))
        getattr(TypedStorage, method).__doc__ = f"A copy with elements of {d}."


_conversions()


def _of_array(array: np.ndarray) -> UntypedStorage:
    return UntypedStorage._of(from_array(np.array(array)))


def _restore(untyped: UntypedStorage, d: DType) -> TypedStorage:
    return TypedStorage(wrap_storage=untyped, dtype=d)


class _Named(type):
    """The type of storage types: a storage of that dtype is an instance of it."""

    _fixed: DType

    def __call__(cls, *args: Any, **kwargs: Any) -> TypedStorage:
        return TypedStorage(*args, dtype=cls._fixed, **kwargs)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, TypedStorage) and value.dtype is cls._fixed


def _named(name: str, d: DType) -> Any:
    doc = f"The type of storages of {d}; see `torch.TypedStorage`."
    return _Named(
        f"{name}Storage",
        (),
        {
            "_fixed": d,
            "dtype": d,
            "__module__": "flambeau",
            "__doc__": doc,
            "from_buffer": staticmethod(lambda buffer, **kw: TypedStorage.from_buffer(buffer, dtype=d, **kw)),
        },
    )


types = {
    f"{name}Storage": _named(name, d)
    for name, d in {**NAMES, "ComplexFloat": dt.complex64, "ComplexDouble": dt.complex128}.items()
}
globals().update(types)


def _untyped(storage: Any) -> UntypedStorage:
    return storage.untyped()


def is_storage(obj: Any, /) -> bool:
    """Whether the object is a storage.

    >>> import flambeau as torch
    >>> torch.is_storage(torch.zeros(1).untyped_storage()), torch.is_storage(torch.zeros(1))
    (True, False)
    """
    return isinstance(obj, TypedStorage | UntypedStorage)
