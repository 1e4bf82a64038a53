"""Tensors on the memory of Python buffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import dtype as DType
from ..core.exchange import as_tensor_of_array
from ..core.tensor import Tensor
from .creation import finish


def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A tensor on the memory of a Python buffer (bytes, bytearray, memoryview, array), from byte `offset` on.

    ValueError for an offset or a count that the buffer does not have.

    >>> import flambeau as torch
    >>> torch.frombuffer(bytearray([1, 0, 2, 0]), dtype=torch.int16)
    tensor([1, 2], dtype=torch.int16)
    """
    size, width = memoryview(buffer).nbytes, dtype.itemsize
    if size == 0 or count == 0 or not 0 <= offset < size or count < -1:
        raise ValueError(f"frombuffer: nothing to read: {size} bytes, offset={offset}, count={count}")
    if (size - offset) % width if count < 0 else offset + count * width > size:
        raise ValueError(
            f"frombuffer: {size} bytes from offset {offset} on don't hold {'whole' if count < 0 else count} "
            f"elements of {dtype} ({width} bytes each)"
        )
    return finish(as_tensor_of_array(np.frombuffer(buffer, dtype.np, count, offset)), None, requires_grad)
