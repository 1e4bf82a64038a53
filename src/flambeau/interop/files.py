"""`torch.save` and `torch.load`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, BinaryIO, TypeAlias, cast

import numpy as np

from ..core.tensor import Tensor
from ..functions.storages import UntypedStorage
from . import safetensors
from .atomic import checked_path, replacing
from .checkpoint.archive import LOCAL, Damaged
from .checkpoint.current import read_archive, unsafe_names, write_archive
from .checkpoint.legacy import read_legacy, write_legacy
from .checkpoint.rebuild import Foreign, Place, destination, is_meta

FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
_SUFFIX = ".safetensors"


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Writes an object made of tensors, numbers, texts and containers to a file that PyTorch reads, too.

    Tensors that share memory will share it again. A path is replaced when the new file is whole, so that a
    failure never leaves half a file. A path that ends in `.safetensors` gets that format, which holds a flat
    dict of tensors.

    Args:
        obj: tensors, parameters, storages, and what pickles hold: dicts, lists, tuples, sets, numbers, texts,
            bytes, NumPy arrays, objects of your own classes. Of a module or an optimizer save its
            `state_dict()`.
        f: a path, or an open file.
        pickle_module: only `pickle`.
        pickle_protocol: the version of the pickle inside.
        _use_new_zipfile_serialization: False writes the format from before 2020.

    Raises:
        TypeError: a whole module or optimizer, another pickle module, or `f` is neither a path nor a file.
        RuntimeError: tensors that share memory have different dtypes.
        OSError: the file can't be written.

    Example:
        >>> import flambeau as torch
        >>> import io
        >>> layer, file = torch.nn.Linear(2, 1), io.BytesIO()
        >>> torch.save({"layer": layer.state_dict(), "epoch": 3}, file)
        >>> checkpoint = torch.load(io.BytesIO(file.getvalue()))
        >>> layer.load_state_dict(checkpoint["layer"]), checkpoint["epoch"]
        (<All keys matched successfully>, 3)
    """
    _check_pickle_module("save", pickle_module)
    if isinstance(f, str | os.PathLike) and os.fspath(f).endswith(_SUFFIX):
        _save_safetensors(obj, f)
        return
    with _for_writing(f) as (file, folder):
        if _use_new_zipfile_serialization:
            write_archive(obj, file, folder, pickle_protocol)
        else:
            write_legacy(obj, file, pickle_protocol)


