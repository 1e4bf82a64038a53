"""Products of sparse matrices: rows are picked, scaled and added up."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.layout import sparse_coo, sparse_csr
from ...core.node import numel
from ...core.tensor import Tensor, from_array
from ...ops.op import check_tensor
from ...ops.view import permute
from .. import linear
from ..calling import deliver, write
from ..shape import reshape, transpose, unsqueeze
from .convert import as_coo, coalesce, compressed, picked, summed
from .pointwise import add
from .tensor import SparseTensor, check_sparse, coordinate

Number = bool | int | float | complex


def _check(what: str, a: Tensor, b: Tensor, rank: int = 2) -> None:
    check_tensor(what, "mat1", a)
    check_tensor(what, "mat2", b)
    if a.ndim != 2 or b.ndim != rank:
        raise RuntimeError(
            f"{what}: expected matrices, got shapes {tuple(a.shape)} and {tuple(b.shape)}; expand is "
            "unsupported for sparse tensors"
        )
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"{what}: mat1 and mat2 shapes cannot be multiplied ({list(a.shape)} and {list(b.shape)})"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{what}: expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}; convert "
            "one with .to()"
        )


def product(what: str, a: Tensor, b: Tensor) -> Tensor:
    """The product of two matrices, at least one of them sparse."""
    _check(what, a, b)
    if not isinstance(b, SparseTensor):
        assert isinstance(a, SparseTensor)
        return _times_dense(a, b)
    if not isinstance(a, SparseTensor):  # (b' a')'
        return transpose(_times_dense(b, transpose(a, 0, 1), 1, 0), 0, 1)
    found = _times_sparse(coalesce(as_coo(a)), coalesce(as_coo(b)))
    return found if a._form is sparse_coo else compressed(found, a._form)


def _times_dense(a: SparseTensor, b: Tensor, rows: int = 0, columns: int = 1) -> Tensor:
    """a @ b; with `rows` 1 and `columns` 0, a.t() @ b."""
    if a.dense_dim():
        raise RuntimeError(f"mm: expected a sparse matrix without dense dimensions, it has {a.dense_dim()}")
    terms = b[a._index(columns)] * unsqueeze(a._elements(), 1)
    return summed(terms, a._index(rows), a._node.shape[rows])


def _times_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    """For each element of `a`, in column k, row k of `b` scaled; what falls on the same place is added up."""
    (rows, inner), (b_rows, b_columns) = a._array(), b._array()
    counts = np.bincount(b_rows, minlength=b._node.shape[0])
    starts = np.concatenate([[0], np.cumsum(counts)])
    times = counts[inner]
    left = np.repeat(np.arange(len(inner)), times)
    right = (
        np.arange(len(left)) - np.repeat(np.cumsum(times) - times, times) + np.repeat(starts[inner], times)
    )
    wide = b._node.shape[1]
    numbers, which = np.unique(rows[left] * wide + b_columns[right], return_inverse=True)
    terms = picked(a._entries, left) * picked(b._entries, right)
    entries = summed(terms, from_array(which.astype(np.int64)), len(numbers))
    array = np.stack([numbers // max(wide, 1), numbers % max(wide, 1)])
    return coordinate(array, entries, (a._node.shape[0], wide), True)


def mm(input: Tensor, mat2: Tensor, reduce: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices of which one or both are sparse: dense, unless both are.

    With `reduce` ("sum", "mean", "amax", "amin") the terms of each sum are reduced so, where the first matrix
    has elements (CSR). RuntimeError if shapes or dtypes don't fit.

    >>> import flambeau as torch
    >>> a = torch.sparse_coo_tensor([[0, 1], [1, 0]], [2., 3.], (2, 2))
    >>> torch.sparse.mm(a, torch.tensor([[1.], [10.]]))
    tensor([[20.],
            [ 3.]])
    """
    if reduce is not None:
        return _reduced(input, mat2, reduce)
    if not isinstance(input, SparseTensor) and not isinstance(mat2, SparseTensor):
        return linear.mm(input, mat2, out=out)
    found = product("mm", input, mat2)
    return found if out is None else deliver("mm", found, out)


