"""Order: sort, top k, medians, unique values, counting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.tensor import Tensor, from_array
from ..ops import index as ops
from ..ops.creation import full
from ..ops.kinds import result_type
from ..ops.op import check_tensor, wrap_dim
from ..ops.reduction import median as median_of
from . import return_types
from .calling import deliver, numpy_names


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The positions that would sort the input along a dimension (equal elements in their order).

    >>> import flambeau as torch
    >>> torch.argsort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return ops.argsort(input, wrap_dim("argsort", dim, input.ndim), bool(descending), True)


@numpy_names
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False, *, out: Any = None
) -> Any:
    """The elements in order along a dimension, and where they were. NaN counts as the largest.

    >>> import flambeau as torch
    >>> torch.sort(torch.tensor([3, 1, 2])).values
    tensor([1, 2, 3])
    """
    return _picked("sort", input, argsort(input, dim, descending), dim, out)


def _picked(what: str, x: Tensor, i: Tensor, dim: int, out: Any = None) -> Any:
    values = x.clone() if x.ndim == 0 else ops.gather(x, i, wrap_dim(what, dim, x.ndim))
    return _pair(what, values, i, out)


def _pair(what: str, values: Tensor, i: Tensor, out: Any) -> Any:
    if out is not None:
        values, i = deliver(what, values, out[0]), deliver(what, i, out[1])
    return getattr(return_types, what)(values, i)


def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The input sorted along its first dimension.

    >>> import flambeau as torch
    >>> torch.msort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return deliver("msort", sort(input, 0).values, out)


@numpy_names
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Any = None
) -> Any:
    """The k largest (smallest) elements along a dimension, best first, and where they were. RuntimeError if
    there aren't k.

    >>> import flambeau as torch
    >>> torch.topk(torch.tensor([1, 5, 3]), 2).values
    tensor([5, 3])
    """
    dim = wrap_dim("topk", dim, input.ndim)
    extent = input._node.shape[dim] if input.ndim else 1
    if not 0 <= k <= extent:
        raise RuntimeError(
            f"topk: selected index k out of range: k = {k}, the dimension {dim} has {extent} elements"
        )
    return _picked("topk", input, ops.topk_index(input, int(k), dim, bool(largest)), dim, out)


@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The k-th smallest element (counted from 1) along a dimension, and where it is.

    >>> import flambeau as torch
    >>> torch.kthvalue(torch.tensor([5, 1, 3]), 2).values
    tensor(3)
    """
    dim = wrap_dim("kthvalue", dim, input.ndim)
    ops.topk_index.check_dtype(input._node.dtype)
    extent = input._node.shape[dim] if input.ndim else 1
    if extent == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {dim} to have non-zero size.")
    if not 1 <= k <= extent:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}: {k} of {extent}")
    return _single("kthvalue", input, _ranked(input, k - 1, dim), dim, keepdim, out)


def _ranked(x: Tensor, rank: int, dim: int) -> Tensor:
    """Where the element is that has `rank` others before it in order."""
    i = ops.argsort(x, dim, False, True)
    return i.narrow(dim, rank, 1) if x.ndim else i


def _single(what: str, x: Tensor, i: Tensor, dim: int, keepdim: bool, out: Any) -> Any:
    """The elements at `i`, which has an extent of 1 along `dim`."""
    pair = _picked(what, x, i, dim)
    values, i = pair.values, pair.indices
    if not keepdim and x.ndim:
        values, i = values.squeeze(dim), i.squeeze(dim)
    if out is None:
        return getattr(return_types, what)(values, i)
    return getattr(return_types, what)(deliver(what, values, out[0], x), deliver(what, i, out[1], x))