def load(
    f: FileLike,
    map_location: Place = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads what `save` has written, here or in PyTorch. Never runs code from the file.

    Args:
        f: a path, or an open file that can be read and searched.
        map_location: the device that storages go to; or a dict of devices by the device that they were saved
            from; or a function of each storage and its device's name, which returns a storage, or None to
            leave it.
        pickle_module: only None or `pickle`.
        weights_only: only True, which is the default: data, and objects of classes that
            `torch.serialization.add_safe_globals` allows.
        mmap: True maps the file into memory instead of reading it: only what is used is read, and its
            checksums aren't compared. Writes don't reach the file.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        EOFError: the file is empty.
        RuntimeError: the file is damaged, or a storage's device is not there.
        pickle.UnpicklingError: the file holds something else than data, or is damaged.
        NotImplementedError: `weights_only=False`.

    Example:
        >>> import flambeau as torch
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "x.pt")
        ...     torch.save({"x": torch.arange(3)}, path)
        ...     torch.load(path)
        {'x': tensor([0, 1, 2])}
    """
    _check_pickle_module("load", pickle_module)
    if pickle_load_args:
        raise TypeError(f"load: unsupported arguments of the unpickler: {', '.join(pickle_load_args)}")
    if isinstance(f, str | os.PathLike) and os.fspath(f).endswith(_SUFFIX):
        try:
            return _load_safetensors(f, map_location, mmap)
        except Foreign as error:
            raise error.error from None
    if weights_only is False:
        raise NotImplementedError(
            "load: weights_only=False would run code that the file brings, which Flambeau never does; leave "
            "it out: tensors and plain data are read, and your own classes after "
            "torch.serialization.add_safe_globals([...])"
        )
    with for_reading("load", f) as (file, path):
        try:
            return _read(file, path, map_location, bool(mmap))
        except Damaged as error:
            raise RuntimeError(f"load: {path or 'the file'} can't be read: {error}") from None
        except Foreign as error:
            raise error.error from None


def _read(file: BinaryIO, path: str | None, place: Place, mmap: bool) -> Any:
    start = file.read(2)
    if not start:
        raise EOFError(f"load: Ran out of input: {path or 'the file'} is empty")
    if start == LOCAL[:2]:
        mapped = None
        if mmap:
            if path is None:
                raise ValueError(
                    "load: f must be a path (a string or PathLike) in order to use the mmap argument"
                )
            mapped = np.memmap(path, np.uint8, "c").view(np.ndarray)
        return read_archive(file, place, mapped)
    if mmap:
        raise RuntimeError(
            "mmap can only be used with files saved with `_use_new_zipfile_serialization=True`"
        )
    file.seek(-len(start), os.SEEK_CUR)
    return read_legacy(file, place)


def get_unsafe_globals_in_checkpoint(f: FileLike) -> list[str]:
    """The names of classes and functions that a file asks for and that `load` would not allow.

    Args:
        f: a path, or an open file.

    Raises:
        RuntimeError: the file is no archive as `save` writes it.

    Example:
        >>> import flambeau as torch
        >>> import collections, io
        >>> file = io.BytesIO()
        >>> torch.save(collections.deque([1]), file)
        >>> torch.serialization.get_unsafe_globals_in_checkpoint(file)
        ['collections.deque']
    """
    with for_reading("get_unsafe_globals_in_checkpoint", f) as (file, path):
        try:
            return unsafe_names(file)
        except (Damaged, ValueError) as error:
            raise RuntimeError(
                f"get_unsafe_globals_in_checkpoint: {path or 'the file'} can't be read: {error}"
            ) from None


# ----- Files -----


@contextmanager
def _for_writing(f: Any) -> Iterator[tuple[BinaryIO, str]]:
    """An open file, and the name of the folder in its archive."""
    if isinstance(f, str | os.PathLike):
        target = checked_path("save", f)
        with replacing(target) as temporary, open(temporary, "wb") as file:
            yield file, os.path.splitext(os.path.basename(target))[0].replace("\\", "_") or "archive"
    elif hasattr(f, "write"):
        yield f, "archive"
    else:
        raise TypeError(f"save: expected a path or a file with 'write', got {type(f).__name__}")


@contextmanager
def for_reading(what: str, f: Any) -> Iterator[tuple[BinaryIO, str | None]]:
    """An open file, and its path if it is known by that."""
    if isinstance(f, str | os.PathLike):
        path = checked_path(what, f)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{what}: there is no file {path}")
        with open(path, "rb") as file:
            yield cast(BinaryIO, file), path
    elif all(hasattr(f, name) for name in ("read", "seek", "tell", "readline")):
        yield f, None
    else:
        raise TypeError(
            f"{what}: expected a path or a file that can be read and searched, got {type(f).__name__}; read "
            "all of a stream into an io.BytesIO first"
        )


def _check_pickle_module(what: str, module: Any) -> None:
    if module not in (None, pickle):
        name = getattr(module, "__name__", module)
        raise TypeError(f"{what}: pickle_module={name} is not supported; leave it out")


# ----- Safetensors -----


def _save_safetensors(obj: Any, f: str | os.PathLike[str]) -> None:
    if not isinstance(obj, Mapping):
        hint = "; save its state_dict()" if hasattr(obj, "state_dict") else ""
        raise TypeError(f"save: expected a flat dict of tensors, got {type(obj).__name__}{hint}")
    for name, value in obj.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"save: {name!r} is a {type(value).__name__}; a {_SUFFIX} file holds a flat dict of tensors: "
                "save each state_dict to a file of its own, and numbers as tensors, or name the file *.pt"
            )
    safetensors.save_file(obj, checked_path("save", f))


def _load_safetensors(f: str | os.PathLike[str], place: Place, mmap: bool | None) -> dict[str, Tensor]:
    if mmap:
        raise NotImplementedError(f"load: mmap=True is not supported for {_SUFFIX} files; leave it out")
    path, meta = checked_path("load", f), is_meta(place)
    tensors = safetensors.load_file(path)
    for name, t in tensors.items():
        if meta:
            tensors[name] = t.to("meta")
            continue
        other = destination(partial(UntypedStorage._of, t), "cpu", place)
        if other is not None:
            tensors[name] = other.untyped()._tensor_of(t.dtype).reshape(t.shape)
    return tensors
