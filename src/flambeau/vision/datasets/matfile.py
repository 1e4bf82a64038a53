"""Arrays of numbers in MATLAB's files of version 5 (MathWorks, MAT-file format, chapter 1)."""

from __future__ import annotations

import struct
import zlib

import numpy as np

__all__ = ["read_mat"]

_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}


def read_mat(path: str) -> dict[str, np.ndarray]:
    """The arrays by name.

    Raises:
        RuntimeError: the file is none of these, is damaged, or holds something else than arrays of numbers.
    """
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
        raise RuntimeError(f"{path} is no MATLAB file of version 5")
    order = "<" if content[126:128] == b"IM" else ">"
    arrays = {}
    try:
        for kind, body in _elements(content, 128, order):
            if kind == _COMPRESSED:
                ((kind, body),) = _elements(zlib.decompress(body), 0, order)
            if kind == _MATRIX:
                name, array = _matrix(body, order)
                arrays[name] = array
    except (struct.error, zlib.error, ValueError, KeyError) as error:
        raise RuntimeError(f"{path} is damaged, or holds more than arrays of numbers: {error!r}") from error
    return arrays


def _elements(content: bytes, start: int, order: str) -> list[tuple[int, bytes]]:
    """Types and bytes of the elements that follow each other; small ones lie in their own heads."""
    found = []
    while start + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, start)
        small, kind = kind >> 16, kind & 0xFFFF
        at, size = (start + 4, small) if small else (start + 8, size)
        if at + size > len(content):
            raise ValueError(f"an element of {size} bytes at {at} goes beyond the end")
        found.append((kind, content[at : at + size]))
        aligned = size if kind == _COMPRESSED else -(-size // 8) * 8
        start += 8 if small else 8 + aligned
    return found


def _matrix(body: bytes, order: str) -> tuple[str, np.ndarray]:
    """Name and array, of: flags, extents, name, numbers in columns."""
    (_, flags), (_, extents), (_, name), (kind, numbers), *_ = _elements(body, 0, order)
    target = np.dtype(_CLASSES[struct.unpack_from(f"{order}I", flags)[0] & 0xFF])
    shape = np.frombuffer(extents, f"{order}i4").tolist()
    values = np.frombuffer(numbers, np.dtype(order + _NUMBERS[kind]))
    return name.decode("latin1"), values.astype(target).reshape(shape, order="F")