def _reduced(a: Tensor, b: Tensor, reduce: str) -> Tensor:
    if not isinstance(a, SparseTensor) or a._form is not sparse_csr:
        raise NotImplementedError(f"mm: reduce={reduce!r} takes a CSR matrix first; use .to_sparse_csr()")
    if reduce not in ("sum", "mean", "amax", "amin"):
        raise ValueError(f"mm: reduce argument must be one of sum, mean, amax, amin, got {reduce!r}")
    _check("mm", a, b)
    if reduce == "sum":
        return _times_dense(a, b)
    from ..scattering import scatter_reduce

    terms = b[a._index(1)] * unsqueeze(a._elements(), 1)
    blank = terms.new_zeros((a.shape[0], b.shape[1]))
    rows = unsqueeze(a._index(0), 1).expand(terms.shape)
    return scatter_reduce(blank, 0, rows, terms, reduce, include_self=False)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As `torch.matmul`, where one is sparse: matrices, vectors, and batches of dense rows on the left."""
    check_tensor("matmul", "input", input)
    check_tensor("matmul", "other", other)
    if other.ndim == 1 and isinstance(input, SparseTensor):
        return mv(input, other, out=out)
    if input.ndim == 1 and isinstance(other, SparseTensor):
        _check("matmul", unsqueeze(input, 0), other)
        return reshape(product("matmul", unsqueeze(input, 0), other), (other.shape[1],))
    if input.ndim > 2 and other.ndim == 2 and not isinstance(input, SparseTensor):
        rows = reshape(input.contiguous(), (numel(input._node.shape[:-1]), input.shape[-1]))
        found = product("matmul", rows, other)
        return deliver("matmul", reshape(found, (*input._node.shape[:-1], other.shape[1])), out)
    if input.ndim == 3 and other.ndim == 3:
        return bmm(input, other, out=out)
    return mm(input, other, out=out)


def rmatmul(self: Tensor, other: Tensor) -> Tensor:
    """other @ self"""
    return matmul(other, self)


def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A sparse matrix times a dense vector."""
    a = check_sparse("mv", "input", input)
    _check("mv", a, vec, 1)
    found = summed(vec[a._index(1)] * a._elements(), a._index(0), a._node.shape[0])
    return found if out is None else deliver("mv", found, out)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of a batch of sparse matrices (three sparse dimensions) and as many dense ones."""
    a = check_sparse("bmm", "input", input)
    if isinstance(mat2, SparseTensor) or a.sparse_dim() != 3 or mat2.ndim != 3:
        raise RuntimeError(
            f"bmm: expected a sparse batch and a dense one, got shapes {tuple(a.shape)} and "
            f"{tuple(mat2.shape)}"
        )
    (count, n, k), m = a._node.shape, mat2.shape[2]
    if tuple(mat2.shape[:2]) != (count, k):
        raise RuntimeError(
            f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{count}, {k}] but got: "
            f"{list(mat2.shape[:2])}"
        )
    batch, rows, columns = a._array()
    wide = coordinate(np.stack([batch * n + rows, batch * k + columns]), a._entries, (count * n, count * k))
    found = _times_dense(wide, reshape(mat2, (count * k, m)))
    return deliver("bmm", reshape(found, (count, n, m)), out)


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """beta * input + alpha * mat1 @ mat2, where one or several are sparse.

    >>> import flambeau as torch
    >>> torch.sparse.addmm(torch.ones(2, 2), torch.eye(2).to_sparse(), torch.ones(2, 2), beta=2)
    tensor([[3., 3.],
            [3., 3.]])
    """
    sparse = isinstance(mat1, SparseTensor) or isinstance(mat2, SparseTensor)
    found = product("addmm", mat1, mat2) if sparse else linear.mm(mat1, mat2)
    if isinstance(input, SparseTensor) and not isinstance(found, SparseTensor):
        raise RuntimeError(
            "addmm: expected strided result tensor, got tensor with layout Sparse for 'input'; use "
            ".to_dense()"
        )
    scaled = found if alpha == 1 else found * alpha
    if beta == 0 and not isinstance(input, SparseTensor):
        return deliver("addmm", scaled.expand(found.shape), out)
    start = input if beta == 1 else input * beta
    if isinstance(scaled, SparseTensor):
        return add(start, scaled)
    return deliver("addmm", start + scaled, out)


def addmm_(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """In-place version of `addmm`."""
    return write("addmm_", self, addmm(self, mat1, mat2, beta=beta, alpha=alpha))


def smm(input: Tensor, mat: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix, in COO layout.

    >>> import flambeau as torch
    >>> torch.smm(torch.eye(2).to_sparse(), torch.ones(2, 2)).is_sparse
    True
    """
    a = check_sparse("smm", "input", input)
    found = product("smm", a, mat)
    rows = np.unique(a._array()[0])
    array = np.stack([np.repeat(rows, found.shape[1]), np.tile(np.arange(found.shape[1]), len(rows))])
    entries = reshape(picked(found, rows), (array.shape[1],))
    return coordinate(array, entries, tuple(found.shape))


