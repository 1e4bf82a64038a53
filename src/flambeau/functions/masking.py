"""Masks: elements chosen by truth values, and the positions of those that aren't zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.tensor import Tensor, from_array
from ..ops import index as ops
from ..ops import view as views
from ..ops.kinds import broadcast
from ..ops.op import check_tensor
from .calling import deliver, numpy_names
from .choice import choose
from .indexing import _masked, getitem
from .shape import reshape


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` (broadcast) is true, else `input`.

    >>> import flambeau as torch
    >>> torch.masked_fill(torch.zeros(2), torch.tensor([True, False]), 9)
    tensor([9., 0.])
    """
    if check_tensor("masked_fill", "mask", mask)._node.dtype is not dt.bool_:
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
            f"dimension(s)."
        )
    if isinstance(value, Tensor) and value.is_complex() and not input.is_complex():
        raise RuntimeError(
            f"masked_fill: value of {value.dtype} cannot be converted to {input.dtype}; use value.real"
        )
    return _masked(input, mask, value)


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where `mask` is true, as a vector.

    >>> import flambeau as torch
    >>> torch.masked_select(torch.tensor([1, 2, 3]), torch.tensor([True, False, True]))
    tensor([1, 3])
    """
    if check_tensor("masked_select", "mask", mask)._node.dtype is not dt.bool_:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.dtype}")
    shape = broadcast("masked_select", input._node.shape, mask._node.shape)
    x, m = views.expand(input, shape), views.expand(mask, shape)
    if not shape:
        x, m = reshape(x, 1), reshape(m, 1)
    return deliver("masked_select", getitem(x, m), out, input, mask)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in order, where `mask` is true.

    >>> import flambeau as torch
    >>> torch.masked_scatter(torch.zeros(3), torch.tensor([True, False, True]), torch.tensor([1., 2.]))
    tensor([1., 0., 2.])
    """
    shape = broadcast("masked_scatter", input._node.shape, mask._node.shape)
    if mask._node.dtype is not dt.bool_:
        raise RuntimeError(
            f"masked_scatter only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if source._node.dtype is not input._node.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and "
            f"{source.dtype}"
        )
    m = np.broadcast_to(mask._value("mask"), shape)
    count = int(m.sum())
    if source.numel() < count:
        raise RuntimeError(f"masked_scatter: mask has {count} true elements, source only {source.numel()}")
    where = tuple(from_array(i) for i in np.nonzero(m)) if shape else ()
    if not where:
        return choose(mask, reshape(source, -1)[0], input) if count else views.clone(input)
    return ops.index_put(
        views.expand(input, shape), reshape(source, -1)[:count], where, tuple(range(len(shape))), False
    )


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """The positions of elements that aren't zero: an N x rank tensor, or a tuple of index vectors.

    >>> import flambeau as torch
    >>> torch.nonzero(torch.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    value = check_tensor("nonzero", "input", input)._value("nonzero")
    if as_tuple:
        return tuple(from_array(i) for i in np.nonzero(np.atleast_1d(value)))
    return deliver("nonzero", from_array(np.argwhere(value).astype(np.int64)), out)


argwhere = nonzero


@numpy_names
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements aren't zero, in all or along dimensions.

    >>> import flambeau as torch
    >>> torch.count_nonzero(torch.tensor([0, 3, 4]))
    tensor(2)
    """
    from .reduction import sum as sum_

    return sum_(input != 0, dim)
