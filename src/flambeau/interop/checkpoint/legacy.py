"""Checkpoints as they were before archives: pickles one after the other, then the storages."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

from ...core import dtype as dt
from .archive import Damaged
from .pickling import Pickler
from .rebuild import Place, Tensors
from .unpickle import Machine

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
_SYSTEM = {
    "protocol_version": VERSION,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def write_legacy(obj: Any, file: BinaryIO, protocol: int) -> None:
    """Writes a checkpoint in the old form."""
    for part in (MAGIC, VERSION, _SYSTEM):
        pickle.dump(part, file, protocol)
    pickler = Pickler(file, protocol, legacy=True)
    pickler.dump(obj)
    pickle.dump(list(pickler.arrays), file, protocol)
    for key, array in pickler.arrays.items():
        kind = pickler.kinds[key]
        file.write(struct.pack("<q", array.nbytes // (kind.itemsize if kind else 1)))
        file.write(array.reshape(-1).view(np.uint8).data)


def read_legacy(file: BinaryIO, place: Place) -> Any:
    """Reads a checkpoint in the old form, from where the file is; leaves the file after it."""
    plain = Machine({})
    if plain.read(file) != MAGIC:
        raise Damaged("it doesn't begin as a checkpoint does")
    version = plain.read(file)
    if version != VERSION:
        raise Damaged(f"its version is {str(version)[:20]} instead of {VERSION}")
    system = plain.read(file)
    order = system.get("little_endian", True) if isinstance(system, dict) else True
    source = Rest(file, swap=(sys.byteorder == "little") != bool(order))
    tensors = Tensors(source, place)
    result = Machine(tensors.functions, tensors.stored).read(file)
    keys = plain.read(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Damaged("the list of its storages is malformed")
    for key in keys:
        source.fill(key)
    return result


class Rest:
    """The storages that follow the pickles: their arrays are made first, and filled later."""

    def __init__(self, file: BinaryIO, swap: bool) -> None:
        self.file, self.swap = file, swap
        self.sizes: dict[str, int] = {}
        self.arrays: dict[str, np.ndarray] = {}
        place = file.tell()
        self.left = file.seek(0, os.SEEK_END) - place
        file.seek(place)

    def claim(self, key: str, size: int) -> None:
        """Damaged if there can't be that many bytes more in the file."""
        self.left -= size
        self.sizes[key] = size
        if self.left < 0:
            raise Damaged(
                f"storage {key!r} would have {size} bytes, more than the file has left: it is not whole"
            )

    def array(self, key: str, shape: tuple[int, ...], dtype: dt.dtype) -> np.ndarray:
        """An array, not yet filled."""
        self.arrays[key] = np.empty(shape, dtype.np)
        return self.arrays[key]

    def fill(self, key: str) -> None:
        """Reads the next storage."""
        head = self.file.read(8)
        if len(head) < 8 or key not in self.sizes:
            raise Damaged(f"storage {key!r} is missing: the file is not whole")
        array, size = self.arrays.get(key), self.sizes[key]
        if array is None:
            self.file.seek(size, os.SEEK_CUR)
            return
        count = struct.unpack("<q", head)[0]
        if count * array.dtype.itemsize != size:
            raise Damaged(f"storage {key!r} has {count} elements instead of {size // array.dtype.itemsize}")
        data = self.file.read(size)
        if len(data) != size:
            raise Damaged(f"storage {key!r} ends after {len(data)} bytes of {size}: the file is not whole")
        array.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, np.uint8)
        if self.swap:
            array.byteswap(inplace=True)
