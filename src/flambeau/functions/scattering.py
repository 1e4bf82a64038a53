"""Tensors with parts replaced: combined at positions that are data, or put where a view looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.node import numel
from ..core.tensor import Tensor, from_array
from ..ops import index as index_ops
from ..ops import view as ops
from ..ops.creation import full
from ..ops.kinds import cast
from ..ops.op import check_tensor, wrap_dim
from ..ops.scattering import scatter_extreme, scatter_prod
from .calling import deliver, numpy_names
from .indexing import _check_slices, _vector, copy_
from .shape import as_strided, expand, reshape
from .sorting import searchsorted

# ----- combined -----


def _neutral(reduce: str, d: dt.dtype) -> Any:
    """What a reduction starts from."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    if d.category >= dt.FLOAT:
        return -math.inf if reduce == "amax" else math.inf
    if d is dt.bool_:
        return reduce == "amin"
    return int(np.iinfo(d.np).min if reduce == "amax" else np.iinfo(d.np).max)


def _reduced(x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool) -> Tensor:
    """`x` with the elements of `src` combined at the places of `index`, with or without what is there."""
    start = x
    if not include_self:
        start = index_ops.scatter(x, index, full(_neutral(reduce, x.dtype), index._node.shape, x.dtype), dim)
    if reduce == "prod":
        return scatter_prod(start, index, src, dim)
    if reduce in ("amax", "amin"):
        return scatter_extreme(start, index, src, dim, reduce == "amax")
    total = index_ops.scatter_add(start, index, src, dim)
    if reduce == "sum":
        return total
    count, one = full(1, x._node.shape, x.dtype), full(1, src._node.shape, x.dtype)
    if not include_self:
        count = index_ops.scatter(count, index, full(0, index._node.shape, x.dtype), dim)
    count = index_ops.scatter_add(count, index, one, dim)
    return total / count if x.dtype.category >= dt.FLOAT else total.div(count, rounding_mode="floor")


@numpy_names
def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with src[i, j, k] combined at [index[i, j, k], j, k] for dim 0, and so on.

    `reduce` is "sum", "prod", "mean", "amax" or "amin". Without `include_self`, what `input` holds at these
    places doesn't count. RuntimeError for another reduction, an index out of range, unlike dtypes.

    >>> import flambeau as torch
    >>> x, index = torch.zeros(2), torch.tensor([0, 0, 1])
    >>> torch.scatter_reduce(x, 0, index, torch.tensor([1., 2., 3.]), "amax")
    tensor([2., 3.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"scatter_reduce(): reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    for name, x in (("input", input), ("index", index), ("src", src)):
        check_tensor("scatter_reduce", name, x)
    dim = wrap_dim("scatter_reduce", dim, input.ndim)
    if not index.numel():
        return deliver("scatter_reduce", input.clone(), out)
    return deliver("scatter_reduce", _reduced(input, dim, index, src, reduce, include_self), out)


@numpy_names
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with the slices of `source` combined at the places along `dim` that the vector `index` names.

    `reduce` is "prod", "mean", "amax" or "amin". Without `include_self`, what `input` holds at these places
    doesn't count.

    >>> import flambeau as torch
    >>> torch.index_reduce(torch.ones(2), 0, torch.tensor([0, 0]), torch.tensor([2., 3.]), "prod")
    tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    dim = wrap_dim("index_reduce", dim, check_tensor("index_reduce", "input", input).ndim)
    i = _vector("index_reduce", index)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_reduce(): self and source expected to have the same dtype, but got {input.dtype} and "
            f"{source.dtype}"
        )
    _check_slices("index_reduce", input._node.shape, dim, i.numel(), source._node.shape)
    index_ops.check_known("index_reduce", [(i, input._node.shape[dim] if input.ndim else 1, dim)])
    wide = expand(reshape(i, *[-1 if d == dim else 1 for d in range(source.ndim)]), source.shape)
    if not input.ndim or not source.ndim:
        wide = reshape(i, source.shape)
    if not wide.numel():
        return deliver("index_reduce", input.clone(), out)
    return deliver("index_reduce", _reduced(input, dim, wide, source, reduce, include_self), out)


_SEGMENTS = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "amax", "min": "amin"}


