"""DLPack, as in `torch.utils.dlpack`: tensors on the memory of other libraries' arrays, and the other way."""

from __future__ import annotations

from typing import Any

from ..core.exchange import from_dlpack
from ..core.tensor import Tensor


def to_dlpack(tensor: Tensor, /) -> Any:
    """A DLPack capsule on the tensor's memory, to be taken over once.

    >>> import flambeau as torch
    >>> x = torch.zeros(2)
    >>> y = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x)); y[0] = 1; x
    tensor([1., 0.])
    """
    return tensor.__dlpack__()  # type: ignore[attr-defined]


__all__ = ["from_dlpack", "to_dlpack"]