def hspmm(mat1: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a sparse and a dense matrix, with the rows that aren't empty (one sparse dimension).

    >>> import flambeau as torch
    >>> torch.hspmm(torch.eye(2).to_sparse(), torch.ones(2, 3)).sparse_dim()
    1
    """
    a = check_sparse("hspmm", "mat1", mat1)
    found = product("hspmm", a, mat2)
    rows = np.unique(a._array()[0])
    return coordinate(rows[None], picked(found, rows), tuple(found.shape))


def sspaddmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """beta * input + alpha * mat1 @ mat2 with sparse `input` and `mat1`, in COO layout.

    >>> import flambeau as torch
    >>> e = torch.eye(2).to_sparse()
    >>> torch.sspaddmm(e, e, torch.ones(2, 2)).to_dense()
    tensor([[2., 1.],
            [1., 2.]])
    """
    check_sparse("sspaddmm", "input", input)
    return add(input * beta, smm(mat1, mat2), alpha=alpha)


def sampled_addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """beta * input + alpha * (mat1 @ mat2) at the places of `input`, a CSR matrix: no others are computed.

    >>> import flambeau as torch
    >>> e = torch.eye(2).to_sparse_csr()
    >>> torch.sparse.sampled_addmm(e, torch.ones(2, 3), torch.ones(3, 2)).values()
    tensor([4., 4.])
    """
    t = check_sparse("sampled_addmm", "input", input)
    if t._form is not sparse_csr:
        raise NotImplementedError(
            f"sampled_addmm: expected a CSR matrix, got {t._form}; use .to_sparse_csr()"
        )
    _check("sampled_addmm", mat1, mat2)
    if (mat1.shape[0], mat2.shape[1]) != tuple(t.shape):
        raise RuntimeError(
            f"sampled_addmm: the product has shape {[mat1.shape[0], mat2.shape[1]]}, self {list(t.shape)}"
        )
    products = (mat1[t._index(0)] * permute(mat2, (1, 0))[t._index(1)]).sum(1)
    entries = products * alpha if beta == 0 else t._entries * beta + products * alpha
    return t._with(entries)


def linear_layer(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.t() + bias"""
    turned = weight.t()
    found = matmul(input, turned)
    return found if bias is None else found + bias


def spdiags(diagonals: Tensor, offsets: Tensor, shape: tuple[int, int], layout: Any = None) -> Tensor:
    """A sparse matrix with the rows of `diagonals` as its diagonals, which lie `offsets` above the main one:
    element j of a row is in column j.

    >>> import flambeau as torch
    >>> torch.sparse.spdiags(torch.tensor([[1., 2.]]), torch.tensor([1]), (2, 2)).to_dense()
    tensor([[0., 2.],
            [0., 0.]])
    """
    rows = diagonals if diagonals.ndim == 2 else unsqueeze(diagonals, 0)
    starts = np.atleast_1d(offsets._value("spdiags"))
    if offsets.dtype is not dt.int64:
        raise RuntimeError(f"spdiags: Offset Tensor must have dtype Long but got {offsets.dtype}")
    if rows.shape[0] != len(starts):
        raise RuntimeError(
            f"spdiags: Number of diagonals ({rows.shape[0]}) does not match the number of offsets "
            f"({len(starts)})"
        )
    if len(set(starts.tolist())) < len(starts):
        raise RuntimeError("spdiags: Offset tensor contains duplicate values")
    columns = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    lines = columns - starts[:, None]
    kept = (lines >= 0) & (lines < shape[0]) & (columns < shape[1])
    array = np.stack([lines[kept], columns[kept]])
    found = coordinate(array, picked(reshape(rows, (rows.numel(),)), np.flatnonzero(kept)), tuple(shape))
    return found if layout in (None, sparse_coo) else compressed(found, layout)
