"""Pickles for checkpoints: tensors become views of numbered storages, under the names that PyTorch knows."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from ...core import dtype as dt
from ...core.device import device as Device
from ...core.layout import layout
from ...core.size import Size
from ...core.storage import Storage
from ...core.tensor import Tensor, all_memory
from ...functions.storages import TypedStorage, UntypedStorage
from ...nn.parameter import Parameter
from .names import STORAGE_OF


class Name:
    """Stands for a name in a pickle: a function or a class of PyTorch's."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """So that the pickler takes it for a function."""


class Part:
    """A tensor's storage, in a pickle."""

    def __init__(self, t: Tensor, dtype: dt.dtype | None) -> None:
        self.tensor, self.dtype = t, dtype


_UTILS = {
    name: Name("torch._utils", f"_rebuild_{name}")
    for name in (
        "tensor_v2",
        "tensor_v3",
        "parameter",
        "parameter_with_state",
        "meta_tensor_no_storage",
        "sparse_tensor",
    )
}
_OF_TYPE, _TENSOR = Name("torch._tensor", "_rebuild_from_type_v2"), Name("torch", "Tensor")
_SIZE, _DEVICE = Name("torch", "Size"), Name("torch", "device")
_LAYOUT = Name("torch.serialization", "_get_layout")
_DTYPES = {d: Name("torch", d.name) for d in dt.ALL}
_BYTES = Name("torch.storage", "UntypedStorage")
_KINDS = {d: Name("torch", name) for d, name in STORAGE_OF.items()}


def _ours(cls: type) -> bool:
    """Whether a class is a module, an optimizer or a schedule, or is derived from one."""
    return any(base.__module__.startswith("flambeau.") for base in cls.__mro__)


class Pickler(pickle._Pickler):
    """Writes a pickle, and collects the storages that it refers to: `arrays`, by key."""

    dispatch: ClassVar[dict[type, Callable[..., Any]]]
    if TYPE_CHECKING:  # what there is besides
        write: Callable[[bytes], Any]
        memoize: Callable[[Any], None]
        save: Callable[[Any], None]

    def __init__(self, file: BinaryIO, protocol: int, legacy: bool = False) -> None:
        super().__init__(file, protocol)
        self.legacy = legacy
        self.arrays: dict[str, np.ndarray] = {}
        self.kinds: dict[str, dt.dtype | None] = {}
        self.keys: dict[int, tuple[str, Storage]] = {}

    def persistent_id(self, x: Any) -> Any:
        """What stands for a storage; None for anything else."""
        if isinstance(x, TypedStorage):
            x = Part(x.untyped()._whole, x.dtype)
        elif isinstance(x, UntypedStorage):
            x = Part(x._whole, None)
        if not isinstance(x, Part):
            return None
        cell = x.tensor._own_storage()
        kind = x.dtype if x.dtype in _KINDS else None
        if id(cell) not in self.keys:
            key = str(len(self.keys))
            self.keys[id(cell)] = key, cell
            self.kinds[key] = kind
            self.arrays[key] = np.asarray(all_memory(x.tensor)._value("save"), order="C")
        key = self.keys[id(cell)][0]
        if self.kinds[key] is not kind:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{self.kinds[key]} and {kind}; save a clone() of one of them"
            )
        count = self.arrays[key].nbytes // (kind.itemsize if kind else 1)
        pid = ("storage", _KINDS[kind] if kind else _BYTES, key, "cpu", count)
        return (*pid, None) if self.legacy else pid

    def reducer_override(self, x: Any) -> Any:
        """How to make an object anew; NotImplemented for what pickles know by themselves."""
        if isinstance(x, Tensor):
            return self._tensor(x)
        if isinstance(x, Size):
            return _SIZE, (tuple(x),)
        if isinstance(x, Device):
            return _DEVICE, (x.type,) if x.index is None else (x.type, x.index)
        if isinstance(x, layout):
            return _LAYOUT, (repr(x),)
        if hasattr(type(x), "state_dict") and _ours(type(x)):
            raise TypeError(
                f"save: a whole {type(x).__name__} holds code, which no file can hold safely; save its "
                "state_dict(), make a new one and call its load_state_dict()"
            )
        return NotImplemented

    def _tensor(self, t: Tensor) -> Any:
        d, size = t.dtype, tuple(t.shape)
        state = {name: x for name, x in vars(t).items() if name not in Tensor.__annotations__}
        if isinstance(t, Parameter):
            args: tuple[Any, ...] = t.detach(), t.requires_grad, OrderedDict()
            return (_UTILS["parameter_with_state"], (*args, state)) if state else (_UTILS["parameter"], args)
        if t._sparse:
            return _UTILS["sparse_tensor"], (t.layout, t._parts())  # type: ignore[attr-defined]  # a sparse tensor's
        strides, offset = t._layout()
        if t.device.type == "meta":
            return _UTILS["meta_tensor_no_storage"], (_DTYPES[d], size, strides, t.requires_grad)
        args = Part(t, d), offset, size, strides, t.requires_grad, OrderedDict()
        function = _UTILS["tensor_v2"]
        if d not in _KINDS:
            function, args = _UTILS["tensor_v3"], (*args, _DTYPES[d])
        return (_OF_TYPE, (function, _TENSOR, args, state)) if state else (function, args)

    def save_name(self, x: Name) -> None:
        """Writes a name, as all versions of pickles have it."""
        self.write(b"c" + x.module.encode() + b"\n" + x.name.encode() + b"\n")
        self.memoize(x)

    def save_dtype(self, x: dt.dtype) -> None:
        """Writes a dtype by its name."""
        self.save(_DTYPES[x])


Pickler.dispatch = {
    **pickle._Pickler.dispatch,
    Name: Pickler.save_name,
    dt.dtype: Pickler.save_dtype,
}
