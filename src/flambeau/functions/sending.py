"""How tensors whose memory is shared are sent to another process: their memory's file is."""

from __future__ import annotations

from functools import cache
from multiprocessing.reduction import DupFd, ForkingPickler
from typing import Any

from ..core.dtype import dtype as DType
from ..core.mapping import Mapping, tensor_on
from ..core.tensor import Tensor


@cache
def register() -> None:
    """Has `multiprocessing` send shared tensors so."""
    ForkingPickler.register(Tensor, reduce_tensor)


def reduce_tensor(t: Tensor) -> Any:
    """What rebuilds a tensor in another process: on the same memory if it is shared."""
    mapping = t._storage.shared if t._storage is not None else None
    if not isinstance(mapping, Mapping) or not t.is_leaf:
        return t.__reduce_ex__(4)
    strides, offset = t._layout()
    layout = tuple(t.shape), tuple(strides), offset
    return _rebuild, (DupFd(mapping.file), mapping.array.nbytes, t.dtype, layout, t.requires_grad)


def _rebuild(file: Any, nbytes: int, dtype: DType, layout: Any, requires_grad: bool) -> Tensor:
    flat = tensor_on(file.detach(), dtype, (nbytes // dtype.itemsize,))
    t: Tensor = Tensor._make_subclass(Tensor, flat.as_strided(*layout), requires_grad)
    return t
