"""`torch.save` and `torch.load`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..core.device import device as Device
from ..core.device import resolve
from ..core.tensor import Tensor
from . import safetensors
from .atomic import checked_path

MapLocation = Device | str | Mapping[str, str] | Callable[[Tensor, str], Tensor | None] | None
_SUFFIX = ".safetensors"


def save(obj: Mapping[str, Tensor], f: str | os.PathLike[str]) -> None:
    """Writes tensors by name, such as a module's `state_dict()`, to a `.safetensors` file.

    An older file is replaced when the new one is whole, so that a failure never leaves half a file.

    Args:
        obj: a flat dict of tensors.
        f: the path of the file, which ends in `.safetensors`.

    Raises:
        TypeError: `obj` is not a flat dict of tensors, or `f` no path.
        ValueError: the path has another ending.
        RuntimeError: tensors share memory.
        OSError: the file can't be written.

    Example:
        >>> import flambeau as torch
        >>> import os, tempfile
        >>> layer = torch.nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "layer.safetensors")
        ...     torch.save(layer.state_dict(), path)
        ...     layer.load_state_dict(torch.load(path))
        <All keys matched successfully>
    """
    path = _path("save", f)
    if not isinstance(obj, Mapping):
        hint = "; save its state_dict()" if hasattr(obj, "state_dict") else ""
        raise TypeError(f"save: expected a flat dict of tensors, got {type(obj).__name__}{hint}")
    for name, value in obj.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"save: {name!r} is a {type(value).__name__}; a {_SUFFIX} file holds a flat dict of tensors: "
                "save each state_dict to a file of its own, and numbers as tensors"
            )
    safetensors.save_file(obj, path)


def load(
    f: str | os.PathLike[str],
    map_location: MapLocation = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
) -> dict[str, Tensor]:
    """Reads the tensors in a `.safetensors` file, by name and in the order in which they were saved.

    Args:
        f: the path of the file.
        map_location: the device that the tensors go to; or a dict of devices by the device that they were
            saved from, which counts as `"cpu"`; or a function of each tensor and `"cpu"`, whose result (if
            not None) takes the tensor's place.
        weights_only: makes no difference: this format holds nothing but tensors and never runs code.
        mmap: not supported.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        ValueError: the path does not end in `.safetensors`.
        RuntimeError: the file is not a whole safetensors file, or the device is not there.
        NotImplementedError: `mmap=True`.

    Example:
        >>> import flambeau as torch
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "x.safetensors")
        ...     torch.save({"x": torch.arange(3)}, path)
        ...     torch.load(path)
        {'x': tensor([0, 1, 2])}
    """
    path = _path("load", f)
    if mmap:
        raise NotImplementedError("load: mmap=True is not supported; leave it out")
    if isinstance(map_location, Mapping):
        map_location = map_location.get("cpu")
    if map_location is None or callable(map_location):
        place = map_location
    else:
        resolve(map_location)
        place = None
    tensors = safetensors.load_file(path)
    if place is None:
        return tensors
    for name, t in tensors.items():
        placed = place(t, "cpu")
        tensors[name] = t if placed is None else placed
    return tensors


def _path(what: str, f: Any) -> str:
    if not isinstance(f, str | os.PathLike):
        raise TypeError(f"{what}: expected the path of a {_SUFFIX} file, got {type(f).__name__}")
    path = checked_path(what, f)
    if not path.endswith(_SUFFIX):
        raise ValueError(f"{what}: the path must end in {_SUFFIX}, got {path!r}; name the file *{_SUFFIX}")
    return path
