"""Sums, norms and softmax of sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.layout import sparse_coo
from ...core.tensor import Tensor, from_array
from ...ops.kinds import cast
from ...ops.op import wrap_dims
from .. import norms, scattering
from .. import reduction as dense
from ..shape import reshape
from .convert import as_coo, coalesce, compressed, summed
from .tensor import SparseTensor, check_sparse, coordinate, counted, passed_on


def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: dt.dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The sum over dimensions: of all, a number; of all sparse ones, dense; otherwise sparse.

    >>> import flambeau as torch
    >>> torch.eye(2).to_sparse().sum()
    tensor(2.)
    """
    given = check_sparse("sum", "input", input)
    dims = wrap_dims("sum", dim, given.ndim)
    entries = given._elements()
    if dtype is None and given.dtype.category < dt.FLOAT:
        dtype = dt.int64
    if dtype is not None:
        entries = cast(entries, dtype)
    if dim is None or (len(dims) == given.ndim and not keepdim):
        return dense.sum(entries)
    if given._form is not sparse_coo and not keepdim:
        raise RuntimeError("sum: reduction operations on CSR tensors with keepdim=False is unsupported")
    t = given if given._form is sparse_coo else as_coo(given)
    if t is not given:
        entries = t._entries if dtype is None else cast(t._entries, dtype)
    first = t.sparse_dim()
    inside = tuple(d - first + 1 for d in dims if d >= first)
    if inside:
        entries = dense.sum(entries, inside, keepdim)
    shape = tuple(1 if d in dims else e for d, e in enumerate(t._node.shape) if keepdim or d not in dims)
    kept = [d for d in range(first) if d not in dims]
    if not kept and given._form is sparse_coo:
        return reshape(dense.sum(entries, 0), shape)
    array = t._array()
    if keepdim:
        array = array.copy()
        array[[d for d in dims if d < first]] = 0
    else:
        array = array[kept]
    unchanged = len(kept) == first
    found = coordinate(array.copy(), passed_on(entries), shape, t._coalesced and unchanged)
    if not unchanged:
        found = coalesce(found)
    return found if given._form is sparse_coo else compressed(found, given._form)


def sparse_sum(input: Tensor, dim: Any = None, dtype: dt.dtype | None = None) -> Tensor:
    """The sum over dimensions of a sparse tensor: of all sparse ones, dense; otherwise sparse.

    >>> import flambeau as torch
    >>> torch.sparse.sum(torch.eye(2).to_sparse(), 0).to_dense()
    tensor([1., 1.])
    """
    return sum(input, dim, dtype=dtype)


def norm(
    input: SparseTensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: dt.dtype | None = None
) -> Tensor:
    """The norm of all elements."""
    if dim is not None or keepdim:
        raise NotImplementedError("norm: of sparse tensors only the norm of all elements; use .to_dense()")
    order = 2.0 if p in ("fro", None) else float(p)
    return norms.vector_norm(coalesce(as_coo(input))._entries, order, dtype=dtype)


def _groups(t: SparseTensor, dim: int) -> tuple[Tensor, int]:
    """Which elements differ in dimension `dim` alone: the number of each one's group, and how many there
    are."""
    array, shape = t._array(), t._sparse_shape()
    others = [d for d in range(len(shape)) if d != dim]
    numbers = counted(array[others], tuple(shape[d] for d in others))
    known, which = np.unique(numbers, return_inverse=True)
    return from_array(which.astype(np.int64)), len(known)


def _softmax(what: str, input: Tensor, dim: int, dtype: dt.dtype | None, log: bool) -> SparseTensor:
    t = coalesce(check_sparse(what, "input", input))
    (dim,) = wrap_dims(what, dim, t.ndim)
    x = t._entries if dtype is None else cast(t._entries, dtype)
    if x.dtype.category < dt.FLOAT:
        raise NotImplementedError(f'{what}: "softmax" not implemented for {x.dtype}; cast the input first')
    if dim >= t.sparse_dim():
        inner = dim - t.sparse_dim() + 1
        return t._with(dense.log_softmax(x, inner) if log else dense.softmax(x, inner))
    group, count = t._once(f"groups {dim}", lambda: _groups(t, dim))
    index = reshape(group, (x.shape[0], *[1] * (x.ndim - 1))).expand(x.shape)
    largest = scattering.scatter_reduce(
        x.detach().new_zeros((count, *x.shape[1:])), 0, index, x.detach(), "amax", include_self=False
    )
    shifted = x - largest[group]
    e = shifted.exp()
    total = summed(e, group, count)
    return t._with(shifted - total.log()[group] if log else e / total[group])


def softmax(input: Tensor, dim: int, *, dtype: dt.dtype | None = None) -> SparseTensor:
    """Softmax along a dimension over the elements that are there: the others count as minus infinity.

    >>> import flambeau as torch
    >>> torch.sparse.softmax(torch.eye(2).to_sparse(), 1).values()
    tensor([1., 1.])
    """
    return _softmax("softmax", input, dim, dtype, False)


def log_softmax(input: Tensor, dim: int, *, dtype: dt.dtype | None = None) -> SparseTensor:
    """The logarithm of `softmax`.

    >>> import flambeau as torch
    >>> torch.sparse.log_softmax(torch.eye(2).to_sparse(), 1).values()
    tensor([0., 0.])
    """
    return _softmax("log_softmax", input, dim, dtype, True)