@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The lower of the middle elements: of all, or along a dimension with its position. NaN if there is one.

    >>> import flambeau as torch
    >>> torch.median(torch.tensor([1., 3., 2., 4.]))
    tensor(2.)
    """
    ops.topk_index.check_dtype(input._node.dtype)
    if dim is None:
        if input.numel() == 0:
            return input.new_full((), float("nan") if input.dtype.category >= dt.FLOAT else 0)
        return median_of(input)
    return _median(input, wrap_dim("median", dim, input.ndim), keepdim, out)


def _median(x: Tensor, dim: int, keepdim: bool, out: Any = None) -> Any:
    extent = x._node.shape[dim] if x.ndim else 1
    if extent == 0:
        raise IndexError(f"median(): Expected reduction dim {dim} to have non-zero size.")
    middle = _ranked(x, (extent - 1) // 2, dim)
    if x.dtype.category >= dt.FLOAT and x.ndim:  # a NaN is the median: the first one's place
        nan = x != x
        middle = nan.to(dt.int64).argmax(dim, keepdim=True).where(nan.any(dim, keepdim=True), middle)
    return _single("median", x, middle, dim, keepdim, out)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    out: Tensor | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where values would have to be inserted into sorted rows to keep them sorted (left: before equal ones).

    `sorter` gives the order of rows that aren't sorted themselves. RuntimeError for rows that don't match
    those of the values.

    >>> import flambeau as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(
            f"searchsorted(): side can only be 'left' or 'right' and must agree with right, but got "
            f"{side!r} and right={right}"
        )
    d = result_type("searchsorted", (sorted_sequence, input))
    edges = sorted_sequence.to(d)
    values = input.to(d) if isinstance(input, Tensor) else full(input, (), d)
    if edges.ndim == 0 or (edges.ndim > 1 and (values.ndim == 0 or edges.shape[:-1] != values.shape[:-1])):
        raise RuntimeError(
            f"searchsorted(): boundaries tensor should be 1 dimension, or agree with the input value in all "
            f"dimensions but the last: got "
            f"{tuple(edges.shape)} and {tuple(values.shape)}"
        )
    if sorter is not None:
        if sorter.shape != edges.shape or sorter.dtype is not dt.int64:
            raise RuntimeError(
                f"searchsorted(): boundary and sorter must have the same size and sorter be int64, but got "
                f"{tuple(edges.shape)} and "
                f"{tuple(sorter.shape)} of {sorter.dtype}"
            )
        edges = ops.gather(edges, sorter, edges.ndim - 1)
    r = ops.searchsorted(edges, values, right or side == "right")
    return deliver("searchsorted", r.to(dt.int32) if out_int32 else r, out)


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Tensor | None = None
) -> Tensor:
    """The number of the interval between `boundaries` (a sorted vector) that each value falls into.

    >>> import flambeau as torch
    >>> torch.bucketize(torch.tensor([3, 6]), torch.tensor([1, 3, 5]))
    tensor([1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@numpy_names
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along `dim`), in order; with them where each element went, and how
    many there are.

    >>> import flambeau as torch
    >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    ops.argsort.check_dtype(check_tensor("unique", "input", input)._node.dtype)
    value = input._value("unique")
    axis = None if dim is None else wrap_dim("unique", dim, input.ndim)
    values, inverse, counts = np.unique(
        value, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(value.shape if axis is None else -1)
    return _unique_result(values, inverse, counts, return_inverse, return_counts)


def _unique_result(values: Any, inverse: Any, counts: Any, want_inverse: bool, want_counts: bool) -> Any:
    results = [from_array(np.ascontiguousarray(values))]
    if want_inverse:
        results.append(from_array(inverse.astype(np.int64)))
    if want_counts:
        results.append(from_array(counts.astype(np.int64)))
    return results[0] if len(results) == 1 else tuple(results)


@numpy_names
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The input with runs of equal elements (or slices along `dim`) reduced to one each.

    >>> import flambeau as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    ops.argsort.check_dtype(check_tensor("unique_consecutive", "input", input)._node.dtype)
    value = input._value("unique_consecutive")
    axis = None if dim is None else wrap_dim("unique_consecutive", dim, input.ndim)
    rows = value.reshape(-1) if axis is None else np.moveaxis(value, axis, 0)
    flat = rows.reshape(len(rows), -1) if rows.size else rows.reshape(len(rows), 0)
    new = np.concatenate(([True], (flat[1:] != flat[:-1]).any(1)))[: len(rows)]
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(rows)))
    inverse = np.cumsum(new) - 1
    values = rows[starts] if axis is None else np.moveaxis(rows[starts], 0, axis)
    return _unique_result(
        values,
        inverse.reshape(value.shape) if axis is None else inverse,
        counts,
        return_inverse,
        return_counts,
    )


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 on occurs, or the sum of its `weights`. RuntimeError for negative
    numbers.

    >>> import flambeau as torch
    >>> torch.bincount(torch.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    value = input._value("bincount")
    ops.bincount.check_dtype(input._node.dtype)
    if input.ndim != 1 or value.dtype.kind not in "iu" or (value.size and value.min() < 0):
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs, got {input.dtype} of shape "
            f"{tuple(input.shape)}"
        )
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength should be >= 0, got {minlength}")
    length = max(int(value.max()) + 1 if value.size else 0, minlength)
    if weights is None:
        return ops.bincount(input, length)
    if weights.shape != input.shape:
        raise RuntimeError(
            f"bincount: weights should be 1-d and have the same length as input: {tuple(weights.shape)}, "
            f"{tuple(input.shape)}"
        )
    w = weights if weights.dtype in (dt.float32, dt.float64) else weights.to(dt.float64)
    return ops.scatter_add(w.new_zeros(length), input.to(dt.int64), w, 0)


def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each element is among `test_elements`.

    >>> import flambeau as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2]))
    tensor([False,  True, False])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError(
            f"isin(): elements or test_elements must be a Tensor, got {elements!r}, {test_elements!r}"
        )
    for x in (elements, test_elements):
        if isinstance(x, Tensor):
            ops.topk_index.check_dtype(x._node.dtype)
    e, t = (x._value("isin") if isinstance(x, Tensor) else np.asarray(x) for x in (elements, test_elements))
    return deliver("isin", from_array(np.asarray(np.isin(e, t, invert=invert))), out)
