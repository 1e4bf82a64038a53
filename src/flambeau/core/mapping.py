"""Memory that several processes see: `share_memory_`, and what batches of a loader's workers lie in.

It is a file in memory without a name, so that nothing is left behind by whoever dies. A fork sees the same
memory; to other processes the file is sent.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np

from . import dtype as dtypes
from .node import Version, numel
from .realize import recorder, value_of
from .storage import Shared, Storage
from .tensor import Tensor


def open_memory(size: int) -> int:
    """A file in memory of that many bytes, which are zero."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("flambeau", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.truncate(file, size)
    return file


class Mapping(Shared):
    """The memory of a storage that other processes see. It keeps its file for as long as it lives."""

    def __init__(self, file: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.file = file
        nbytes = numel(shape) * dtype.itemsize
        octets = np.frombuffer(mmap.mmap(file, max(nbytes, 1)), np.uint8, nbytes)
        super().__init__(octets.view(dtype).reshape(shape), foreign=True)

    def __del__(self) -> None:
        super().__del__()
        os.close(self.file)


def share(storage: Storage) -> None:
    """Moves a storage's value to memory that other processes see, where it stays."""
    if isinstance(storage.shared, Mapping):
        return
    recorder.flush("shared memory")
    value = value_of(storage.node, "shared memory")
    mapping = Mapping(open_memory(max(value.nbytes, 1)), value.dtype, value.shape)
    np.copyto(mapping.array, value)
    node = mapping.leaf(mapping.array, storage.node.dtype)
    node.version = storage.node.version
    storage.node, storage.shared = node, mapping
    storage.generation += 1


def tensor_on(file: int, dtype: dtypes.dtype, shape: tuple[int, ...]) -> Tensor:
    """A tensor on memory that other processes see, which takes its file over."""
    mapping = Mapping(file, dtype.np, shape)
    storage = Storage(mapping.leaf(mapping.array, dtype))
    storage.shared = mapping
    t: Any = object.__new__(Tensor)
    t._storage, t._node, t._counter = storage, storage.spec, Version()
    storage.node.version = t._counter
    return t
