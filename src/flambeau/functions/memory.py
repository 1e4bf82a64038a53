"""How tensors lie in memory: memory formats, and copies in them."""

from __future__ import annotations

from typing import Any

from ..core.layout import contiguous_format, order_of, strided
from ..core.tensor import Tensor
from ..ops import creation
from ..ops import view as ops
from ..ops.op import check_tensor

Order = tuple[int, ...]


def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor if its elements lie in the order of the memory format, else a copy in which they do."""
    return (
        self
        if self.is_contiguous(memory_format)
        else copy_in("contiguous", self, memory_format or contiguous_format)
    )


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with memory of its own; gradients flow through it.

    It has the strides of `input` if these leave no gaps, unless a memory format is given.

    >>> import flambeau as torch
    >>> x = torch.zeros(2); y = x.clone(); y[0] = 1; x
    tensor([0., 0.])
    """
    return copy_in("clone", check_tensor("clone", "input", input), memory_format)


def copy_in(what: str, t: Tensor, memory_format: Any) -> Tensor:
    """A copy of `t` whose elements lie in the order of a memory format."""
    order = order_of(what, memory_format, t)
    if order is None:
        return ops.clone(t)
    return turned(ops.clone(ops.permute(t, order)), order)


def turned(memory: Tensor, order: Order) -> Tensor:
    """A new tensor seen with its dimensions in order again, which `order` gives as they lie in memory.

    It is no view of another tensor: nobody else holds that.
    """
    t = ops.permute(memory, ops.inverse(order))
    t._base, t._fixed = None, ""
    return t


def filled_like(what: str, value: Any, x: Tensor, d: Any, memory_format: Any) -> Tensor:
    """`value` everywhere, in the shape of `x` and in a memory format."""
    order, shape = order_of(what, memory_format, x), x._node.shape
    if order is None:
        return creation.full(value, shape, d)
    return turned(creation.full(value, tuple(shape[i] for i in order), d), order)


def check_layout(what: str, layout: Any) -> None:
    """RuntimeError for a layout that the operation can't make."""
    if layout is not None and layout is not strided:
        raise RuntimeError(f"{what}: layout {layout} is not supported here, only torch.strided")