def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """The sum, mean, prod, max or min of each of the segments that follow each other along `axis`.

    `lengths` says how many elements each has, or `offsets` where each starts and the last one ends; both may
    differ between the rows of the dimensions before `axis`. `initial` is reduced with each segment.

    >>> import flambeau as torch
    >>> torch.segment_reduce(torch.tensor([1., 2., 3.]), "max", lengths=torch.tensor([2, 1]))
    tensor([2., 3.])
    """
    if reduce not in _SEGMENTS:
        raise RuntimeError(f"segment_reduce(): reduce must be one of {', '.join(_SEGMENTS)}, got {reduce!r}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet; give lengths")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined")
    axis = wrap_dim("segment_reduce", axis, data.ndim)
    if data.dtype.category != dt.FLOAT:
        raise NotImplementedError(f"segment_reduce: not implemented for dtype {data.dtype}; use .float()")
    if lengths is None:
        assert offsets is not None
        lengths = offsets[..., 1:] - offsets[..., :-1]
    if lengths.ndim != axis + 1 or lengths._node.shape[:-1] != data._node.shape[:axis]:
        raise RuntimeError(
            f"segment_reduce(): Expected lengths of one dimension more than {data._node.shape[:axis]}, got "
            f"{tuple(lengths.shape)}"
        )
    extent = data._node.shape[axis]
    if not unsafe and bool(((lengths < 0).any() | (lengths.sum(-1) != extent).any()).item()):
        raise RuntimeError(
            f"segment_reduce(): Expected all rows of lengths along axis to be positive and to sum to "
            f"data.size({axis}) = {extent}"
        )
    return _segments(data, _SEGMENTS[reduce], lengths, axis, initial)


