"""Tensors from the storages of a checkpoint: what shares a storage there shares memory here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from ...autograd.grad_mode import no_grad
from ...core import dtype as dt
from ...core.device import device as Device
from ...core.device import resolve
from ...core.tensor import Tensor, from_array
from ...functions.creation import empty
from ...functions.storages import TypedStorage, UntypedStorage
from ...nn.parameter import Parameter
from .archive import Damaged
from .names import StorageType

Place: TypeAlias = Device | str | Mapping[str, str] | Callable[[Any, str], Any] | None


class Source(Protocol):
    """Where the bytes of storages come from."""

    def claim(self, key: str, size: int) -> None:
        """Damaged if the storage of this name can't have that many bytes."""

    def array(self, key: str, shape: tuple[int, ...], dtype: dt.dtype) -> np.ndarray:
        """The storage's elements, in an array of its own."""


class Stored(TypedStorage):
    """A storage whose memory is made at first need, in the shape in which it is needed."""

    def __init__(self, source: Source, key: str, dtype: dt.dtype, count: int) -> None:
        self.dtype, self.count = dtype, count
        self._make: Callable[[tuple[int, ...]], Tensor] = lambda shape: from_array(
            source.array(key, shape, dtype)
        )
        self._whole: Tensor | None = None

    def whole(self, shape: tuple[int, ...]) -> tuple[Tensor, bool]:
        """A tensor on all of the memory, of this shape if it is the first one; and whether it is."""
        first = self._whole is None
        if self._whole is None:
            self._whole = self._make(shape)
        return self._whole, first

    def replace(self, storage: TypedStorage | UntypedStorage) -> None:
        """Takes another storage's memory instead."""
        self._whole = storage.untyped()._tensor_of(self.dtype)
        self.count = self._whole.numel()

    @property
    def _untyped_storage(self) -> UntypedStorage:
        return UntypedStorage._of(self.whole((self.count,))[0])


class Foreign(RuntimeError):
    """Carries an error of a user's function through the machine."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def is_meta(place: Place) -> bool:
    """Whether tensors are wanted without memory; an error for a device that isn't there."""
    if not isinstance(place, str | Device):
        if not (place is None or isinstance(place, Mapping) or callable(place)):
            raise TypeError(
                f"load: map_location is a {type(place).__name__}; it can be a device, a dict or a function"
            )
        return False
    if Device(place).type == "meta":
        return True
    resolve(place)
    return False


def destination(
    storage: Callable[[], UntypedStorage], location: str, place: Place
) -> TypedStorage | UntypedStorage | None:
    """The storage to use instead of one that was saved from a device; None for itself."""
    if isinstance(place, Mapping):
        location = str(place.get(location, location))
    elif callable(place) and not isinstance(place, Device):
        try:
            given = place(storage(), location)
        except Exception as error:
            raise Foreign(error) from error
        if isinstance(given, TypedStorage | UntypedStorage):
            return given
        if given is not None:
            raise Foreign(
                TypeError(
                    f"load: map_location returned a {type(given).__name__}; it takes a storage and its "
                    "location, and returns a storage or None"
                )
            )
    elif place is not None:
        return None  # there is one device
    return default_restore_location(storage(), location) if location != "cpu" else None


def default_restore_location(
    storage: TypedStorage | UntypedStorage, location: str
) -> TypedStorage | UntypedStorage:
    """The storage on the device of this name.

    Raises:
        RuntimeError: there is no such device.

    Example:
        >>> import flambeau as torch
        >>> storage = torch.zeros(2).untyped_storage()
        >>> torch.serialization.default_restore_location(storage, "cpu") is storage
        True
    """
    if not location.startswith("cpu"):
        raise RuntimeError(
            f"Attempting to deserialize object on device {location!r}, which is not available here; to load "
            "it to the CPU, use torch.load with map_location='cpu'"
        )
    return storage


def location_tag(storage: TypedStorage | UntypedStorage) -> str:
    """The name of a storage's device in checkpoints.

    Example:
        >>> import flambeau as torch
        >>> torch.serialization.location_tag(torch.zeros(2).untyped_storage())
        'cpu'
    """
    return storage.device.type


