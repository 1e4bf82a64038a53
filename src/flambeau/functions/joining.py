"""Joining, splitting, repeating and turning: what moves elements to other places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.realize import remembered
from ..core.tensor import Tensor, from_array
from ..ops import view as ops
from ..ops.kinds import cast, result_type
from ..ops.op import check_tensor, wrap_dim
from .calling import deliver, numpy_names, shape_of
from .shape import _of_many, expand, reshape, slice_dim, transpose


@numpy_names
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along `dim`: of one size (the last may be smaller) or of the sizes given, as views.

    >>> import flambeau as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return _of_many("SplitBackward0", unsafe_split(tensor, split_size_or_sections, dim))


@numpy_names
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the sizes given along `dim`, as views.

    >>> import flambeau as torch
    >>> torch.arange(3).split_with_sizes([2, 1])
    (tensor([0, 1]), tensor([2]))
    """
    return _of_many("SplitWithSizesBackward0", unsafe_split_with_sizes(input, split_sizes, dim))


@numpy_names
def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """As `split_with_sizes`, but the pieces may be written to in place.

    >>> import flambeau as torch
    >>> torch.unsafe_split_with_sizes(torch.arange(3), [2, 1])
    (tensor([0, 1]), tensor([2]))
    """
    return unsafe_split(input, tuple(split_sizes), dim)


