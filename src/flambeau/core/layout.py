"""How elements are kept: layouts by name, and the memory formats, which are orders of strides."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tensor import Tensor


class layout:
    """How a tensor keeps its elements; `torch.strided` tensors keep all of them, by strides.

    >>> import flambeau as torch
    >>> torch.zeros(2).layout
    torch.strided
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name  # there is one instance, in this module


class memory_format:
    """In which order elements lie in memory.

    >>> import flambeau as torch
    >>> torch.zeros(1, 2, 2, 2).to(memory_format=torch.channels_last).stride()
    (8, 1, 4, 2)
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided, sparse_coo = layout("strided"), layout("sparse_coo")
sparse_csr, sparse_csc = layout("sparse_csr"), layout("sparse_csc")
sparse_bsr, sparse_bsc, jagged = layout("sparse_bsr"), layout("sparse_bsc"), layout("jagged")
contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")

_RANKS = {channels_last: 4, channels_last_3d: 5}


def order_of(what: str, form: Any, t: Tensor) -> tuple[int, ...] | None:
    """The dimensions of a copy of `t` in a memory format, the outermost in memory first; None: as they stand.

    TypeError for what is no memory format, RuntimeError for one that is for tensors of another rank.
    """
    rank = t.ndim
    if form is contiguous_format:
        return None
    if form is None or form is preserve_format:
        view = t._view
        return None if view is None else _order_in_memory(view.strides, view.shape)
    check_format(what, form)
    if rank != _RANKS[form]:
        raise RuntimeError(f"{what}: required rank {_RANKS[form]} tensor to use {form} format, got {rank}")
    return (0, *range(2, rank), 1)


@lru_cache(maxsize=4096)
def _order_in_memory(strides: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The dimensions from the one with the longest stride on; None if they stand in this order.

    A stride of 0 says nothing, and leaves its dimension where it is; of two equal strides the longer
    dimension lies further out.
    """
    inner = list(reversed(range(len(shape))))  # from the innermost on
    for i in range(1, len(inner)):
        at = i
        for k in reversed(range(i)):
            a, b = inner[k], inner[at]
            if not strides[a] or not strides[b]:
                continue
            if strides[a] < strides[b]:
                break
            if strides[a] > strides[b] or shape[a] > shape[b]:
                inner[k], inner[at] = b, a
                at = k
    order = tuple(reversed(inner))
    return None if order == tuple(range(len(shape))) else order


def check_format(what: str, form: Any) -> None:
    """TypeError for what is no memory format."""
    if not isinstance(form, memory_format):
        raise TypeError(f"{what}: argument 'memory_format' must be torch.memory_format, not {form!r}")


def lies_in(t: Tensor, form: memory_format) -> bool:
    """Whether the elements of `t` lie as `torch.channels_last` (or its like for volumes) wants them."""
    if t.ndim != _RANKS.get(form, -1):
        return False
    shape, strides = t.shape, t.stride()
    step = 1
    for d in (1, *range(t.ndim - 1, 1, -1), 0):
        if shape[d] != 1 and strides[d] != step:
            return False
        step *= shape[d]
    return True
