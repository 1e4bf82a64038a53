"""What the names in checkpoints stand for. Nothing else than what is named here, or by `add_safe_globals`,
is ever looked up."""

from __future__ import annotations

import _compat_pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core import layout as layouts
from ...core.device import device as Device
from ...core.size import Size
from ...core.tensor import Tensor
from ...functions.legacy import NAMES
from ...functions.storages import UntypedStorage
from ...nn.parameter import Parameter
from . import arrays

SafeGlobal = Callable[..., Any] | tuple[Callable[..., Any], str]

STORAGES = {
    **{f"{name}Storage": d for name, d in NAMES.items()},
    "ComplexFloatStorage": dt.complex64,
    "ComplexDoubleStorage": dt.complex128,
}
"""The dtypes by the storage types that stand for them in checkpoints."""
STORAGE_OF = {d: name for name, d in STORAGES.items()}
FORBIDDEN = {"sys", "os", "posix", "nt"}  # modules of which nothing is ever called, whoever allows it


class StorageType:
    """Stands for a storage type in a checkpoint: nothing but its dtype matters."""

    def __init__(self, dtype: dt.dtype | None) -> None:
        self.dtype = dtype


def check_key(x: Any) -> None:
    """ValueError for a key or an element of a set whose hash would take very long: tuples in tuples."""
    budget, stack = 1000, [x]
    while stack:
        y = stack.pop()
        if isinstance(y, tuple | frozenset):
            stack.extend(y)
            budget -= 1 + len(y)
            if budget < 0:
                raise ValueError("a key is made of too many tuples")


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8"):
        raise ValueError(f"bytes in the encoding {encoding!r} aren't allowed")
    return text.encode(encoding)


def _bytearray(data: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(data, str):
        data = _encoded(data, encoding)
    if not isinstance(data, bytes | bytearray):
        raise ValueError(f"a bytearray can't be made of {type(data).__name__}")
    return bytearray(data)


def _bytes(data: bytes = b"") -> bytes:
    return bytes(_bytearray(data))


def _complex(real: float, imag: float) -> complex:
    if not isinstance(real, int | float) or not isinstance(imag, int | float):
        raise ValueError("a complex number is made of two numbers")
    return complex(real, imag)


def _set_of(kind: type) -> Callable[..., Any]:
    def make(elements: Any = ()) -> Any:
        if not isinstance(elements, list | tuple):
            raise ValueError(f"a {kind.__name__} can't be made of {type(elements).__name__}")
        for x in elements:
            check_key(x)
        return kind(elements)

    return make


def _dict_of(kind: type) -> Callable[..., Any]:
    def make(items: Any = ()) -> Any:
        pairs = list(items.items()) if isinstance(items, dict) else items
        if not isinstance(pairs, list | tuple) or not all(
            isinstance(p, list | tuple) and len(p) == 2 for p in pairs
        ):
            raise ValueError(f"a {kind.__name__} is made of pairs")
        for key, _ in pairs:
            check_key(key)
        return kind(dict(pairs))

    return make


def _size(extents: Any = ()) -> Size:
    if not isinstance(extents, list | tuple) or not all(type(e) is int for e in extents):
        raise ValueError("a torch.Size is made of whole numbers")
    return Size(extents)


def _device(kind: str, index: int | None = None) -> Device:
    if not isinstance(kind, str) or not isinstance(index, int | None):
        raise ValueError("a torch.device is made of a name and a number")
    return Device(kind, index)


def _layout(name: str) -> layouts.layout:
    found = getattr(layouts, str(name).removeprefix("torch."), None)
    if not isinstance(found, layouts.layout):
        raise ValueError(f"there is no layout {name}")
    return found


VALUES: dict[str, Any] = {  # what may be in a checkpoint as it is
    **{f"torch.{d.name}": d for d in dt.ALL},
    **{f"torch.{place}{name}": StorageType(d) for name, d in STORAGES.items() for place in ("", "cuda.")},
    "torch.storage.UntypedStorage": StorageType(None),
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "numpy.ndarray": np.ndarray,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {  # what may be called besides
    "collections.OrderedDict": _dict_of(OrderedDict),
    "collections.Counter": _dict_of(Counter),
    "torch.Size": _size,
    "torch.device": _device,
    "torch.serialization._get_layout": _layout,
    "_codecs.encode": _encoded,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.set": _set_of(set),
    "builtins.frozenset": _set_of(frozenset),
    "builtins.complex": _complex,
    **arrays.FUNCTIONS,
}

_safe: list[SafeGlobal] = []


def python3_name(module: str, name: str) -> str:
    """A name in full, with what Python 3 calls Python 2's modules."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        module, name = _compat_pickle.NAME_MAPPING[module, name]
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"


def add_safe_globals(safe_globals: Iterable[SafeGlobal]) -> None:
    """Allows checkpoints to make objects of these classes, and to call these functions.

    Args:
        safe_globals: classes and functions, each by itself or as a pair with the full name that the file has
            for it.

    Example:
        >>> import flambeau as torch
        >>> from collections import defaultdict
        >>> torch.serialization.add_safe_globals([defaultdict, list])
        >>> torch.serialization.get_safe_globals()
        [<class 'collections.defaultdict'>, <class 'list'>]
        >>> torch.serialization.clear_safe_globals()
    """
    for entry in safe_globals:
        if entry not in _safe:
            _safe.append(entry)


def get_safe_globals() -> list[SafeGlobal]:
    """What `add_safe_globals` has allowed.

    Example:
        >>> import flambeau as torch
        >>> torch.serialization.get_safe_globals()
        []
    """
    return list(_safe)


def clear_safe_globals() -> None:
    """Takes back what `add_safe_globals` has allowed.

    Example:
        >>> import flambeau as torch
        >>> torch.serialization.clear_safe_globals()
    """
    _safe.clear()


class safe_globals:
    """Allows classes and functions in checkpoints for a while, as `add_safe_globals` does.

    Example:
        >>> import flambeau as torch
        >>> from collections import defaultdict
        >>> with torch.serialization.safe_globals([defaultdict]):
        ...     torch.serialization.get_safe_globals()
        [<class 'collections.defaultdict'>]
    """

    def __init__(self, safe_globals: Iterable[SafeGlobal]) -> None:
        self.safe_globals = list(safe_globals)

    def __enter__(self) -> None:
        self._before = list(_safe)
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: object) -> None:
        _safe[:] = self._before


def user_globals() -> dict[str, Callable[..., Any]]:
    """What is allowed besides, by full name."""
    found = {}
    for entry in _safe:
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise ValueError(
                    f"Expected tuple of length 2 (global, str of callable full path), but got tuple of "
                    f"length: {len(entry)}"
                )
            if not isinstance(entry[1], str):
                raise TypeError(
                    "Expected second item in tuple to be str of callable full path, but got: "
                    f"{type(entry[1])}"
                )
            found[entry[1]] = entry[0]
        else:
            found[f"{entry.__module__}.{entry.__qualname__}"] = entry
    return found


def untyped(kind: object) -> bool:
    """Whether a storage type is that of bytes."""
    return kind is UntypedStorage or (isinstance(kind, StorageType) and kind.dtype is None)
