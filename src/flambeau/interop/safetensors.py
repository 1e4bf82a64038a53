"""Tensors in `.safetensors` files: a header and plain numbers, which others read and which never run code."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file as write_file

from ..core import dtype as dt
from ..core.tensor import Tensor, from_array
from .atomic import checked_path, replacing

_DTYPES = {
    "BOOL": dt.bool_,
    "U8": dt.uint8,
    "I8": dt.int8,
    "I16": dt.int16,
    "I32": dt.int32,
    "I64": dt.int64,
    "F16": dt.float16,
    "BF16": dt.bfloat16,
    "F32": dt.float32,
    "F64": dt.float64,
    "C64": dt.complex64,
}
_ORDER = (
    "flambeau.order"  # the metadata under which the names stand in their order, which the format doesn't keep
)
_HEADER = "__metadata__"  # the one name that the format has taken


def save_file(
    tensors: Mapping[str, Tensor], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes tensors to a `.safetensors` file, all or nothing: an old file stays until the new one is whole.

    Args:
        tensors: the tensors by name. Those that are not contiguous are written in order.
        path: the file.
        metadata: texts to keep in the file's header.

    Raises:
        TypeError: something is no tensor, a name or metadata no text, or a dtype is not in the format.
        ValueError: a tensor is named `__metadata__`.
        RuntimeError: tensors share memory, which the file could not tell.
        OSError: the file can't be written.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.interop.safetensors import load_file, save_file
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.safetensors")
        ...     save_file({"w": torch.ones(2), "b": torch.zeros(())}, path)
        ...     load_file(path)
        {'w': tensor([1., 1.]), 'b': tensor(0.)}
    """
    target = checked_path("save", path)
    _check_tensors(tensors)
    header = _header(list(tensors), metadata)
    arrays = {name: np.asarray(t._value("save"), order="C") for name, t in tensors.items()}
    with replacing(target) as temporary:
        try:
            write_file(arrays, temporary, metadata=header or None)
        except SafetensorError as error:
            raise OSError(f"save: {target} could not be written: {error}") from None


def load_file(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors in a `.safetensors` file by name, in the order in which Flambeau wrote them, else by name.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        RuntimeError: it is no safetensors file, is not whole, or holds a dtype that Flambeau lacks.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Linear(2, 1).load_state_dict(load_file("model.safetensors"))  # doctest: +SKIP
        <All keys matched successfully>
    """
    source = checked_path("load", path)
    if not os.path.exists(source):
        raise FileNotFoundError(f"load: there is no file {source}")
    try:
        with safe_open(source, framework="np") as file:
            names = _ordered(file.keys(), (file.metadata() or {}).get(_ORDER))
            return {name: _read(source, file, name) for name in names}
    except SafetensorError as error:
        raise RuntimeError(
            f"load: {source} ({os.path.getsize(source)} bytes) is not a whole safetensors file: {error}; "
            "save or download it again"
        ) from None


def _read(source: str, file: Any, name: str) -> Tensor:
    kind = file.get_slice(name).get_dtype()
    if kind not in _DTYPES:
        raise RuntimeError(
            f"load: '{name}' in {source} has dtype {kind}; the supported ones are {', '.join(_DTYPES)}"
        )
    return from_array(file.get_tensor(name))


def _ordered(names: list[str], order: str | None) -> list[str]:
    """The names in the recorded order, if that is one of just these names."""
    try:
        recorded = json.loads(order or "[]")
    except ValueError:
        return names
    return recorded if isinstance(recorded, list) and set(recorded) == set(names) else names


def _header(names: list[str], metadata: Mapping[str, str] | None) -> dict[str, str]:
    header = {key: text for key, text in (metadata or {}).items() if key != _ORDER}
    for key, text in header.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(
                f"save: metadata must be texts by name, got {key!r}: {text!r}; use str() or json.dumps()"
            )
    return header if names == sorted(names) else {**header, _ORDER: json.dumps(names)}


# ----- Checks -----


def _check_tensors(tensors: Mapping[str, Tensor]) -> None:
    if not isinstance(tensors, Mapping):
        raise TypeError(f"save: expected a dict of tensors by name, got {type(tensors).__name__}")
    for name, t in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names must be texts, got {name!r} ({type(name).__name__})")
        if name == _HEADER:
            raise ValueError(f"save: the format keeps the name {_HEADER} for itself; rename that tensor")
        if not isinstance(t, Tensor):
            raise TypeError(f"save: '{name}' is a {type(t).__name__}; a safetensors file holds tensors only")
        if t.dtype not in _DTYPES.values():
            raise TypeError(
                f"save: '{name}' has dtype {t.dtype}, which safetensors files don't know; convert it first"
            )
    _check_memory(tensors)


def _check_memory(tensors: Mapping[str, Tensor]) -> None:
    """RuntimeError for tensors that overlap in memory: loaded again, they would have become independent."""
    spans = defaultdict(list)
    for name, t in tensors.items():
        if t.numel():
            memory, start, end = _span(t)
            spans[memory].append((start, end, name))
    for places in spans.values():
        places.sort()
        for (_, end, first), (start, _, second) in pairwise(places):
            if start < end:
                raise RuntimeError(
                    f"save: '{first}' and '{second}' share memory, which the file could not tell; "
                    "save one of them, or a clone() of the other"
                )


def _span(t: Tensor) -> tuple[Any, int, int]:
    """Which memory a tensor lies in, and from where to where."""
    storage = t._own_storage()
    strides, start = t._layout()
    length = 1 + sum((extent - 1) * stride for extent, stride in zip(t.shape, strides, strict=True))
    if not storage.is_shared():
        return storage, start, start + length
    start = t.data_ptr()  # of arrays from outside several may look at the same memory
    return None, start, start + length * t.itemsize