def _segments(data: Tensor, reduce: str, lengths: Tensor, axis: int, initial: float | None) -> Tensor:
    shape, count = data._node.shape, lengths._node.shape[-1]
    ends = lengths.cumsum(-1)
    places = from_array(np.arange(shape[axis])).expand(*shape[: axis + 1]).contiguous()
    segment = searchsorted(ends, places, right=True)  # which one each element belongs to
    after = (1,) * (len(shape) - axis - 1)
    index = expand(reshape(segment, *shape[: axis + 1], *after), shape)
    start = _neutral(reduce, data.dtype) if initial is None else initial
    out = full(start, (*shape[:axis], count, *shape[axis + 1 :]), data.dtype)
    if reduce != "mean":
        return _reduced(out, axis, index, data, reduce, True)
    total = _reduced(out, axis, index, data, "sum", True)
    sizes = reshape(lengths, *lengths.shape, *after).to(data.dtype)
    return total / sizes if initial is None else total / sizes.clamp_min(1)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with the elements of `source` at these numbers of the flattened input (added with
    `accumulate`).

    >>> import flambeau as torch
    >>> torch.put(torch.zeros(2, 2), torch.tensor([1, 2]), torch.tensor([5., 6.]))
    tensor([[0., 5.],
            [6., 0.]])
    """
    if check_tensor("put", "index", index).dtype is not dt.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if check_tensor("put", "source", source).dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {input.dtype} for self and "
            f"{source.dtype} for source"
        )
    if source.numel() != index.numel():
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got "
            f"{source.numel()} and {index.numel()}"
        )
    if index.numel() and not input.numel():
        raise IndexError("put_(): trying to put elements into an empty tensor")
    if not index.numel():
        return input.clone()
    flat, places = reshape(input, input.numel()), reshape(index, -1)
    written = index_ops.index_put(flat, reshape(source, -1), (places,), (0,), bool(accumulate))
    return reshape(written, input.shape)


# ----- positions -----


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """The positions of the first `size` elements that aren't zero, rows of `fill_value` after them if there
    are fewer.

    >>> import flambeau as torch
    >>> torch.nonzero_static(torch.tensor([0, 3, 4]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    value = check_tensor("nonzero_static", "input", input)._value("nonzero_static")
    found = np.full((size, input.ndim), fill_value, np.int64)
    positions = np.argwhere(value)[:size]
    found[: len(positions)] = positions
    return deliver("nonzero_static", from_array(found), out)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of this shape, of elements given by their numbers in the flattened tensor:
    one tensor a dimension.

    >>> import flambeau as torch
    >>> torch.unravel_index(torch.tensor([1, 5]), (3, 2))
    (tensor([0, 2]), tensor([1, 1]))
    """
    if check_tensor("unravel_index", "indices", indices).dtype.category != dt.INTEGER:
        raise TypeError(f"unravel_index: expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(
            f"unravel_index: expected 'shape' to be int or sequence of ints, but got {type(shape).__name__}"
        )
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(e, int) for e in extents):
        raise TypeError(f"unravel_index: expected 'shape' sequence to only contain ints, but got {extents}")
    if any(e < 0 for e in extents):
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {extents}")
    indices = cast(indices, dt.int64)
    steps = [numel(extents[d + 1 :]) for d in range(len(extents))]
    return tuple(
        (indices.div(s, rounding_mode="floor") if s else indices) % e if e else indices
        for s, e in zip(steps, extents, strict=True)
    )


# ----- where a view looks -----


def _part(what: str, input: Tensor, src: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The source in the input's dtype; RuntimeError unless it has the shape of what it replaces."""
    check_tensor(what, "input", input)
    if tuple(check_tensor(what, "src", src).shape) != shape:
        raise RuntimeError(
            f"{what}: expected src to have a size equal to the slice of self. src size = {list(src.shape)}, "
            f"slice size = {list(shape)}"
        )
    return src if src.dtype is input.dtype else cast(src, input.dtype)


@numpy_names
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with `src` in place of input.select(dim, index).

    >>> import flambeau as torch
    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 0)
    tensor([[1., 1.],
            [0., 0.]])
    """
    seen = input.detach().select(dim, index)
    dim = wrap_dim("select_scatter", dim, input.ndim)
    part = _part("select_scatter", input, src, seen._node.shape)
    return ops.select_scatter(input, part, dim, index % input.shape[dim])


@numpy_names
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with `src` in place of the slice start:end:step along `dim`.

    >>> import flambeau as torch
    >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), 0, 1, 3)
    tensor([0., 1., 1., 0.])
    """
    dim = wrap_dim("slice_scatter", dim, check_tensor("slice_scatter", "input", input).ndim)
    if step <= 0:
        raise RuntimeError(f"slice_scatter: slice step must be positive, got {step}")
    first, stop, _ = slice(start, end, step).indices(input.shape[dim])
    count = max(0, -((first - stop) // step))
    ranges = tuple((first, count, step) if d == dim else (0, e, 1) for d, e in enumerate(input._node.shape))
    part = _part("slice_scatter", input, src, tuple(count for _, count, _ in ranges))
    return deliver("slice_scatter", ops.slice_scatter(input, part, ranges), out)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`input` with `src` on the diagonal of two dimensions.

    >>> import flambeau as torch
    >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    seen = input.detach().diagonal(offset, dim1, dim2)
    part = _part("diagonal_scatter", input, src, seen._node.shape)
    a, b = (wrap_dim("diagonal_scatter", d, input.ndim) for d in (dim1, dim2))
    return ops.diagonal_scatter(input, part, offset, a, b)


def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:
    """A copy of `input` with `src` in place of copy.as_strided(size, stride, storage_offset).

    >>> import flambeau as torch
    >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    whole = input.clone()
    seen = as_strided(whole, size, stride, storage_offset)
    copy_(seen, _part("as_strided_scatter", input, src, seen._node.shape))
    return whole


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Overwrites the main diagonal with a number; `wrap`: of a tall matrix, starting again below it.

    RuntimeError for more than two dimensions that aren't all of one extent.
    """
    if self.ndim < 2:
        raise RuntimeError(f"fill_diagonal_: dimensions must larger than 1, got {self.ndim}")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError(
            f"fill_diagonal_: all dimensions of input must be of equal length, got {tuple(self.shape)}"
        )
    step, rows = sum(self.stride()), self.shape[0]
    size = min(self.shape)
    copy_(as_strided(self, (size,), (step,), self.storage_offset()), fill_value)
    if wrap and self.ndim == 2 and rows > self.shape[1] + 1:
        rest = self[self.shape[1] + 1 :]
        fill_diagonal_(rest, fill_value, True)
    return self