@numpy_names
def unsafe_split(tensor: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """As `split`, but the pieces may be written to in place.

    >>> import flambeau as torch
    >>> torch.unsafe_split(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim("split", dim, tensor.ndim)
    parts, first = [], 0
    for size in _sizes(tensor._node.shape[dim], split_size, dim):
        parts.append(slice_dim(tensor, dim, first, size, 1))
        first += size
    return tuple(parts)


def _sizes(extent: int, sizes: Any, dim: int) -> list[int]:
    """The sizes of the pieces, from a list of them, or from the one size of all but the last."""
    if isinstance(sizes, (tuple, list)):
        if sum(sizes) != extent or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {extent} (input tensor's size at "
                f"dimension {dim}), but got split_sizes={list(sizes)}"
            )
        return list(sizes)
    size = int(sizes)
    if size < 0 or (size == 0 and extent):
        raise RuntimeError(
            f"split expects split_size be non-negative and fit the extent {extent}, but got split_size={size}"
        )
    return [size] * (extent // size) + ([extent % size] if extent % size else []) if extent else [0]


@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Up to `chunks` equal pieces along `dim` (the last may be smaller).

    >>> import flambeau as torch
    >>> torch.arange(5).chunk(2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    return _of_many("SplitBackward0", unsafe_chunk(input, chunks, dim))


@numpy_names
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """As `chunk`, but the pieces may be written to in place.

    >>> import flambeau as torch
    >>> torch.unsafe_chunk(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim("chunk", dim, input.ndim)
    size = -(-input._node.shape[dim] // chunks)
    return unsafe_split(input, size or [0] * chunks, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along `dim`: so many of nearly equal size, or cut at the given places.

    >>> import flambeau as torch
    >>> torch.arange(5).tensor_split((1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    dim = wrap_dim("tensor_split", dim, input.ndim)
    extent = input._node.shape[dim]
    cuts = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"tensor_split: number of sections must be larger than 0, got {cuts}")
        size, larger = divmod(extent, cuts)
        return split(input, [size + 1] * larger + [size] * (cuts - larger), dim)
    places = [0, *[min(max(c + extent if c < 0 else c, 0), extent) for c in cuts], extent]
    return tuple(slice_dim(input, dim, a, max(b - a, 0), 1) for a, b in pairwise(places))


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors joined along a dimension; their other extents must be equal (an empty 1-d tensor is skipped).

    >>> import flambeau as torch
    >>> torch.cat([torch.zeros(2), torch.ones(1)])
    tensor([0., 0., 1.])
    """
    if isinstance(tensors, Tensor):
        raise TypeError(
            "cat(): argument 'tensors' must be a tuple of Tensors, not Tensor; use unbind() to take it apart"
        )
    xs = list(tensors)
    if not xs:
        raise ValueError("cat: expected a non-empty list of Tensors")
    for x in xs:
        if not isinstance(x, Tensor):
            raise TypeError(f"cat(): expected Tensor as element in argument 0, but got {type(x).__name__}")
    xs = _of_one_type(xs)
    dim, left_out = _fitting(dim, *[x._node.shape for x in xs])
    if left_out:
        xs = [x for i, x in enumerate(xs) if i not in left_out]
    if isinstance(out, Tensor) and not dt.can_cast(xs[0]._node.dtype, out._node.dtype):
        raise TypeError(
            f"cat(): input types can't be cast to the desired output type: {xs[0].dtype.name} to "
            f"{out.dtype.name}"
        )
    return deliver("cat", ops.concatenate(*xs, dim), out, *tensors)


def _of_one_type(xs: list[Tensor]) -> list[Tensor]:
    """The tensors in the dtype to which theirs are promoted."""
    if len({x._node.dtype for x in xs}) == 1:
        return xs
    d = result_type("cat", xs)
    return [x if x._node.dtype is d else cast(x, d) for x in xs]


@remembered
def _fitting(dim: int, *shapes: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The dimension along which these shapes are joined, and the places of those that are left out."""
    left_out: tuple[int, ...] = ()
    if any(len(s) != 1 for s in shapes):  # an old exception: empty vectors fit everywhere
        left_out = tuple(i for i, s in enumerate(shapes) if s == (0,))
    if len(left_out) == len(shapes):
        left_out = left_out[1:]
    kept = [s for i, s in enumerate(shapes) if i not in left_out]
    first, rank = kept[0], len(kept[0])
    if rank == 0:
        raise RuntimeError("cat: zero-dimensional tensor (at position 0) cannot be concatenated; use stack")
    dim = wrap_dim("cat", dim, rank)
    for i, shape in enumerate(kept):
        if len(shape) != rank or shape[:dim] + shape[dim + 1 :] != first[:dim] + first[dim + 1 :]:
            raise RuntimeError(
                f"cat: Sizes of tensors must match except in dimension {dim}. Expected shape {list(first)} "
                f"but got {list(shape)} for tensor number {i} in the list."
            )
    return dim, left_out


concat = concatenate = cat


@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    >>> import flambeau as torch
    >>> torch.stack([torch.zeros(2), torch.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    xs = list(tensors)
    if not xs:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = check_tensor("stack", "tensors", xs[0])._node.shape
    for i, x in enumerate(xs):
        if check_tensor("stack", "tensors", x)._node.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    dim, parts = wrap_dim("stack", dim, len(first) + 1), _of_one_type(xs)
    if dim < len(first):  # end to end, then cut: no view of each tensor is needed
        joined = ops.reshape.plain(ops.concatenate(*parts, dim), ((*first[:dim], len(xs), *first[dim:]),))
    else:
        joined = ops.concatenate(*[ops.unsqueeze.plain(x, (dim,)) for x in parts], dim)
    if isinstance(out, Tensor) and not dt.can_cast(joined._node.dtype, out._node.dtype):
        raise TypeError(
            f"stack(): input types can't be cast to the desired output type: {joined.dtype.name} to "
            f"{out.dtype.name}"
        )
    return deliver("stack", joined, out, *xs)


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along columns (along the only dimension for vectors).

    >>> import flambeau as torch
    >>> torch.hstack([torch.zeros(2), torch.ones(1)])
    tensor([0., 0., 1.])
    """
    if not len(tensors):
        raise RuntimeError("hstack expects a non-empty TensorList")
    xs = [reshape(x, 1) if x.ndim == 0 else x for x in tensors]
    return cat(xs, 0 if xs and xs[0].ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along rows; vectors are rows.

    >>> import flambeau as torch
    >>> torch.vstack([torch.zeros(2), torch.ones(2)]).shape
    torch.Size([2, 2])
    """
    if not len(tensors):
        raise RuntimeError("vstack expects a non-empty TensorList")
    return cat([reshape(x, 1, -1) if x.ndim < 2 else x for x in tensors], 0, out=out)


row_stack = vstack


def flip(input: Tensor, *places: Any, dims: Any = None) -> Tensor:
    """The order along dimensions reversed (a copy).

    >>> import flambeau as torch
    >>> torch.arange(3).flip(0)
    tensor([2, 1, 0])
    """
    wrapped = tuple(wrap_dim("flip", d, input.ndim) for d in shape_of("flip", places, dims))
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"flip: dim appears multiple times in the list of dims {wrapped}")
    return ops.flip(input, tuple(d for d in wrapped if d < input.ndim))


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order.

    >>> import flambeau as torch
    >>> torch.fliplr(torch.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: Input must be >= 2-d, got shape {tuple(input.shape)}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order.

    >>> import flambeau as torch
    >>> torch.flipud(torch.tensor([1, 2]))
    tensor([2, 1])
    """
    if input.ndim < 1:
        raise RuntimeError("flipud: Input must be >= 1-d, got a 0-d tensor")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Rotated by k quarter turns from the first towards the second of `dims`.

    >>> import flambeau as torch
    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(
            f"rot90: expected total rotation dims == 2 and total dims >= 2, but got dims {dims} of "
            f"{input.ndim}"
        )
    a, b = (wrap_dim("rot90", d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"rot90: expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    k %= 4
    if k == 0:
        return ops.clone(input)
    if k == 1:
        return transpose(flip(input, b), a, b)
    return flip(input, a, b) if k == 2 else flip(transpose(input, a, b), b)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along dimensions, those that leave coming back at the other end.

    >>> import flambeau as torch
    >>> torch.arange(4).roll(1)
    tensor([3, 0, 1, 2])
    """
    by = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    if dims is None or dims == ():
        if len(by) != 1:
            raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(by)}, dims:0")
        return reshape(ops.roll(reshape(input, -1), by, (0,)), input.shape)
    along = tuple(
        wrap_dim("roll", d, input.ndim) for d in (dims if isinstance(dims, (tuple, list)) else (dims,))
    )
    if len(along) != len(by):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}")
    return ops.roll(input, by, along)


def repeat(self: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """Copies along each dimension (new ones in front if there are more numbers than dimensions)."""
    counts = shape_of("repeat", sizes, repeats)
    if len(counts) < self.ndim:
        raise RuntimeError(
            f"repeat: Number of dimensions of repeat dims ({len(counts)}) can not be smaller than number of "
            f"dimensions of tensor ({self.ndim})"
        )
    have = (1,) * (len(counts) - self.ndim) + self._node.shape
    apart = reshape(self, *[v for e in have for v in (1, e)])
    spread = expand(apart, *[v for c, e in zip(counts, have, strict=True) for v in (c, e)])
    result = reshape(spread, *[c * e for c, e in zip(counts, have, strict=True)])
    return result.clone() if set(counts) <= {1} else result


def tile(input: Tensor, *counts: Any, dims: Any = None) -> Tensor:
    """`repeat`, with missing counts in front being 1.

    >>> import flambeau as torch
    >>> torch.tile(torch.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    counts = shape_of("tile", counts, dims)
    return repeat(input, *((1,) * (input.ndim - len(counts)) + counts))


@numpy_names
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (or slice along `dim`) repeated in place; of a tensor of counts alone, each position so
    many times.

    RuntimeError for negative counts, or a number of them that doesn't fit.

    >>> import flambeau as torch
    >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    from .indexing import index_select

    if repeats is None:
        if input.ndim != 1:
            raise RuntimeError(
                f"repeat_interleave only accept 1D vector as repeat, got shape {tuple(input.shape)}"
            )
        return from_array(_positions("repeat_interleave", input, input.numel(), output_size))
    x = reshape(input, -1) if dim is None else input
    dim = wrap_dim("repeat_interleave", 0 if dim is None else dim, x.ndim)
    return index_select(
        x, dim, from_array(_positions("repeat_interleave", repeats, x._node.shape[dim], output_size))
    )


def _positions(what: str, repeats: Any, extent: int, output_size: int | None) -> np.ndarray:
    """The numbers below `extent`, each as often as `repeats` (one count or `extent` of them) says."""
    if isinstance(repeats, Tensor) and repeats.dtype not in (dt.int64, dt.int32):
        raise NotImplementedError(
            f'{what}: "repeat_interleave_cpu" not implemented for dtype {repeats.dtype}; use repeats.long()'
        )
    counts = np.asarray(repeats._value(what) if isinstance(repeats, Tensor) else repeats)
    if counts.ndim > 1 or counts.size not in (1, extent):
        raise RuntimeError(
            f"{what}: repeats must be 0-dim or have the same size as input along dim, but got shape "
            f"{counts.shape} for {extent} elements"
        )
    if (counts < 0).any():
        raise RuntimeError(f"{what}: repeats can not be negative, got {counts.tolist()}")
    numbers = np.repeat(np.arange(extent), counts if counts.size > 1 else int(counts.reshape(())))
    if output_size is not None and len(numbers) != output_size:
        raise RuntimeError(
            f"{what}: allocated size does not match required size: output_size={output_size}, but there are "
            f"{len(numbers)}"
        )
    return numbers


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Grids of coordinates from vectors: output k has vector k along dimension k ("xy": the first two
    swapped).

    >>> import flambeau as torch
    >>> x, y = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij"); x.shape
    torch.Size([2, 3])
    """
    xs = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of 'xy' or 'ij', but received: {indexing}")
    if not xs:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if len({x.dtype for x in xs}) > 1 or any(x.ndim > 1 for x in xs):
        given = ", ".join(f"{x.dtype} of shape {tuple(x.shape)}" for x in xs)
        raise RuntimeError(
            f"meshgrid expects all tensors to have the same dtype and to be vectors, got {given}"
        )
    order = list(range(len(xs)))  # which input lies along each dimension
    if indexing == "xy" and len(xs) > 1:
        order[:2] = [1, 0]
    shape = [xs[k].numel() for k in order]
    return tuple(
        expand(reshape(x, *[shape[d] if order[d] == k else 1 for d in range(len(xs))]), *shape)
        for k, x in enumerate(xs)
    )


def sum_to_size(self: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Summed over dimensions so that the result has this shape, which must broadcast to this tensor's."""
    from ..ops.reduction import sum as sum_dims

    shape, have = shape_of("sum_to_size", sizes, size), self._node.shape
    if not shape:
        return self.sum()
    extra = len(have) - len(shape)
    if extra < 0 or any(s not in (1, e) for s, e in zip(shape, have[extra:], strict=True)):
        raise RuntimeError(f"sum_to_size: size {list(shape)} is not expandable to size {list(have)}.")
    dims = tuple(range(extra)) + tuple(
        i for i in range(extra, len(have)) if shape[i - extra] == 1 and have[i] != 1
    )
    return reshape(sum_dims(self, dims, True), *shape) if dims else self