class Tensors:
    """What persistent ids and the functions that rebuild tensors stand for, with a source and a place."""

    def __init__(self, source: Source, place: Place) -> None:
        self.source, self.place = source, place
        self.known: dict[str, Stored | UntypedStorage] = {}
        self.meta = is_meta(place)
        self.functions: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor": self.plain,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_tensor_v3": self.tensor_of_bytes,
            "torch._utils._rebuild_parameter": self.parameter,
            "torch._utils._rebuild_parameter_with_state": self.parameter,
            "torch._utils._rebuild_meta_tensor_no_storage": self.without_memory,
            "torch._utils._rebuild_sparse_tensor": self.sparse,
            "torch._tensor._rebuild_from_type_v2": self.of_type,
        }

    # ----- Storages -----

    def stored(self, pid: Any) -> Any:
        """The storage that a persistent id stands for."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise Damaged(f"it refers to a storage by {str(pid)[:80]}")
        _, kind, key, location, count = pid[:5]
        if pid[5:] not in ((), (None,)):
            raise Damaged(f"storage {key!r} is a part of another one, as in files of before 2018")
        if not isinstance(kind, StorageType) or not all(isinstance(x, str) for x in (key, location)):
            raise Damaged(f"it refers to a storage by {str(pid)[:80]}")
        if type(count) is not int or count < 0:
            raise Damaged(f"storage {key!r} would have {count} elements")
        if key not in self.known:
            d = kind.dtype or dt.uint8
            self.source.claim(key, count * d.itemsize)
            stored = Stored(self.source, key, d, count)
            other = destination(lambda: stored._untyped_storage, location, self.place)
            if other is not None:
                stored.replace(other)
            self.known[key] = stored if kind.dtype else stored._untyped_storage
        return self.known[key]

    # ----- Tensors -----

    def plain(self, storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        """A tensor as a view of a storage."""
        if not isinstance(storage, Stored):
            raise Damaged(f"a tensor is made of a {type(storage).__name__}")
        d = storage.dtype
        self._check(storage.count, offset, size, stride)
        if self.meta:
            return empty(size, dtype=d, device="meta")
        fits = offset == 0 and math.prod(size) == storage.count and stride == _in_order(size)
        with no_grad():
            whole, first = storage.whole(size if fits else (storage.count,))
            if first and fits:
                return whole
            if whole.dtype is not d:
                whole = whole.reshape(-1).view(d)
            return whole.as_strided(size, stride, offset).data

    def tensor(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        metadata: Any = None,
    ) -> Tensor:
        """As `plain`, with what autograd knows of it."""
        t = self.plain(storage, offset, size, stride)
        for name, flag in (metadata or {}).items():
            if name not in ("conj", "neg"):
                raise Damaged(f"a tensor has the unknown property {name!r}")
            if flag:
                t = t.conj_physical() if name == "conj" else -t
        return t.requires_grad_() if requires_grad else t

    def tensor_of_bytes(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> Tensor:
        """A tensor of a dtype that has no storage type of its own."""
        if not isinstance(storage, UntypedStorage) or not isinstance(dtype, dt.dtype):
            raise Damaged(f"a tensor of {dtype} is made of a {type(storage).__name__}")
        flat = storage._tensor_of(dtype)
        self._check(flat.numel(), offset, size, stride)
        with no_grad():
            t = flat.as_strided(size, stride, offset).data
        return t.requires_grad_() if requires_grad else t

    def sparse(self, layout: Any, parts: Any) -> Tensor:
        """A sparse tensor of its parts; Damaged if they don't fit."""
        from ...functions.sparse.construct import of_parts

        try:
            return of_parts(layout, parts)
        except (TypeError, ValueError, RuntimeError) as error:
            raise Damaged(f"a sparse tensor's parts don't fit: {error}") from None

    def _check(self, count: int, offset: Any, size: Any, stride: Any) -> None:
        """Damaged unless a view of these numbers lies within a storage of `count` elements."""
        numbers = (offset, *size, *stride)
        if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= 64):
            raise Damaged(f"a tensor has size {size} and stride {stride}")
        if not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers):
            raise Damaged(f"a tensor has offset {offset}, size {size} and stride {stride}")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if (0 not in size and last >= count) or math.prod(size) >= 1 << 63:
            raise Damaged(
                f"a tensor of size {size}, stride {stride} and offset {offset} doesn't fit into its storage "
                f"of {count} elements"
            )

    def parameter(self, data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Parameter:
        """A parameter."""
        if not isinstance(data, Tensor):
            raise Damaged(f"a parameter is made of a {type(data).__name__}")
        parameter = Parameter(data, bool(requires_grad))
        _set_attributes(parameter, state)
        return parameter

    def without_memory(self, dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
        """A tensor of the meta device."""
        self._check(1 << 62, 0, size, stride)
        return empty(size, dtype=dtype, device="meta", requires_grad=bool(requires_grad))

    def of_type(self, function: Any, kind: Any, args: Any, state: Any) -> Tensor:
        """A tensor of some class, with attributes."""
        if function not in self.functions.values() or not isinstance(args, tuple):
            raise Damaged(f"a tensor is made by {function}")
        t: Tensor = function(*args)
        if kind not in (Tensor, type(t)):
            raise Damaged(f"a tensor is a {kind}, which isn't allowed")
        _set_attributes(t, state)
        return t


def _in_order(size: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], 1
    for n in reversed(size):
        steps.append(step)
        step *= max(n, 1)
    return tuple(reversed(steps))


def _set_attributes(t: Tensor, state: Any) -> None:
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            if not isinstance(name, str) or hasattr(type(t), name) or name in Tensor.__annotations__:
                raise Damaged(f"a tensor has an attribute {name!r} of its own")
            setattr(t, name, value)
