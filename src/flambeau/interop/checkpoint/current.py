"""Checkpoints as they are now: an archive with a pickle, `data.pkl`, and a record for each storage."""

from __future__ import annotations

import io
import sys
import zlib
from typing import Any, BinaryIO

import numpy as np

from ...core import dtype as dt
from .archive import ALIGNMENT, Archive, Damaged, Writer
from .pickling import Pickler
from .rebuild import Place, Tensors
from .unpickle import Machine, missing_names, names_in

NEWEST = 10  # of the archive's version; PyTorch writes 3


def write_archive(obj: Any, file: BinaryIO, folder: str, protocol: int) -> None:
    """Writes a checkpoint."""
    text = io.BytesIO()
    pickler = Pickler(text, protocol)
    pickler.dump(obj)
    writer = Writer(file, folder)
    writer.add("data.pkl", text.getvalue())
    writer.add(".format_version", b"1")
    writer.add(".storage_alignment", str(ALIGNMENT).encode())
    writer.add("byteorder", sys.byteorder.encode())
    for key, array in pickler.arrays.items():
        writer.add(f"data/{key}", array)
    writer.add("version", b"3\n")
    sums = [record.checksum for _, record in writer.entries]
    names = zlib.crc32(b"".join(name for name, _ in writer.entries))
    identity = f"{names:020d}{zlib.crc32(np.array(sums, np.uint32).tobytes()):020d}"
    writer.add(".data/serialization_id", identity.encode())
    writer.finish()


def read_archive(file: BinaryIO, place: Place, mapped: np.ndarray | None = None) -> Any:
    """Reads a checkpoint."""
    archive = _opened(file, mapped)
    order = archive.read("byteorder") if "byteorder" in archive else b"little"
    if order not in (b"little", b"big"):
        raise Damaged(f"its byte order is {order[:20]!r}")
    tensors = Tensors(Records(archive, swap=order != sys.byteorder.encode()), place)
    return Machine(tensors.functions, tensors.stored).read(archive.read("data.pkl"))


def _opened(file: BinaryIO, mapped: np.ndarray | None = None) -> Archive:
    archive = Archive(file, mapped)
    if "constants.pkl" in archive:
        raise Damaged("it is a TorchScript program, not a checkpoint; save its state_dict() with PyTorch")
    version = archive.read("version").strip() if "version" in archive else b"3"
    if not version.isdigit() or len(version) > 4 or not 1 <= int(version) <= NEWEST:
        raise Damaged(f"its version is {version[:20]!r}, newer than {NEWEST}")
    return archive


def unsafe_names(file: BinaryIO) -> list[str]:
    """The names that a checkpoint uses and that aren't allowed."""
    known = Tensors(Records(archive := _opened(file), swap=False), None).functions
    return missing_names(names_in(archive.read("data.pkl")), known)


class Records:
    """The storages of an archive."""

    def __init__(self, archive: Archive, swap: bool) -> None:
        self.archive, self.swap = archive, swap

    def claim(self, key: str, size: int) -> None:
        """Damaged unless the record has just that size."""
        there = self.archive.size(f"data/{key}")
        if there != size:
            raise Damaged(f"storage {key!r} has {there} bytes instead of {size}")

    def array(self, key: str, shape: tuple[int, ...], dtype: dt.dtype) -> np.ndarray:
        """The storage's elements: read, or in the mapped file."""
        name = f"data/{key}"
        part = self.archive.part(name)
        if part is not None and not self.swap and part.ctypes.data % dtype.itemsize == 0:
            return part.view(dtype.np).reshape(shape)
        array = np.empty(shape, dtype.np)
        self.archive.read_into(name, array)
        return array.byteswap(inplace=True) if self.swap else array
