"""Files of the idx format (LeCun): two zero bytes, a type, a number of dimensions, extents, numbers."""

from __future__ import annotations

import gzip
import math
import os

import numpy as np

__all__ = ["read_idx"]

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: str) -> np.ndarray:
    """The array in a file, or in the file of that name with .gz.

    Raises:
        FileNotFoundError: there is neither.
        RuntimeError: the file is none of these, or not whole.
    """
    if not os.path.exists(path) and os.path.exists(f"{path}.gz"):
        path = f"{path}.gz"
    try:
        with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile) as error:
        raise RuntimeError(f"{path} is damaged: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise RuntimeError(f"{path} is no idx file: it begins with {content[:4]!r}")
    dtype, dims = np.dtype(_TYPES[content[2]]), content[3]
    shape = np.frombuffer(content[4 : 4 + 4 * dims], ">u4").astype(np.int64).tolist()
    start, count = 4 + 4 * dims, math.prod(shape)
    if len(shape) != dims or len(content) - start != count * dtype.itemsize:
        raise RuntimeError(f"{path} is not whole: {len(content) - start} bytes for numbers of shape {shape}")
    values = np.frombuffer(content, dtype, count, start)
    return values.astype(dtype.newbyteorder("=")).reshape(shape)
